import { createRegistry, type DescMethod, type DescService, type Message } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createRouterTransport,
  type Interceptor,
  type Transport,
} from "@connectrpc/connect";
import { notFoundMessage } from "../dialect.ts";
import {
  type HttpRequest,
  type HttpResponse,
  isGone,
  jsonAnswer,
  type RequestListener,
  refuse,
  send,
} from "../exchange.ts";
import { ClientGone, HttpProblem } from "../problem.ts";
import { collectUnaryRpcs, type UnaryRpcs } from "../unary-calls.ts";
import { type CallRpc, createStreamCaller, createUnaryCaller, type StreamOptions } from "./call.ts";
import { toRestError } from "./error.ts";
import { copyResponseHeaders, requestHeaders } from "./forward-headers.ts";
import { type HttpBinding, readHttpBindings, rpcName } from "./http-rules.ts";
import { createJsonWriters, type JsonWriters } from "./json-write.ts";
import { captureVariable, type PathSegment, parsePathTemplate } from "./path-template.ts";
import { createRequestReader } from "./request.ts";
import { type RequestTarget, RequestTargets } from "./request-target.ts";
import { type Dialect, resolveDialect } from "./resolve-dialect.ts";
import { createRouteTable } from "./route-table.ts";
import type { FieldViolation } from "./violations.ts";

/** Request of a plain route. */
export interface PlainRequest {
  readonly req: HttpRequest;
  readonly res: HttpResponse;
  /** Path as sent, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Values of the template's variables. */
  readonly variables: ReadonlyMap<string, string>;
}

/** Route without an RPC, such as a page or metrics. It checks access itself. Its errors are answered like those of RPCs. */
export interface PlainRoute {
  readonly method: string;
  /** Path template as in google.api.http, such as "/docs/**". */
  readonly path: string;
  readonly handler: (request: PlainRequest) => void | Promise<void>;
}

/** Options for the REST listener. */
export interface RestOptions {
  /** Services whose google.api.http annotations define the routes. */
  readonly services: readonly DescService[];
  /** Dialect. Default: resolved from the protos of `services`, which must define everything that the dialect names. */
  readonly dialect?: Dialect | undefined;
  /** Registers the services. REST calls them in process. */
  readonly routes: (router: ConnectRouter) => void;
  /** Interceptors for services that are registered without any. */
  readonly interceptors?: Interceptor[] | undefined;
  /** The unary RPCs of `routes`. Default: collected from them. */
  readonly unaryRpcs?: UnaryRpcs | undefined;
  /** Aborts the signals of all calls. */
  readonly shutdownSignal?: AbortSignal | undefined;
  /** Validates a request beyond its types, so that one response reports all violations. */
  readonly validate?: ((message: Message) => readonly FieldViolation[]) | undefined;
  /**
   * Throws the error for a request that may not open a stream, or be told that its path is unknown. Runs before the body is read.
   * Default: all may. Unary RPCs are guarded by the gate of their service.
   */
  readonly admit?: ((rpc: DescMethod | undefined, header: Headers) => void | Promise<void>) | undefined;
  /** True if unknown properties and query parameters are refused with 400 instead of ignored. */
  readonly strict?: boolean | undefined;
  /** Maximum size of a body. Default 10 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** Maximum size of a body with a file. Default 50 MiB. */
  readonly maxFileBodyBytes?: number | undefined;
  /** Routes without an RPC. */
  readonly extra?: readonly PlainRoute[] | undefined;
  /** Time between two comments on a quiet event stream. Default 15 s. */
  readonly heartbeatMs?: number | undefined;
  /** Time that an event stream waits for its first message before it opens. Default 250 ms. */
  readonly openStreamAfterMs?: number | undefined;
  /** Called with each error that the client sees as a bare 500. */
  readonly onError?: ((error: unknown, req: HttpRequest) => void) | undefined;
}

interface Route {
  /** Kind of its RPC; "plain" for a PlainRoute. */
  readonly kind: "unary" | "stream" | "plain";
  /** Throws or rejects if the request is not admitted, judged by its headers. */
  readonly admit: (header: Headers) => void | Promise<void>;
  readonly answer: (request: RoutedRequest) => void | Promise<void>;
}

interface RoutedRequest {
  readonly req: HttpRequest;
  readonly res: HttpResponse;
  readonly header: Headers;
  readonly target: RequestTarget<Route>;
  /** Segments of the path as its route takes them. */
  readonly path: readonly PathSegment[];
}

/** Creates a listener that answers REST requests by calling RPCs. Throws an Error for an invalid annotation or a duplicate route. */
export function createRest(options: RestOptions): RequestListener {
  const onError = options.onError ?? (() => {});
  const { admit = () => {} } = options;
  const routes = createRoutes({ ...options, admit, onError });
  const targets = new RequestTargets(routes.match);

  async function serve(req: HttpRequest, res: HttpResponse): Promise<void> {
    let isAdmitted = false;
    try {
      const { method = "", url = "/" } = req;
      const target = targets.resolve(method, url);
      const { match } = target;
      const header = requestHeaders(req, match?.target.kind === "stream");
      const admission = match === undefined ? admit(undefined, header) : match.target.admit(header);
      if (admission !== undefined) await admission;
      isAdmitted = true;
      if (target.segments === undefined) throw new HttpProblem(400, "Malformed percent-encoding in the path");
      if (match === undefined) throw new HttpProblem(404, notFoundMessage(method, req.url ?? ""));
      // The query of a stream may hold a ticket.
      if (match.target.kind === "unary") targets.keep(method, url, target);
      await match.target.answer({ req, res, header, target, path: match.path });
    } catch (error) {
      answerError(req, res, error, { isUnread: !isAdmitted, onError });
    }
  }

  return (req, res) => {
    // The error could not be sent.
    serve(req, res).catch(() => res.destroy());
  };
}

type Admit = NonNullable<RestOptions["admit"]>;
type OnError = NonNullable<RestOptions["onError"]>;

function createRoutes(options: RestOptions & { readonly admit: Admit; readonly onError: OnError }) {
  const routes = createRouteTable<Route>();
  const registry = createRegistry(...options.services.map((service) => service.file));
  const dialect = options.dialect ?? resolveDialect(options.services);
  const requestOptions = {
    dialect,
    strict: options.strict ?? false,
    maxBodyBytes: options.maxBodyBytes ?? 10 * 1024 * 1024,
    maxFileBodyBytes: options.maxFileBodyBytes ?? 50 * 1024 * 1024,
    registry,
    validate: options.validate ?? (() => []),
  };
  const access = rpcAccess(options, dialect, createJsonWriters({ registry, dialect }));
  for (const binding of readHttpBindings(options.services)) {
    const { admit, call } = access(binding);
    const readRequest = createRequestReader(binding, requestOptions);
    const answer: Route["answer"] = (request) => {
      const message = readRequest(request.req, request.path, request.target);
      return message instanceof Promise ? message.then((read) => call(request, read)) : call(request, message);
    };
    const label = `${rpcName(binding.rpc)} (${binding.httpMethod} ${binding.path})`;
    const kind = binding.rpc.methodKind === "server_streaming" ? "stream" : "unary";
    routes.add(binding.httpMethod, binding.template, { kind, admit, answer }, label);
  }
  for (const { method, path, handler } of options.extra ?? []) {
    const template = parsePathTemplate(path);
    const answer: Route["answer"] = ({ req, res, target, path: segments }) => {
      const variables = template.variables.map((one) => [one.fieldPath, captureVariable(one, segments)] as const);
      const query = new URLSearchParams(target.query);
      return handler({ req, res, path: target.path, query, variables: new Map(variables) });
    };
    routes.add(method, template, { kind: "plain", admit: () => {}, answer }, `${method} ${path}`);
  }
  return routes;
}

/** Returns the function that finds how the RPC of a binding is guarded and called. */
function rpcAccess(
  options: RestOptions & { readonly admit: Admit; readonly onError: OnError },
  dialect: Dialect,
  writers: JsonWriters,
): (binding: HttpBinding) => { admit: Route["admit"]; call: CallRpc } {
  const { routes, interceptors = [], shutdownSignal } = options;
  const unaryRpcs = options.unaryRpcs ?? collectUnaryRpcs(routes, interceptors);
  let transport: Transport | undefined;
  const streamOptions: StreamOptions = {
    dialect,
    writers,
    // A server that never streams over REST does not need it.
    get transport() {
      transport ??= createRouterTransport(routes, { router: { interceptors } });
      return transport;
    },
    shutdownSignal,
    heartbeatMs: options.heartbeatMs ?? 15_000,
    openStreamAfterMs: options.openStreamAfterMs ?? 250,
    onError: options.onError,
  };
  return (binding) => {
    const { rpc } = binding;
    if (rpc.methodKind === "server_streaming") {
      const admit: Route["admit"] = (header) => options.admit(rpc, header);
      return { admit, call: createStreamCaller(binding, rpc, streamOptions) };
    }
    const unary = unaryRpcs.get(rpc);
    if (unary === undefined) return { admit: (header) => options.admit(rpc, header), call: () => unimplemented(rpc) };
    return {
      admit: (header) => unary.gate({ method: rpc, requestHeader: header }),
      call: createUnaryCaller(binding, { rpc: unary, writers, shutdownSignal }),
    };
  };
}

async function unimplemented(rpc: DescMethod): Promise<never> {
  throw new ConnectError(`${rpcName(rpc)} is not implemented`, Code.Unimplemented);
}

function answerError(
  req: HttpRequest,
  res: HttpResponse,
  error: unknown,
  { isUnread, onError }: { isUnread: boolean; onError: OnError },
): void {
  if (error instanceof ClientGone || isGone(res)) return;
  const { status, body } = toRestError(error);
  if (status === 500) onError(error, req);
  if (res.headersSent) {
    res.destroy();
    return;
  }
  if (error instanceof ConnectError) copyResponseHeaders(res, error.metadata);
  const answer = jsonAnswer(status, body);
  if (isUnread || (error instanceof HttpProblem && error.closes)) refuse(req, res, answer);
  else send(req, res, answer);
}
