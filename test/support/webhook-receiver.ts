import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** A webhook request as its receiver got it. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Server on a free loopback port that records its requests. */
export interface WebhookReceiver extends AsyncDisposable {
  readonly origin: string;
  readonly port: number;
  readonly requests: readonly Received[];
  /** Connections made to it so far. */
  readonly connections: number;
  /** Resolves when it has received this many requests. */
  arrived(count: number): Promise<void>;
}

/** Opens a receiver that answers with `answer`, or 200. Closing it ends the requests it left open. */
export async function openReceiver(
  answer: (response: ServerResponse, request: Received) => void = (response) => response.end(),
): Promise<WebhookReceiver> {
  const requests: Received[] = [];
  let connections = 0;
  const server = createServer(async (incoming, response) => {
    const { method = "", url: path = "", headers } = incoming;
    const request = { method, path, headers, body: await buffer(incoming) };
    requests.push(request);
    answer(response, request);
    server.emit("received");
  });
  server.on("connection", () => connections++);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    requests,
    get connections() {
      return connections;
    },
    async arrived(count) {
      while (requests.length < count) await once(server, "received");
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
