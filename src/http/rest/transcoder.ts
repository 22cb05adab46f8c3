import { createRegistry, type DescMethod, type DescService, type Message } from "@bufbuild/protobuf";
import { ConnectError, type Transport } from "@connectrpc/connect";
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
import { callRpc } from "./call.ts";
import { toRestError } from "./error.ts";
import { copyResponseHeaders, requestHeaders } from "./forward-headers.ts";
import { readHttpBindings, rpcName } from "./http-rules.ts";
import { captureVariable, type PathSegment, parsePathTemplate, splitPath } from "./path-template.ts";
import { readRequest } from "./request.ts";
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
  /** In-process transport to the services. */
  readonly transport: Transport;
  /** Validates a request beyond its types, so that one response reports all violations. */
  readonly validate?: ((message: Message) => readonly FieldViolation[]) | undefined;
  /** Returns whether a request may call an RPC, or be told that its path is unknown. Runs before the body is read. Default: true. */
  readonly admits?: ((rpc: DescMethod | undefined, header: Headers) => boolean) | undefined;
  /** Whether unknown properties and query parameters are refused with 400 instead of ignored. */
  readonly strict?: boolean | undefined;
  /** Maximum size of a body. Default 10 MiB. */
  readonly maxBodyBytes?: number | undefined;
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
  /** RPC of the route; undefined for a plain route. */
  readonly rpc: DescMethod | undefined;
  readonly answer: (
    req: HttpRequest,
    res: HttpResponse,
    url: RequestUrl,
    segments: readonly PathSegment[],
  ) => void | Promise<void>;
}

interface RequestUrl {
  readonly path: string;
  readonly query: string;
}

/** Creates a listener that answers REST requests by calling RPCs. Throws an Error for an invalid annotation or a duplicate route. */
export function createRest(options: RestOptions): RequestListener {
  const onError = options.onError ?? (() => {});
  const routes = createRoutes(options, onError);
  const admits = options.admits ?? (() => true);

  async function serve(req: HttpRequest, res: HttpResponse): Promise<void> {
    const url = splitUrl(req.url ?? "/");
    const segments = splitPath(url.path);
    const match = segments && routes.match(req.method ?? "", segments);
    const isPlain = match !== undefined && match.target.rpc === undefined;
    if (!isPlain && !admits(match?.target.rpc, requestHeaders(req))) {
      throw new HttpProblem(401, "Unauthorized", { closes: true });
    }
    if (segments === undefined) throw new HttpProblem(400, "Malformed percent-encoding in the path");
    if (match === undefined) throw new HttpProblem(404, notFoundMessage(req.method ?? "", req.url ?? ""));
    await match.target.answer(req, res, url, match.path);
  }

  return (req, res) => {
    serve(req, res)
      .catch((error: unknown) => answerError(req, res, error, onError))
      // The error could not be sent.
      .catch(() => res.destroy());
  };
}

function createRoutes(options: RestOptions, onError: (error: unknown, req: HttpRequest) => void) {
  const routes = createRouteTable<Route>();
  const registry = createRegistry(...options.services.map((service) => service.file));
  const dialect = options.dialect ?? resolveDialect(options.services);
  const requestOptions = {
    dialect,
    strict: options.strict ?? false,
    maxBodyBytes: options.maxBodyBytes ?? 10 * 1024 * 1024,
    registry,
    validate: options.validate ?? (() => []),
  };
  const callOptions = {
    dialect,
    transport: options.transport,
    registry,
    heartbeatMs: options.heartbeatMs ?? 15_000,
    openStreamAfterMs: options.openStreamAfterMs ?? 250,
    onError,
  };
  for (const binding of readHttpBindings(options.services)) {
    const answer: Route["answer"] = async (req, res, url, segments) => {
      const message = await readRequest(binding, req, segments, url.query, requestOptions);
      await callRpc(binding, message, req, res, callOptions);
    };
    const label = `${rpcName(binding.rpc)} (${binding.httpMethod} ${binding.path})`;
    routes.add(binding.httpMethod, binding.template, { rpc: binding.rpc, answer }, label);
  }
  for (const { method, path, handler } of options.extra ?? []) {
    const template = parsePathTemplate(path);
    const answer: Route["answer"] = (req, res, url, segments) => {
      const variables = template.variables.map((one) => [one.fieldPath, captureVariable(one, segments)] as const);
      const query = new URLSearchParams(url.query);
      return handler({ req, res, path: url.path, query, variables: new Map(variables) });
    };
    routes.add(method, template, { rpc: undefined, answer }, `${method} ${path}`);
  }
  return routes;
}

function answerError(
  req: HttpRequest,
  res: HttpResponse,
  error: unknown,
  onError: (error: unknown, req: HttpRequest) => void,
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
  if (error instanceof HttpProblem && error.closes) refuse(req, res, answer);
  else send(req, res, answer);
}

/** Splits a request's target into path and query. The target may be in absolute form (RFC 9112, section 3.2.2). */
function splitUrl(url: string): RequestUrl {
  const origin = /^https?:\/\/[^/?#]*/i.exec(url)?.[0] ?? "";
  const [target = ""] = url.slice(origin.length).split("#", 1);
  const mark = target.indexOf("?");
  const path = mark === -1 ? target : target.slice(0, mark);
  return { path: path.startsWith("/") ? path : `/${path}`, query: mark === -1 ? "" : target.slice(mark + 1) };
}
