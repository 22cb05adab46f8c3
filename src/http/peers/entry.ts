import { type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { errorBody } from "../dialect.ts";
import { type HttpRequest, type HttpResponse, jsonAnswer, type RequestListener, refuse, send } from "../exchange.ts";
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
  const { maxBytes = 5 * 1024 * 1024 } = options;
  const judge = new Judge(options.self, options.key, options.clock);
  const router = createConnectRouter({ shutdownSignal: options.shutdownSignal, acceptCompression: [] });
  options.routes(router);
  const rpcs = new Map(router.handlers.map((handler) => [`${peerPrefix}${handler.requestPath}`, handler]));

  async function serve(rpc: UniversalHandler, req: HttpRequest, res: HttpResponse, call: ReturnType<Judge["judge"]>) {
    if (call.kind !== "proven") {
      const headers = call.kind === "untimely" ? { [timeHeader]: call.time } : {};
      refuse(req, res, jsonAnswer(401, errorBody(401, ""), headers));
      return;
    }
    const { digest, headers } = call.call;
    const body = await readBody(req, maxBytes);
    if (body === undefined || digestOf(body) !== digest) {
      send(req, res, jsonAnswer(401, errorBody(401, "")));
      return;
    }
    const request = universalRequestFromNodeRequest(req, res, undefined, undefined);
    const header = new Headers([...request.header].filter(([name]) => isProtocolHeader(name)));
    for (const [name, value] of headers) header.set(name, value);
    await universalResponseToNodeResponse(await rpc({ ...request, header, body: one(body) }), res);
  }

  return (req, res) => {
    const rpc = rpcs.get(req.url ?? "");
    const text = req.headers[callHeader];
    const proof = req.headers[proofHeader];
    if (rpc === undefined || typeof text !== "string" || typeof proof !== "string") return listener(req, res);
    const call = judge.judge(text, proof, rpc.requestPath);
    if (call.kind === "unproven") return listener(req, res);
    req.on("error", ignore);
    res.on("error", ignore);
    // The other node has gone.
    serve(rpc, req, res, call).catch(() => res.destroy());
  };
}

/** Returns true for a header of the RPC protocol, which describes the bytes that were sent. */
export const isProtocolHeader = (name: string): boolean => /^(content-|connect-|accept-encoding$)/.test(name);

/** Returns the whole body; undefined if it is too large. */
async function readBody(req: HttpRequest, maxBytes: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of req) {
    size += chunk.byteLength;
    if (size > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}

function ignore(): void {}
