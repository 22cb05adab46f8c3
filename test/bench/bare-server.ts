import { createServer as createHttp1, type RequestListener } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import type { AddressInfo } from "node:net";
import { fromBinary } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { GetSessionResponseSchema, SessionService } from "../../gen/sessiond/v1/session_service_pb.js";

// Baseline for calls.ts in a process of its own: a server without anything of sessiond's. Its parent sends what it
// answers; it tells its parent its port.

/** Answer of a REST call as sessiond sent it. */
export interface RawAnswer {
  /** Names and values in turns. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

/** Answers of a bare server. */
export type BareAnswers =
  | { readonly kind: "node:http"; readonly answers: ReadonlyMap<string, RawAnswer> }
  | { readonly kind: "connect-node, HTTP/1.1" | "connect-node, h2c"; readonly message: Uint8Array };

function nodeHttp(answers: ReadonlyMap<string, RawAnswer>): RequestListener {
  return (req, res) => {
    const answer = answers.get(req.url ?? "");
    if (!answer) {
      res.writeHead(404).end();
      return;
    }
    res.writeHead(200, [...answer.headers]);
    res.end(answer.body);
  };
}

function connectNode(bytes: Uint8Array) {
  const message = fromBinary(GetSessionResponseSchema, bytes);
  return connectNodeAdapter({ routes: (router) => router.service(SessionService, { getSession: () => message }) });
}

function serverOf(bare: BareAnswers) {
  if (bare.kind === "node:http") return createHttp1(nodeHttp(bare.answers));
  const adapter = connectNode(bare.message);
  return bare.kind === "connect-node, h2c" ? createHttp2(adapter) : createHttp1(adapter);
}

process.once("message", (bare: BareAnswers) => {
  const server = serverOf(bare);
  server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
});
process.on("disconnect", () => process.exit());
