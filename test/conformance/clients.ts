import type { Transport } from "@connectrpc/connect";
import {
  compressionBrotli,
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import {
  createGrpcWebTransport as createWebGrpcWebTransport,
  createConnectTransport as createWebTransport,
} from "@connectrpc/connect-web";
import { credentials } from "@grpc/grpc-js";
import { Agent, fetch as undiciFetch } from "undici";
import { testTls } from "../http/rest/server.ts";
import { createGrpcJsTransport } from "./grpc-js-transport.ts";

/** Transports of a connection. */
export type Wire = "HTTP/1.1" | "h2c" | "TLS, HTTP/1.1" | "TLS, HTTP/2";

/** One client on one wire. */
export interface Subject {
  readonly name: string;
  readonly isTls: boolean;
  /** True if both sides can send many messages at the same time. */
  readonly isDuplex: boolean;
  connect(url: string): { transport: Transport; close(): void | Promise<void> };
}

const isTls = (wire: Wire) => wire.startsWith("TLS");
const isHttp2 = (wire: Wire) => wire === "h2c" || wire === "TLS, HTTP/2";
const wires: readonly Wire[] = ["HTTP/1.1", "h2c", "TLS, HTTP/1.1", "TLS, HTTP/2"];

interface NodeOptions {
  readonly useBinaryFormat: boolean;
}
type Make = typeof createConnectTransport | typeof createGrpcTransport | typeof createGrpcWebTransport;

function nodeSubject(protocol: string, make: Make, wire: Wire, { useBinaryFormat }: NodeOptions): Subject {
  return {
    name: `connect-node, ${protocol} ${useBinaryFormat ? "binary" : "JSON"} over ${wire}`,
    isTls: isTls(wire),
    isDuplex: isHttp2(wire),
    connect(baseUrl) {
      const common = {
        baseUrl,
        useBinaryFormat,
        acceptCompression: [compressionGzip, compressionBrotli],
        sendCompression: compressionGzip,
      };
      const nodeOptions = { ca: testTls.cert, ALPNProtocols: isHttp2(wire) ? ["h2"] : ["http/1.1"] };
      if (!isHttp2(wire)) return { transport: make({ ...common, httpVersion: "1.1", nodeOptions }), close() {} };
      const sessionManager = new Http2SessionManager(baseUrl, {}, nodeOptions);
      return { transport: make({ ...common, httpVersion: "2", sessionManager }), close: () => sessionManager.abort() };
    },
  };
}

function webSubject(protocol: "Connect" | "gRPC-Web", wire: Wire, { useBinaryFormat }: NodeOptions): Subject {
  const make = protocol === "Connect" ? createWebTransport : createWebGrpcWebTransport;
  return {
    name: `connect-web, ${protocol} ${useBinaryFormat ? "binary" : "JSON"} over ${wire}`,
    isTls: isTls(wire),
    isDuplex: false,
    connect(baseUrl) {
      const dispatcher = new Agent({ connect: { ca: testTls.cert.toString() }, allowH2: wire === "TLS, HTTP/2" });
      const fetchOver = (input: unknown, init: object = {}) =>
        undiciFetch(String(input), { ...init, dispatcher }) as unknown as Promise<Response>;
      return {
        transport: make({ baseUrl, useBinaryFormat, fetch: fetchOver as typeof fetch }),
        close: () => dispatcher.destroy(),
      };
    },
  };
}

function grpcJsSubject(wire: "h2c" | "TLS, HTTP/2", compression: boolean): Subject {
  return {
    name: `@grpc/grpc-js${compression ? " with gzip" : ""} over ${wire}`,
    isTls: isTls(wire),
    isDuplex: true,
    connect(url) {
      const secure = isTls(wire) ? credentials.createSsl(testTls.cert) : credentials.createInsecure();
      const options = compression ? { "grpc.default_compression_algorithm": 2 } : {};
      return createGrpcJsTransport(new URL(url).host, secure, options);
    },
  };
}

const formats = [{ useBinaryFormat: true }, { useBinaryFormat: false }] as const;

/** Every client on every wire that it supports. */
export const subjects: readonly Subject[] = [
  ...wires.flatMap((wire) =>
    formats.flatMap((format) => [
      nodeSubject("Connect", createConnectTransport, wire, format),
      nodeSubject("gRPC-Web", createGrpcWebTransport, wire, format),
      // gRPC needs trailers. Node's HTTP/1.1 client supports them, so the server's answers must have them too.
      nodeSubject("gRPC", createGrpcTransport, wire, format),
    ]),
  ),
  ...(["HTTP/1.1", "TLS, HTTP/1.1", "TLS, HTTP/2"] as const).flatMap((wire) =>
    formats.flatMap((format) => [webSubject("Connect", wire, format), webSubject("gRPC-Web", wire, format)]),
  ),
  ...(["h2c", "TLS, HTTP/2"] as const).flatMap((wire) => [grpcJsSubject(wire, false), grpcJsSubject(wire, true)]),
];
