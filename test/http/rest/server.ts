import { readFileSync } from "node:fs";
import type { TestContext } from "node:test";
import type { ConnectRouter, Interceptor, ServiceImpl } from "@connectrpc/connect";
import { AuthService } from "../../../gen/sessiond/v1/auth_service_pb.js";
import { EventService } from "../../../gen/sessiond/v1/event_service_pb.js";
import { MessageService } from "../../../gen/sessiond/v1/message_service_pb.js";
import { ServerService } from "../../../gen/sessiond/v1/server_service_pb.js";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { WebhookService } from "../../../gen/sessiond/v1/webhook_service_pb.js";
import { gate } from "../../../src/api/authentication.ts";
import { resolveDialect } from "../../../src/http/rest/resolve-dialect.ts";
import { createRest, type RestOptions } from "../../../src/http/rest/transcoder.ts";
import type { CorsOptions } from "../../../src/http/server/cors.ts";
import { createHandler } from "../../../src/http/server/handler.ts";
import { createServer, type HttpServer, type ServerLimits } from "../../../src/http/server/server.ts";

/** Implementations of the RPCs of a test. Others are UNIMPLEMENTED. */
export interface Fakes {
  readonly session?: Partial<ServiceImpl<typeof SessionService>>;
  readonly auth?: Partial<ServiceImpl<typeof AuthService>>;
  readonly interceptors?: Interceptor[];
  readonly rest?: Partial<RestOptions>;
  readonly cors?: CorsOptions;
  readonly limits?: Partial<ServerLimits>;
  readonly isTls?: boolean;
}

/** A server that listens on loopback. */
export interface TestServer {
  readonly server: HttpServer;
  readonly url: string;
  readonly port: number;
}

/** The dialect of all services, for servers that have only some of them. */
export const dialect = resolveDialect([
  AuthService,
  EventService,
  MessageService,
  ServerService,
  SessionService,
  WebhookService,
]);

/** A certificate for localhost and 127.0.0.1, for tests only. */
export const testTls = {
  key: readFileSync(new URL("../fixtures/localhost.key.pem", import.meta.url)),
  cert: readFileSync(new URL("../fixtures/localhost.cert.pem", import.meta.url)),
};

/** Starts a server with faked services. It ends with the test. */
export async function startRestServer(t: TestContext, fakes: Fakes = {}): Promise<TestServer> {
  const interceptors = fakes.interceptors ?? [];
  const admit = fakes.rest?.admit;
  const rules = admit && { interceptors, requestGate: gate({ admission: admit }) };
  const routes = (router: ConnectRouter) => {
    router.service(SessionService, fakes.session ?? {}, rules);
    router.service(AuthService, fakes.auth ?? {}, rules);
  };
  const rest = createRest({ services: [SessionService, AuthService], dialect, routes, interceptors, ...fakes.rest });
  return startServer(t, createHandler({ routes, interceptors, rest, cors: fakes.cors }), fakes);
}

/** Starts a server with any handler. It ends with the test. */
export async function startServer(
  t: TestContext,
  handler: Parameters<typeof createServer>[0]["handler"],
  options: { limits?: Partial<ServerLimits>; isTls?: boolean } = {},
): Promise<TestServer> {
  const server = createServer({
    host: "127.0.0.1",
    port: 0,
    handler,
    limits: options.limits,
    tls: options.isTls ? testTls : undefined,
  });
  const { port } = await server.listen();
  t.after(() => server.close(0));
  return { server, port, url: `${options.isTls ? "https" : "http"}://127.0.0.1:${port}` };
}

/** Sends a JSON request by fetch. */
export function sendJson(url: string, method: string, body: unknown): Promise<Response> {
  return fetch(url, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
}
