import type { ConnectRouter, Interceptor } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { applyCors, type CorsOptions } from "./cors.ts";
import { errorBody, streamTicket } from "./dialect.ts";
import { jsonAnswer, type RequestListener, refuse, send } from "./exchange.ts";
import type { HostGuard } from "./host-guard.ts";
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
  const { shutdownSignal } = options;
  const adapter = connectNodeAdapter({
    routes: options.routes,
    interceptors: options.interceptors ?? [],
    readMaxBytes: options.readMaxBytes ?? 4 * 1024 * 1024,
    fallback: (req, res) => options.rest(req, res as Parameters<RequestListener>[1]),
    ...(shutdownSignal === undefined ? {} : { shutdownSignal }),
  });

  return (req, res) => {
    // Where the client goes away while it is being answered, there is nothing to do.
    req.on("error", ignore);
    res.on("error", ignore);
    assignRequestId(req, res);
    // A ticket comes in the address of a stream, and in no other way.
    delete req.headers[streamTicket.header];
    const fault = options.guard?.(req);
    if (fault !== undefined) {
      refuse(req, res, jsonAnswer(403, errorBody(403, fault)));
      return;
    }
    if (options.cors !== undefined && applyCors(req, res, options.cors)) return;
    try {
      adapter(req, res);
    } catch {
      // The adapter makes a URL of the Host header, which may be missing or no host at all.
      send(req, res, jsonAnswer(400, errorBody(400, "Host is missing or malformed")));
    }
  };
}

function ignore(): void {}
