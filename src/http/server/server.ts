import { createServer as createHttpServer, type Server as Http1Server } from "node:http";
import { createServer as createHttp2Server, type Http2Server } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import type { RequestListener } from "../exchange.ts";
import { type Connections, createConnections } from "./connections.ts";
import { detectProtocol } from "./preface.ts";

/** Limits of a client's time and input. A connection that exceeds one is ended. */
export interface ServerLimits {
  /** Time from the opening of a connection until its protocol is known. */
  readonly firstByteTimeoutMs: number;
  /** Time from then until the headers of a request are complete (HTTP/1.1). */
  readonly headersTimeoutMs: number;
  /** Time until a request is complete (HTTP/1.1); 0 for no limit. */
  readonly requestTimeoutMs: number;
  /** Time between two requests on a connection (HTTP/1.1), sent as Keep-Alive; 0 for no limit. Node waits 1 s longer. */
  readonly keepAliveTimeoutMs: number;
  /** Time without a stream (HTTP/2); 0 for no limit. */
  readonly idleSessionTimeoutMs: number;
  /** Time between two pings (HTTP/2). */
  readonly pingIntervalMs: number;
  /** Time from a ping to its acknowledgement (HTTP/2). */
  readonly pingTimeoutMs: number;
  readonly maxHeaderBytes: number;
  /** Maximum number of concurrent requests on a connection (HTTP/2). */
  readonly maxConcurrentStreams: number;
}

/** Options for a server. With `tls`, every connection is encrypted and ALPN offers HTTP/2 and HTTP/1.1. */
export interface ServerOptions {
  readonly host: string;
  /** Port to listen on; 0 for any free port. */
  readonly port: number;
  readonly tls?: { key: string | Buffer; cert: string | Buffer } | undefined;
  readonly handler: RequestListener;
  readonly limits?: Partial<ServerLimits> | undefined;
}

/** A server that speaks HTTP/1.1 and HTTP/2 on one port. */
export interface HttpServer {
  /** Starts to listen. Rejects if the address is in use or not permitted. Must be called once. */
  listen(): Promise<AddressInfo>;
  /** Address it listens on; undefined before `listen` and after `close`. */
  readonly address: AddressInfo | undefined;
  /** Refuses new connections, and ends requests in flight after `graceMs`. Idempotent. */
  close(graceMs: number): Promise<void>;
}

const defaultLimits: ServerLimits = {
  // Clients open connections ahead of their requests. A busy one needs seconds until it sends the first byte.
  firstByteTimeoutMs: 15_000,
  headersTimeoutMs: 15_000,
  requestTimeoutMs: 300_000,
  // Load balancers keep connections for at most 600 s. A server that closes first resets their next request.
  keepAliveTimeoutMs: 620_000,
  idleSessionTimeoutMs: 620_000,
  pingIntervalMs: 10_000,
  pingTimeoutMs: 8_000,
  maxHeaderBytes: 16_384,
  maxConcurrentStreams: 1_024,
};

// After this delay libuv probes 10 times, 1 s apart: an idle dead peer is found within 15 s. HTTP/1.1 has no pings, so a connection
// with unacknowledged data ends only when the system stops retransmitting.
const tcpKeepAliveMs = 5_000;

// Limits rapid resets (CVE-2023-44487). The burst lets a client cancel all its open streams a few times over.
const resetBurst = 4;
const resetsPerSecond = 100;

/** Creates a server that does not listen yet. */
export function createServer(options: ServerOptions): HttpServer {
  const limits = { ...defaultLimits, ...options.limits };
  const connections = createConnections();
  const listener: RequestListener = (req, res) => {
    connections.begin(req, res);
    options.handler(req, res);
  };
  const http2 = createHttp2Server(
    {
      settings: { maxConcurrentStreams: limits.maxConcurrentStreams, maxHeaderListSize: limits.maxHeaderBytes },
      streamResetBurst: resetBurst * limits.maxConcurrentStreams,
      streamResetRate: resetsPerSecond,
    },
    listener,
  );
  http2.on("session", (session) => connections.addSession(session, limits));

  const http1 = createHttp1Server(options, limits, listener);
  detectProtocols(http1, http2, connections, { isTls: options.tls !== undefined, ...limits });
  // An error such as EMFILE on accept loses one client, not the server.
  http1.on("error", () => {});

  let closing: Promise<void> | undefined;

  async function drain(graceMs: number): Promise<void> {
    if (http1.listening) {
      // http1.close() would end connections whose last answer is not sent yet.
      const closed = new Promise<unknown>((resolve) => NetServer.prototype.close.call(http1, resolve));
      connections.drain();
      const timer = setTimeout(() => connections.destroy(), graceMs);
      await closed;
      clearTimeout(timer);
    }
    // Stops Node's timer of connection checks.
    http1.close();
  }

  return {
    listen: () => listen(http1, options.host, options.port),
    get address() {
      return addressOf(http1);
    },
    close(graceMs) {
      closing ??= drain(graceMs);
      return closing;
    },
  };
}

/** Makes `http1` pass the connections of HTTP/2 clients to `http2`. */
function detectProtocols(
  http1: Http1Server,
  http2: Http2Server,
  connections: Connections,
  { isTls, firstByteTimeoutMs }: { readonly isTls: boolean; readonly firstByteTimeoutMs: number },
): void {
  // Node's HTTP/1.1 server accepts sockets by this event. Detection comes first.
  const event = isTls ? "secureConnection" : "connection";
  const acceptHttp1 = http1.listeners(event);
  http1.removeAllListeners(event);
  http1.on(event, (socket: Socket) => {
    connections.add(socket, "new");
    detectProtocol(socket, firstByteTimeoutMs, (protocol) => {
      connections.setRole(socket, protocol);
      if (protocol === "http2") http2.emit("connection", socket);
      else {
        for (const accept of acceptHttp1) accept.call(http1, socket);
        socket.resume();
      }
    });
  });
  if (isTls) http1.prependListener("connection", (socket) => connections.add(socket, "tcp"));
}

function createHttp1Server(options: ServerOptions, limits: ServerLimits, listener: RequestListener): Http1Server {
  const http1Options = {
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.max(1, Math.min(limits.headersTimeoutMs / 2, 30_000)),
    maxHeaderSize: limits.maxHeaderBytes,
    keepAlive: true,
    keepAliveInitialDelay: tcpKeepAliveMs,
    noDelay: true,
  };
  if (options.tls === undefined) return createHttpServer(http1Options, listener);
  return createHttpsServer(
    {
      ...http1Options,
      ...options.tls,
      ALPNProtocols: ["h2", "http/1.1"],
      handshakeTimeout: limits.firstByteTimeoutMs,
    },
    listener,
  );
}

function listen(server: NetServer, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      const address = addressOf(server);
      if (address === undefined) reject(new Error("the server has no address"));
      else resolve(address);
    });
  });
}

function addressOf(server: NetServer): AddressInfo | undefined {
  const address = server.address();
  return address === null || typeof address === "string" ? undefined : address;
}
