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
import { DirectCall, type Encoding, handingOver, sendFirst, sendRest } from "./direct-stream.ts";
import { keepMessageReadable } from "./grpc-message.ts";
import type { HostGuard } from "./host-guard.ts";
import { moveQueryKey } from "./query-key.ts";
import { assignRequestId } from "./request-id.ts";

/** What one port serves. */
export type HandlerOptions = {
  /** Registers the services, for Connect, gRPC and gRPC-Web. */
  routes: (router: ConnectRouter) => void;
  interceptors?: Interceptor[] | undefined;
  /** The largest request message. Default 4 MiB. */
  readMaxBytes?: number | undefined;
  /** When aborted, so are the signals of all calls. */
  shutdownSignal?: AbortSignal | undefined;
  /** Gets every request whose path is not that of an RPC. */
  rest: RequestListener;
  /** What it finds fault with is a 403 before anything else. undefined: requests for any host are answered. */
  guard?: HostGuard | undefined;
  /** undefined: pages of other origins are not let in. */
  cors?: CorsOptions | undefined;
};

/** Answers every request of a server: names it, asks the guard, sees to CORS, and hands it to the protocol it is in. */
export function createHandler(options: HandlerOptions): RequestListener {
  const rpcs = rpcsByPath(options);

  return (req, res) => {
    // Where the client goes away while it is being answered, there is nothing to do.
    req.on("error", ignore);
    res.on("error", ignore);
    assignRequestId(req, res);
    // Only this server sets these.
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
        // Comes before all that can fail.
        requestGate(context) {
          keepMessageReadable(context);
          return rules?.requestGate?.(context);
        },
        interceptors: [handingOver, ...(rules?.interceptors ?? interceptors)],
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
    // It makes a URL of the Host header, which may be missing or no host at all.
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
    // The client has gone away, or can be told no more.
    .catch(() => res.destroy());
}

function ignore(): void {}
