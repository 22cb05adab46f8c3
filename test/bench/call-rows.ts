import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { GetSessionRequestSchema } from "../../gen/sessiond/v1/session_service_pb.js";
import type { BareAnswers } from "./bare-server.ts";
import type { Load } from "./call-load.ts";

/** A call that is measured. */
export interface Row {
  readonly name: string;
  /** The server that it is compared with. */
  readonly bare: BareAnswers["kind"];
  /** Greatest ratio of sessiond's CPU time to that of the bare server. */
  readonly goal: number;
  load(port: number): Load;
}

/** Key of the API in the benchmark. */
export const apiKey = "a-key-for-the-benchmark";

/** REST paths that are measured, for a session and for a list of all. */
export const restPaths = { get: (session: string) => `/api/sessions/${session}`, list: "/api/sessions?all=true" };

const rpcPath = "/sessiond.v1.SessionService/GetSession";

/** Returns the calls of the benchmark, about one session. */
export function rowsFor(session: string, listed: number): Row[] {
  const request = create(GetSessionRequestSchema, { session });
  const proto = toBinary(GetSessionRequestSchema, request);
  const json = Buffer.from(toJsonString(GetSessionRequestSchema, request));
  const frame = Buffer.concat([Buffer.alloc(5), proto]);
  frame.writeUInt32BE(proto.byteLength, 1);
  const connect = { bare: "connect-node, HTTP/1.1", goal: 1.15 } as const;
  return [
    { name: "REST get", bare: "node:http", goal: 3, load: http1("GET", restPaths.get(session)) },
    { name: `REST list of ${listed}`, bare: "node:http", goal: 4, load: http1("GET", restPaths.list) },
    { name: "Connect JSON, HTTP/1.1", ...connect, load: http1("POST", rpcPath, "application/json", json) },
    { name: "Connect proto, HTTP/1.1", ...connect, load: http1("POST", rpcPath, "application/proto", proto) },
    { name: "Connect proto, h2c", bare: "connect-node, h2c", goal: 1.15, load: http2("application/proto", proto) },
    { name: "gRPC, h2c", bare: "connect-node, h2c", goal: 0.6, load: http2("application/grpc", frame) },
  ];
}

function http1(method: string, path: string, contentType?: string, body: Uint8Array = new Uint8Array()) {
  return (port: number): Load => {
    const lines = [`${method} ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, `X-Api-Key: ${apiKey}`];
    if (contentType !== undefined) {
      lines.push(`Content-Type: ${contentType}`, "Connect-Protocol-Version: 1", `Content-Length: ${body.byteLength}`);
    }
    return { over: "http/1.1", port, bytes: Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), body]) };
  };
}

function http2(contentType: string, body: Uint8Array) {
  const protocol: Record<string, string> =
    contentType === "application/grpc" ? { te: "trailers" } : { "connect-protocol-version": "1" };
  const headers = {
    ":method": "POST",
    ":path": rpcPath,
    "content-type": contentType,
    "x-api-key": apiKey,
    ...protocol,
  };
  return (port: number): Load => ({ over: "h2c", port, headers, body });
}
