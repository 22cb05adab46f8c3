import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { JsonObject } from "@bufbuild/protobuf";
import { Health } from "../../gen/health/v1/health_pb.js";
import { MessageService } from "../../gen/sessiond/v1/message_service_pb.js";
import type { Metrics } from "../adapters/prometheus/metrics.ts";
import { connectErrorOf } from "../api/errors.ts";
import { violationsOf } from "../api/validation.ts";
import { urlOf } from "../config/address.ts";
import type { Config, Secrets } from "../config/config.ts";
import { SessionError, shuttingDown } from "../domain/errors.ts";
import { messageIdOf } from "../domain/file-url.ts";
import { createLoginRoutes, type DashboardLogins } from "../http/dashboard-login/routes.ts";
import type { RequestListener } from "../http/exchange.ts";
import { createFileRoute } from "../http/file-route.ts";
import { createMetricsRoute } from "../http/metrics-route.ts";
import { withPeerEntry } from "../http/peers/entry.ts";
import { createRest, type PlainRoute } from "../http/rest/transcoder.ts";
import { createHandler } from "../http/server/handler.ts";
import { measureRequests } from "../http/server/measure-requests.ts";
import { createServer as createHttpServer } from "../http/server/server.ts";
import { createDashboardRoutes } from "../http/static-files/dashboard.ts";
import { createDocsRoutes } from "../http/static-files/docs.ts";
import { collectUnaryRpcs } from "../http/unary-calls.ts";
import { createUploadRoute } from "../http/upload-route.ts";
import type { NodeAddress } from "../ports/cluster.ts";
import type { Logger } from "../ports/system.ts";
import type { AccessRules } from "./access-rules.ts";
import { type Api, restServices } from "./api.ts";
import type { Nodes } from "./nodes.ts";

const documentFile = new URL("../../gen/openapi.json", import.meta.url);
const assetDirectory = dirname(fileURLToPath(import.meta.resolve("swagger-ui-dist/package.json")));
const dashboardDirectory = fileURLToPath(new URL("../../gen/dashboard", import.meta.url));

/** One port that speaks all protocols. */
export interface Listener {
  /** Starts to listen. Rejects if the address is in use or not allowed. */
  listen(): Promise<{ url: string; address: string; port: number }>;
  /** Reports the server as draining, ends all streams, and closes all connections. Calls have `graceMs` to finish. */
  close(graceMs: number): Promise<void>;
}

/** Parts of a port that not every server has. */
export interface ListenerParts {
  /** Undefined without a dashboard. */
  readonly logins: DashboardLogins | undefined;
  /** Undefined if no other node can call. */
  readonly nodes: Nodes | undefined;
}

/** Creates the port over the services. It does not listen yet. */
export function createListener(
  config: Config,
  secrets: Secrets,
  { cors, hostGuard }: AccessRules,
  api: Api,
  metrics: Metrics,
  logger: Logger,
  { logins, nodes }: ListenerParts,
): Listener {
  const stopping = new AbortController();
  const { routes } = api;
  const unaryRpcs = collectUnaryRpcs(routes);
  const rest = createRest({
    services: restServices,
    admit: (rpc, header) => api.authentication.admission(rpc, header),
    routes,
    unaryRpcs,
    shutdownSignal: stopping.signal,
    validate: violationsOf,
    strict: config.strictMode,
    maxBodyBytes: config.maxBodyBytes,
    maxFileBodyBytes: config.maxFileBodyBytes,
    heartbeatMs: config.streams.heartbeatMs,
    extra: pagesOf(config, secrets, api, metrics, logins),
    onError: (error) => logger.error({ err: error }, "request failed"),
  });
  const handler = createHandler({ routes, unaryRpcs, rest, guard: hostGuard, shutdownSignal: stopping.signal, cors });
  const { peerRoutes } = api;
  const peerEntry = (own: RequestListener) =>
    nodes && peerRoutes
      ? withPeerEntry(own, {
          self: nodes.cluster.placement.self,
          key: nodes.key,
          clock: nodes.clock,
          routes: peerRoutes,
          shutdownSignal: stopping.signal,
        })
      : own;
  const server = createHttpServer({
    host: config.host,
    port: config.port,
    tls: secrets.tls,
    limits: limitsOf(config),
    // Calls of other nodes are counted where their clients are.
    handler: peerEntry(measureRequests(handler, metrics.answered)),
  });
  return {
    async listen() {
      const { address, port } = await server.listen();
      return { url: urlOf(secrets.tls ? "https" : "http", config.publicHost ?? address, port), address, port };
    },
    async close(graceMs) {
      api.serving.drain();
      // A turn later, so that watchers of health hear of it before their connections are closed.
      await nextTurn();
      const closed = server.close(graceMs);
      // After new connections are refused, so that no client opens its streams here again.
      await nextTurn();
      stopping.abort(connectErrorOf(shuttingDown()));
      await closed;
    },
  };
}

/** Returns the base URL that clients use, as far as the configuration tells it. */
export const baseUrlOf = ({ publicHost, host, port }: Config, { tls }: Secrets): string =>
  urlOf(tls ? "https" : "http", publicHost ?? host, port);

/** Returns where other nodes reach this one. */
export const nodeAddressOf = ({ nodeUrl: url }: Config, { tls }: Secrets, port: number): NodeAddress =>
  url === undefined ? { scheme: tls ? "https" : "http", port } : { url };

/** Loads the OpenAPI document. */
const loadDocument = async (): Promise<JsonObject> => JSON.parse(await readFile(documentFile, "utf8"));

/** Routes that are not RPCs: the dashboard, the documentation and the metrics, where they are wanted. */
function pagesOf(
  config: Config,
  { docsLogin: login }: Secrets,
  { authentication, downloads, uploads }: Api,
  { render }: Metrics,
  logins: DashboardLogins | undefined,
): PlainRoute[] {
  const isAdmitted = (header: Headers) => authentication.refusal(undefined, header) === undefined;
  const services = [...restServices, Health];
  const docs = { document: loadDocument, services, assetDirectory, login, isAtRoot: logins === undefined };
  const { downloadMedia, uploadMedia } = MessageService.method;
  const { maxBytes } = config.media;
  return [
    createFileRoute({
      admit: (header) => authentication.admission(downloadMedia, header),
      find: async (session, file, signal, header) => {
        const found = await asConnectError(downloads.find(session, messageIdOf(file), signal, header));
        return { ...found, open: (start, ending) => asConnectError(found.open(start, ending)) };
      },
    }),
    createUploadRoute({
      maxBytes,
      admit: (header) => authentication.admission(uploadMedia, header),
      store: async (session, content) => {
        const { expiresAtMs, ...upload } = await asConnectError(uploads.store(session, content));
        return { ...upload, expiresAt: new Date(expiresAtMs).toISOString() };
      },
    }),
    ...(logins ? [...createDashboardRoutes({ directory: dashboardDirectory }), ...createLoginRoutes(logins)] : []),
    ...(config.docs ? createDocsRoutes(docs) : []),
    ...(config.metrics ? [createMetricsRoute(render, isAdmitted)] : []),
  ];
}

/** Turns the failures of a call into the errors that REST answers. */
const asConnectError = <T>(call: Promise<T>): Promise<T> =>
  call.catch((error: unknown) => {
    throw error instanceof SessionError ? connectErrorOf(error) : error;
  });

const limitsOf = ({ keepAlive, maxStreamsPerConnection }: Config) => ({
  maxConcurrentStreams: maxStreamsPerConnection,
  keepAliveTimeoutMs: keepAlive.http1Ms,
  idleSessionTimeoutMs: keepAlive.http2Ms,
  pingIntervalMs: keepAlive.pingMs,
});
