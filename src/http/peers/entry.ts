import { type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { callSignal } from "../call-signals.ts";
import { errorBody } from "../dialect.ts";
import { type HttpRequest, type HttpResponse, isGone, jsonAnswer, type RequestListener, refuse } from "../exchange.ts";
import { RequestHeaders } from "../request-headers.ts";
import { createUnaryRun, HttpCaller, sendAnswer, type UnaryRun } from "../server/direct-unary.ts";
import { createAnswerWriter } from "../server/unary-answer.ts";
import { readMessage } from "../server/unary-body.ts";
import { plainFormatOf } from "../server/unary-format.ts";
import { collectUnaryRpcs } from "../unary-calls.ts";
import type { PeerClock } from "./peer-clock.ts";
import { callHeader, digestOf, Judge, proofHeader, timeHeader } from "./proof.ts";

/** Path under which nodes call each other, before the path of the RPC. */
export const peerPrefix = "/peer";

/** Options for the entry for other nodes. */
export interface PeerEntryOptions {
  /** Name of this node. */
  readonly self: string;
  /** Key that the nodes of the cluster prove themselves with. */
  readonly key: Uint8Array;
  /** Registers the services that other nodes may call. */
  readonly routes: (router: ConnectRouter) => void;
  /** Aborts the signals of all calls. */
  readonly shutdownSignal: AbortSignal;
  readonly clock: PeerClock;
  /** Maximum size of a request. Default 5 MiB: more than a client can send. */
  readonly maxBytes?: number;
}

/**
 * Returns `listener` with an entry for the nodes of the cluster. A request that no node of the cluster has proven goes to `listener`, so
 * that nobody else can see that the entry exists.
 */
export function withPeerEntry(listener: RequestListener, options: PeerEntryOptions): RequestListener {
  const { maxBytes = 5 * 1024 * 1024, shutdownSignal } = options;
  const judge = new Judge(options.self, options.key, options.clock);
  const rpcs = rpcsOf(options, maxBytes);

  async function serve(rpc: Rpc, req: HttpRequest, res: HttpResponse, call: ReturnType<Judge["judge"]>) {
    if (call.kind !== "proven") {
      const headers = call.kind === "untimely" ? { [timeHeader]: call.time } : {};
      refuse(req, res, jsonAnswer(401, errorBody(401, ""), headers));
      return;
    }
    const { digest, headers } = call.call;
    const body = await readMessage(req, { isEnveloped: false, maxBytes });
    if (!(body instanceof Uint8Array) || digestOf(body) !== digest) {
      refuse(req, res, jsonAnswer(401, errorBody(401, "")));
      return;
    }
    const format = rpc.run && plainFormatOf(req);
    if (!rpc.run || !format) return callConnect(rpc.handler, req, res, { headers, body, shutdownSignal });
    const header = new RequestHeaders(Object.fromEntries(headers));
    const caller = new HttpCaller(req, res, { ...format, header, shutdownSignal });
    const outcome = await rpc.run(caller, format, async () => body);
    if (!isGone(res) && "result" in outcome) sendAnswer(res, await writeAnswer(outcome, format, undefined));
  }

  return (req, res) => {
    const rpc = rpcs.get(req.url ?? "");
    const text = req.headers[callHeader];
    const proof = req.headers[proofHeader];
    if (rpc === undefined || typeof text !== "string" || typeof proof !== "string") return listener(req, res);
    const call = judge.judge(text, proof, rpc.handler.requestPath);
    if (call.kind === "unproven") return listener(req, res);
    req.on("error", ignore);
    res.on("error", ignore);
    // The other node has gone.
    serve(rpc, req, res, call).catch(() => res.destroy());
  };
}

/** An RPC that other nodes may call. */
interface Rpc {
  readonly handler: UniversalHandler;
  /** Runs plain unary calls; undefined for streams. */
  readonly run: UnaryRun | undefined;
}

const writeAnswer = createAnswerWriter([]);

function rpcsOf({ routes }: PeerEntryOptions, maxBytes: number): ReadonlyMap<string, Rpc> {
  const router = createConnectRouter({ acceptCompression: [] });
  routes(router);
  const unaryRpcs = collectUnaryRpcs(routes);
  return new Map(
    router.handlers.map((handler) => {
      const unary = unaryRpcs.get(handler.method);
      return [`${peerPrefix}${handler.requestPath}`, { handler, run: unary && createUnaryRun(unary, maxBytes) }];
    }),
  );
}

/** A call that has been proven. */
interface ProvenRequest {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
  readonly shutdownSignal: AbortSignal;
}

/** Answers streams, and calls with a deadline. */
async function callConnect(
  handler: UniversalHandler,
  req: HttpRequest,
  res: HttpResponse,
  { headers, body, shutdownSignal }: ProvenRequest,
): Promise<void> {
  const request = universalRequestFromNodeRequest(req, res, undefined, undefined);
  const header = new Headers([...request.header].filter(([name]) => isProtocolHeader(name)));
  for (const [name, value] of headers) header.set(name, value);
  const signal = callSignal(request.signal, shutdownSignal);
  await universalResponseToNodeResponse(await handler({ ...request, header, body: one(body), signal }), res);
}

/** Returns true for a header of the RPC protocol, which describes the bytes that were sent. */
export const isProtocolHeader = (name: string): boolean => /^(content-|connect-|accept-encoding$)/.test(name);

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}

function ignore(): void {}
