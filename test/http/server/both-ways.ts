import type { TestContext } from "node:test";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type HandlerContext,
  type Interceptor,
  type ServiceImpl,
} from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.js";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { jsonAnswer, send } from "../../../src/http/exchange.ts";
import { defaultCors } from "../../../src/http/server/cors.ts";
import { createHandler } from "../../../src/http/server/handler.ts";
import { UnaryCall } from "../../../src/http/unary-calls.ts";
import { startServer } from "../rest/server.ts";

/** Calls to a server, as the service and its interceptors saw them. */
export interface Seen {
  /** Each call: its URL, headers and message. */
  readonly calls: object[];
  /** True if the last call came without Connect's pipeline. */
  isDirect: boolean | undefined;
}

/** A server that answers unary calls directly, and one with the same services that leaves all of them to Connect. */
export async function startBothWays(t: TestContext) {
  const direct = await start(t, false);
  const library = await start(t, true);
  return { direct, library };
}

async function start(t: TestContext, isLibrary: boolean) {
  const seen: Seen = { calls: [], isDirect: undefined };
  const watch: Interceptor = (next) => (req) => {
    const { pathname, protocol } = new URL(req.url);
    const { requestMethod, method, service, stream, header } = req;
    const message = "message" in req && !req.stream ? req.message : undefined;
    const names = { method: method.name, service: service.typeName };
    seen.calls.push({
      pathname,
      protocol,
      requestMethod,
      stream,
      message,
      ...names,
      header: [...header].filter(isSame),
    });
    return next(req);
  };
  const routes = (router: ConnectRouter) => {
    router.service(SessionService, services(seen), { interceptors: [watch], requestGate: refuse });
  };
  const handler = createHandler({
    routes,
    rest: (req, res) => send(req, res, jsonAnswer(404, { error: "not found" })),
    cors: defaultCors,
    readMaxBytes: 1_000_000,
    ...(isLibrary && { unaryRpcs: new Map() }),
  });
  const { url, port } = await startServer(t, handler);
  return { url, port, seen };
}

/** Excludes the header with the server's port. */
const isSame = ([name]: [string, string]) => name !== "host";

function refuse({ requestHeader }: Pick<HandlerContext, "requestHeader">): void {
  if (!requestHeader.has("x-refuse")) return;
  throw new ConnectError("no key: ü", Code.Unauthenticated, { "www-authenticate": "Bearer" });
}

function services(seen: Seen): Partial<ServiceImpl<typeof SessionService>> {
  const tell = (context: HandlerContext) => {
    seen.isDirect = context instanceof UnaryCall;
    const { requestHeader, responseHeader, responseTrailer } = context;
    for (const name of ["x-text", "x-raw-bin", "cookie"]) {
      const value = requestHeader.get(name);
      if (value === null) continue;
      responseHeader.set(`${name}-back`, value);
      responseTrailer.set(`${name}-after`, value);
    }
  };
  return {
    getSession({ session }, context) {
      tell(context);
      const answer = answers[session];
      return answer ? answer(context) : { session: { name: session } };
    },
    createSession({ name, config }, context) {
      tell(context);
      return { session: { name, ...(config && { config }) } };
    },
  };
}

const details: ConstructorParameters<typeof ConnectError>[3] = [
  { desc: ErrorInfoSchema, value: { reason: "SOME", domain: "test", metadata: { a: "b" } } },
  { desc: BadRequestSchema, value: { fieldViolations: [{ field: "name", description: "must be other" }] } },
];

/** Answers of the sessions with these names. */
const answers: Readonly<Record<string, (context: HandlerContext) => object>> = {
  empty: () => ({}),
  large: () => ({ session: { name: "large ".repeat(1_000) } }),
  "many headers": ({ responseHeader, responseTrailer }) => {
    for (const value of ["a", "b"]) {
      responseHeader.append("x-many", value);
      responseHeader.append("set-cookie", `${value}=1`);
      responseTrailer.append("x-many-after", value);
    }
    responseHeader.set("etag", '"1"');
    return { session: { name: "alice" } };
  },
  "large trailer": ({ responseTrailer }) => {
    responseTrailer.set("x-large", "large ".repeat(200));
    return {};
  },
  failure: ({ responseHeader, responseTrailer }) => {
    responseHeader.set("x-before", "1");
    responseTrailer.set("x-before-too", "2");
    const metadata = { "x-reason": "because", "x-before": "3", "x-raw-bin": "AAEC", "content-type": "text/plain" };
    throw new ConnectError("ü is not allowed, 100% sure: no\n", Code.FailedPrecondition, metadata, details);
  },
  "large failure": () => {
    throw new ConnectError("large ".repeat(1_000), Code.NotFound);
  },
  "silent failure": () => {
    throw new ConnectError("", Code.Aborted);
  },
  "failure with cookies": () => {
    const metadata = new Headers([
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
    ]);
    throw new ConnectError("no", Code.Unavailable, metadata);
  },
  "relayed failure": () => {
    const error = new ConnectError("relayed", Code.DataLoss, { "x-reason": "unseen" });
    error.isWireError = true;
    throw error;
  },
  "unexpected failure": () => {
    throw new Error("the secret cause");
  },
  "wrong type": () => ({ session: { name: 7 } }),
};

/** Sessions whose answers differ in kind. */
export const sessionNames = ["alice", "Žofie 👩‍🚀", "", ...Object.keys(answers)];
