import { type ConnectRouter, createConnectRouter, type Interceptor } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { callSignal } from "../call-signals.ts";
import { moveLoginCookie } from "../dashboard-login/cookie.ts";
import { errorBody, ignoredNames, loginSecret, streamTicket } from "../dialect.ts";
import { type HttpRequest, type HttpResponse, jsonAnswer, type RequestListener, refuse, send } from "../exchange.ts";
import { collectUnaryRpcs, type UnaryRpcs } from "../unary-calls.ts";
import { applyCors, type CorsOptions } from "./cors.ts";
import { DirectCall, sendFirst, sendRest, takeOverStreams } from "./direct-stream.ts";
import { createDirectUnary, type DirectUnary } from "./direct-unary.ts";
import { keepMessageReadable } from "./grpc-message.ts";
import type { HostGuard } from "./host-guard.ts";
import { moveQueryKey } from "./query-key.ts";
import { assignRequestId } from "./request-id.ts";
import type { Encoding } from "./stream-frames.ts";
import { createAnswerWriter } from "./unary-answer.ts";
import type { OtherBody } from "./unary-body.ts";

/** Options for the handler of a port. */
export interface HandlerOptions {
  /** Registers the services, for Connect, gRPC and gRPC-Web. */
  readonly routes: (router: ConnectRouter) => void;
  readonly interceptors?: Interceptor[] | undefined;
  /** The unary RPCs that may be answered without Connect's pipeline. Default: those of `routes`. */
  readonly unaryRpcs?: UnaryRpcs | undefined;
  /** Maximum size of a request message. Default 4 MiB. */
  readonly readMaxBytes?: number | undefined;
  /** Aborts the signals of all calls. */
  readonly shutdownSignal?: AbortSignal | undefined;
  /** Answers every request whose path is not that of an RPC. */
  readonly rest: RequestListener;
  /** Refuses requests with a 403 by their Host and Origin; undefined to answer requests for any host. */
  readonly guard?: HostGuard | undefined;
  /** Permissions of pages from other origins; undefined for none. */
  readonly cors?: CorsOptions | undefined;
}

/** Returns the listener for every request of a server: assigns its id, applies the guard and CORS, and calls an RPC or REST. */
export function createHandler(options: HandlerOptions): RequestListener {
  const rpcs = rpcsByPath(options);

  return (req, res) => {
    // A client that disconnects during its answer needs no handling.
    req.on("error", ignore);
    res.on("error", ignore);
    assignRequestId(req, res);
    // Clients must not set internal headers. An unneeded delete is slow.
    for (const name of internalHeaders) if (name in req.headers) delete req.headers[name];
    moveQueryKey(req);
    moveLoginCookie(req);
    const fault = options.guard?.(req);
    if (fault !== undefined) {
      refuse(req, res, jsonAnswer(403, errorBody(403, fault)));
      return;
    }
    if (options.cors !== undefined && applyCors(req, res, options.cors)) return;
    const rpc = rpcs.get(pathOf(req.url ?? ""));
    if (rpc === undefined) options.rest(req, res);
    else answer(rpc, req, res);
  };
}

const internalHeaders = [streamTicket.header, ignoredNames.header, loginSecret.header];

function pathOf(url: string): string {
  const mark = url.indexOf("?");
  return mark === -1 ? url : url.slice(0, mark);
}

const acceptCompression = [compressionGzip, compressionBrotli];

/** An RPC with the ways to answer it. */
interface Rpc {
  readonly handler: UniversalHandler;
  readonly shutdownSignal: AbortSignal | undefined;
  /** Answers plain unary calls; undefined for streams. */
  readonly direct: DirectUnary | undefined;
}

function rpcsByPath(options: HandlerOptions): ReadonlyMap<string, Rpc> {
  const { routes, readMaxBytes = 4 * 1024 * 1024, shutdownSignal, interceptors = [] } = options;
  const router = createConnectRouter({ acceptCompression, readMaxBytes });
  const outer: ConnectRouter = {
    ...router,
    service(service, implementation, rules) {
      router.service(service, implementation, {
        ...rules,
        // Runs before anything that can fail.
        requestGate(context) {
          keepMessageReadable(context);
          return rules?.requestGate?.(context);
        },
        interceptors: [takeOverStreams, ...(rules?.interceptors ?? interceptors)],
      });
      return outer;
    },
  };
  routes(outer);
  const unaryRpcs = options.unaryRpcs ?? collectUnaryRpcs(routes, interceptors);
  const directOptions = { readMaxBytes, shutdownSignal, writeAnswer: createAnswerWriter(acceptCompression) };
  return new Map(
    router.handlers.map((handler) => {
      const unary = unaryRpcs.get(handler.method);
      return [
        handler.requestPath,
        { handler, shutdownSignal, direct: unary && createDirectUnary(unary, directOptions) },
      ];
    }),
  );
}

function answer(rpc: Rpc, req: HttpRequest, res: HttpResponse): void {
  const isAnswered = rpc.direct?.(req, res, (body) => callConnect(rpc, req, res, body)) ?? false;
  if (!isAnswered) callConnect(rpc, req, res);
}

function callConnect({ handler, shutdownSignal }: Rpc, req: HttpRequest, res: HttpResponse, begun?: OtherBody): void {
  const direct = new DirectCall();
  let request: ReturnType<typeof universalRequestFromNodeRequest>;
  try {
    request = universalRequestFromNodeRequest(req, res, undefined, direct.contextValues);
  } catch {
    // Thrown if no URL can be built from the Host header.
    send(req, res, jsonAnswer(400, errorBody(400, "Host is missing or malformed")));
    return;
  }
  const body = begun === undefined ? request.body : wholeBody(begun, req);
  handler({ ...request, body, signal: callSignal(request.signal, shutdownSignal) })
    .then(async (answer): Promise<Encoding | undefined> => {
      if (direct.stream) return sendFirst(answer, res, acceptCompression);
      await universalResponseToNodeResponse(answer, res);
      return undefined;
    })
    .then((encoding) => (direct.stream && encoding ? sendRest(direct.stream, encoding, res) : undefined))
    // The client has disconnected, or the answer is already incomplete.
    .catch(() => res.destroy());
}

async function* wholeBody({ read, isComplete }: OtherBody, req: HttpRequest): AsyncGenerator<Uint8Array> {
  yield read;
  if (!isComplete) yield* req;
}

function ignore(): void {}
