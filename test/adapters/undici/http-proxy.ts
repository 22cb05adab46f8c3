import { once } from "node:events";
import { createServer, request as forward, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";

/** A request received by a proxy. */
export interface Proxied {
  readonly method: string;
  /** "host:port" of a CONNECT, or the whole URL of another request. */
  readonly target: string;
  readonly authorization: string | undefined;
}

/** Replaces the proxy's handling of a request. Returns `false` to let the proxy handle it. */
export interface ProxyConduct {
  readonly onConnect?: (socket: Duplex) => false | unknown;
  readonly onRequest?: (response: ServerResponse) => false | unknown;
}

/** Opens an HTTP proxy on a free port of loopback. It resolves every name to loopback. */
export async function openHttpProxy({ onConnect, onRequest }: ProxyConduct = {}) {
  const requests: Proxied[] = [];
  const sockets = new Set<Duplex>();
  const keep = <T extends Duplex>(socket: T): T => {
    sockets.add(socket);
    socket.on("error", () => {});
    return socket;
  };
  const server = createServer((incoming, response) => {
    const { method = "", url: target = "", headers } = incoming;
    requests.push({ method, target, authorization: headers["proxy-authorization"] });
    if (onRequest && onRequest(response) !== false) return;
    const { port, pathname, search } = new URL(target);
    const { "proxy-authorization": _, ...others } = headers;
    const sent = forward({ host: "127.0.0.1", port, path: pathname + search, method, headers: others }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    sent.on("error", () => response.writeHead(502).end());
    incoming.pipe(sent);
  });
  server.on("connection", keep);
  server.on("connect", ({ url: target = "", headers }, socket: Duplex) => {
    requests.push({ method: "CONNECT", target, authorization: headers["proxy-authorization"] });
    if (onConnect && onConnect(socket) !== false) return;
    const onward: Socket = keep(
      connect(Number(target.split(":").at(-1)), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
        socket.pipe(onward).pipe(socket);
      }),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    shown: `127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}`,
    requests,
    /** Resolves when the proxy has received this many requests. */
    async arrived(count: number) {
      while (requests.length < count) await new Promise(setImmediate);
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}
