import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** A request as a receiver of webhooks got it. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A server on a free port of the loopback that keeps what it gets. */
export interface WebhookReceiver extends AsyncDisposable {
  readonly origin: string;
  readonly port: number;
  readonly requests: readonly Received[];
  /** How many connections were made to it. */
  readonly connections: number;
  /** Resolves when it has got this many requests. */
  arrived(count: number): Promise<void>;
}

/** Opens a receiver that answers by `answer`, or 200. What it leaves open is closed with the receiver. */
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
