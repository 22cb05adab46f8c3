import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";
import { resetSocket } from "../support/reset-socket.ts";

/** Opens a TCP proxy that can cut its connections. It forwards to the server's current address. */
export async function openCutProxy(target: () => string) {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket, other: () => Socket) => {
    sockets.add(socket);
    socket
      .on("error", () => {})
      .once("close", () => {
        sockets.delete(socket);
        other().destroy();
      });
  };
  const server = createServer((client) => {
    const { hostname, port } = new URL(target());
    const upstream = connect(Number(port), hostname);
    keep(client, () => upstream);
    keep(upstream, () => client);
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  /** Resets all connections in mid-traffic. */
  const cut = () => {
    for (const socket of sockets) resetSocket(socket);
  };
  return {
    url: `http://127.0.0.1:${port}`,
    cut,
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
