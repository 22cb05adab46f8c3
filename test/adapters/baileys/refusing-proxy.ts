import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";

/** A listener in the place of a proxy; resolves with its port. */
export async function listening(t: TestContext, serve: (client: Socket) => void): Promise<number> {
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    client.on("error", () => {});
    serve(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    for (const client of clients) client.destroy();
  });
  return (server.address() as AddressInfo).port;
}

/** Sends each answer once the client has sent something more. */
export const answering =
  (...answers: readonly (string | Uint8Array)[]) =>
  (client: Socket): void => {
    const left = [...answers];
    client.on("data", () => {
      const answer = left.shift();
      if (answer !== undefined) client.write(answer);
    });
  };
