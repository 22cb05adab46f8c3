import { createServer as createHttpServer, type Server as Http1Server } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import type { RequestListener } from "../exchange.ts";
import { createConnections } from "./connections.ts";
import { detectProtocol } from "./preface.ts";

/** How long a client may take, and how much it may send, before its connection is ended. */
export type ServerLimits = {
  /** From the opening of a connection until its first bytes tell what the client speaks. */
  firstByteTimeoutMs: number;
  /** From there until the headers of a request are complete (HTTP/1.1). */
  headersTimeoutMs: number;
  /** Until a whole request is there (HTTP/1.1); 0: no limit. */
  requestTimeoutMs: number;
  /** Between two requests on one connection (HTTP/1.1); 0: no limit. Clients read it in Keep-Alive, and have a second more. */
  keepAliveTimeoutMs: number;
  /** Without any stream (HTTP/2); 0: no limit. */
  idleSessionTimeoutMs: number;
  /** Between two pings, each to be answered within `pingTimeoutMs` (HTTP/2). */
  pingIntervalMs: number;
  pingTimeoutMs: number;
  maxHeaderBytes: number;
  /** Requests at the same time on one connection (HTTP/2). */
  maxConcurrentStreams: number;
};

/** What a server needs to know. With `tls` every connection is encrypted, and ALPN offers HTTP/2 and HTTP/1.1. */
export type ServerOptions = {
  host: string;
  /** 0: any free port. */
  port: number;
  tls?: { key: string | Buffer; cert: string | Buffer } | undefined;
  handler: RequestListener;
  limits?: Partial<ServerLimits> | undefined;
};

/** A server that speaks HTTP/1.1 and HTTP/2 on one port. */
export type HttpServer = {
  /** Starts to listen. Rejects where the address is taken or not allowed. Call once. */
  listen(): Promise<AddressInfo>;
  /** Where it listens; undefined before `listen` and after `close`. */
  readonly address: AddressInfo | undefined;
  /** Refuses new connections, lets requests in flight finish within `graceMs`, then ends them. Idempotent. */
  close(graceMs: number): Promise<void>;
};

const defaultLimits: ServerLimits = {
  firstByteTimeoutMs: 5_000,
  headersTimeoutMs: 15_000,
  requestTimeoutMs: 300_000,
  // Longer than load balancers keep a connection (up to 600 s). A server that closes first resets their next request.
  keepAliveTimeoutMs: 620_000,
  idleSessionTimeoutMs: 620_000,
  pingIntervalMs: 10_000,
  pingTimeoutMs: 8_000,
  maxHeaderBytes: 16_384,
  maxConcurrentStreams: 1_024,
};

// Then libuv probes ten times, a second apart: a dead peer is found within 15 seconds of silence. HTTP/1.1 has no pings, so where
// something is on its way to the peer by then, it is for the system to give up sending it again.
const TCP_KEEP_ALIVE_MS = 5_000;

// Against those who open and reset streams without end (CVE-2023-44487). A client may well give up all it has open, a few times over.
const RESET_BURST = 4;
const RESETS_PER_SECOND = 100;

/** A server that does not listen yet. */
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
      streamResetBurst: RESET_BURST * limits.maxConcurrentStreams,
      streamResetRate: RESETS_PER_SECOND,
    },
    listener,
  );
  http2.on("session", (session) => connections.addSession(session, limits));

  const http1 = createHttp1Server(options, limits, listener);
  // HTTP/1.1 takes new sockets by this event; here each is asked first what it speaks.
  const event = options.tls === undefined ? "connection" : "secureConnection";
  const acceptHttp1 = http1.listeners(event);
  http1.removeAllListeners(event);
  http1.on(event, (socket: Socket) => {
    connections.add(socket, "new");
    detectProtocol(socket, limits.firstByteTimeoutMs, (protocol) => {
      connections.setRole(socket, protocol);
      if (protocol === "http2") http2.emit("connection", socket);
      else {
        for (const accept of acceptHttp1) accept.call(http1, socket);
        socket.resume();
      }
    });
  });
  if (options.tls !== undefined) http1.prependListener("connection", (socket) => connections.add(socket, "tcp"));
  // Such as EMFILE on accept: that client is lost, the server is not.
  http1.on("error", () => {});

  let closing: Promise<void> | undefined;

  async function drain(graceMs: number): Promise<void> {
    if (http1.listening) {
      // Not http1.close(), which ends connections whose last answer is still on its way out.
      const closed = new Promise<unknown>((resolve) => NetServer.prototype.close.call(http1, resolve));
      connections.drain();
      const timer = setTimeout(() => connections.destroy(), graceMs);
      await closed;
      clearTimeout(timer);
    }
    // Stops its timer, too.
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

function createHttp1Server(options: ServerOptions, limits: ServerLimits, listener: RequestListener): Http1Server {
  const http1Options = {
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.max(1, Math.min(limits.headersTimeoutMs / 2, 30_000)),
    maxHeaderSize: limits.maxHeaderBytes,
    keepAlive: true,
    keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
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
