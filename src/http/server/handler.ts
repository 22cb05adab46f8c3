import { type ConnectRouter, createConnectRouter, type Interceptor } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { errorBody, ignoredNames, streamTicket } from "../dialect.ts";
import { type HttpRequest, type HttpResponse, jsonAnswer, type RequestListener, refuse, send } from "../exchange.ts";
import { applyCors, type CorsOptions } from "./cors.ts";
import { DirectCall, type Encoding, sendFirst, sendRest, takeOverStreams } from "./direct-stream.ts";
import { keepMessageReadable } from "./grpc-message.ts";
import type { HostGuard } from "./host-guard.ts";
import { moveQueryKey } from "./query-key.ts";
import { assignRequestId } from "./request-id.ts";

/** Options for the handler of a port. */
export interface HandlerOptions {
  /** Registers the services, for Connect, gRPC and gRPC-Web. */
  readonly routes: (router: ConnectRouter) => void;
  readonly interceptors?: Interceptor[] | undefined;
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
    // Internal headers: clients must not set them.
    delete req.headers[streamTicket.header];
    delete req.headers[ignoredNames.header];
    moveQueryKey(req);
    const fault = options.guard?.(req);
    if (fault !== undefined) {
      refuse(req, res, jsonAnswer(403, errorBody(403, fault)));
      return;
    }
    if (options.cors !== undefined && applyCors(req, res, options.cors)) return;
    const rpc = rpcs.get((req.url ?? "").split("?", 1)[0] ?? "");
    if (rpc === undefined) options.rest(req, res);
    else call(rpc, req, res);
  };
}

const acceptCompression = [compressionGzip, compressionBrotli];

function rpcsByPath({ routes, readMaxBytes, shutdownSignal, interceptors = [] }: HandlerOptions) {
  const router = createConnectRouter({
    acceptCompression,
    readMaxBytes: readMaxBytes ?? 4 * 1024 * 1024,
    ...(shutdownSignal && { shutdownSignal }),
  });
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
  return new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
}

function call(rpc: UniversalHandler, req: HttpRequest, res: HttpResponse): void {
  const direct = new DirectCall();
  let request: ReturnType<typeof universalRequestFromNodeRequest>;
  try {
    request = universalRequestFromNodeRequest(req, res, undefined, direct.contextValues);
  } catch {
    // Thrown if no URL can be built from the Host header.
    send(req, res, jsonAnswer(400, errorBody(400, "Host is missing or malformed")));
    return;
  }
  rpc(request)
    .then(async (answer): Promise<Encoding | undefined> => {
      if (direct.stream) return sendFirst(answer, res, acceptCompression);
      await universalResponseToNodeResponse(answer, res);
      return undefined;
    })
    .then((encoding) => (direct.stream && encoding ? sendRest(direct.stream, encoding, res) : undefined))
    // The client has disconnected, or the answer is already incomplete.
    .catch(() => res.destroy());
}

function ignore(): void {}
