import { hostname } from "node:os";
import type { ConnectRouter } from "@connectrpc/connect";
import { Health } from "../../gen/health/v1/health_pb.js";
import { AuthService } from "../../gen/sessiond/v1/auth_service_pb.js";
import { EventService } from "../../gen/sessiond/v1/event_service_pb.js";
import { MessageService } from "../../gen/sessiond/v1/message_service_pb.js";
import { ServerService } from "../../gen/sessiond/v1/server_service_pb.js";
import { SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import { StoreService } from "../../gen/sessiond/v1/store_service_pb.js";
import { WebhookDelivery_State as DeliveryState } from "../../gen/sessiond/v1/webhook_pb.js";
import { WebhookService } from "../../gen/sessiond/v1/webhook_service_pb.js";
import packageJson from "../../package.json" with { type: "json" };
import type { createKeyVerifier } from "../adapters/node/api-key.ts";
import { createSendRelief, createStreamRelief, processMemory } from "../adapters/node/memory.ts";
import { sha256 } from "../adapters/node/secret-hash.ts";
import type { Metrics } from "../adapters/prometheus/metrics.ts";
import { Authentication, type AuthenticationOptions } from "../api/authentication.ts";
import { type FileFinder, NodeFiles } from "../api/nodes/node-files.ts";
import { createPeerRoutes, createRoutes, type RoutesOptions } from "../api/routes.ts";
import { ServingState } from "../api/serving-state.ts";
import { defaultStreamPolicy } from "../api/streams/live-stream.ts";
import { Warnings } from "../api/warnings.ts";
import { AllWebhooks } from "../app/all-webhooks.ts";
import { currentOverview } from "../app/overview.ts";
import { FileDownloads } from "../app/sending/file-downloads.ts";
import { FileUploads } from "../app/sending/file-uploads.ts";
import { MessageSender } from "../app/sending/message-sender.ts";
import { WebhookLog } from "../app/webhook-log.ts";
import type { Config, Secrets } from "../config/config.ts";
import { eventsThatNeverFire } from "../domain/config-violations.ts";
import { rpcsAt } from "../http/rest/rpcs-at.ts";
import type { Logins } from "../ports/logins.ts";
import type { Logger } from "../ports/system.ts";
import type { Engines } from "./engines.ts";
import type { Media } from "./media.ts";
import { type Access, type Nodes, nodeListOf } from "./nodes.ts";
import type { Tools } from "./overrides.ts";
import type { RunningSessions } from "./sessions.ts";
import type { Store } from "./store.ts";

/** The services that have REST routes and documentation. */
export const restServices = [
  SessionService,
  AuthService,
  MessageService,
  EventService,
  WebhookService,
  ServerService,
  StoreService,
] as const;

/** The parts below the API. */
export interface ApiParts {
  readonly store: Store;
  readonly engines: Engines;
  readonly sessions: RunningSessions;
  readonly media: Pick<Media, "files" | "links" | "baseUrl" | "passed">;
  readonly metrics: Metrics;
  /** Undefined if no key is needed. */
  readonly verifyKey: ReturnType<typeof createKeyVerifier> | undefined;
  /** Undefined for a store that only one process can use. */
  readonly nodes: Nodes | undefined;
  readonly access: Access;
}

/** All services, for whichever protocols the port speaks. */
export interface Api {
  readonly routes: (router: ConnectRouter) => void;
  /** The services for other nodes; undefined if there can be none. */
  readonly peerRoutes: ((router: ConnectRouter) => void) | undefined;
  readonly authentication: Authentication;
  /** For the routes that carry files as they are. */
  readonly downloads: FileFinder;
  readonly uploads: FileUploads;
  readonly logins: Logins;
  readonly serving: ServingState;
}

/** Creates the services over the parts below them. */
export function createApi(config: Config, secrets: Secrets, parts: ApiParts, tools: Tools): Api {
  const { store, engines, sessions, metrics, nodes } = parts;
  const { manager } = sessions;
  const { clock, random, logger, callLogger, drawQr } = tools;
  // Opening the store may have moved the clock on.
  const startedAtMs = clock.nowMs();
  const { backend, backUp } = store;
  const { tickets, logins, news } = parts.access;
  const pairingLinks = config.dashboard === "off" ? undefined : sessions.pairingLinks;
  const refreshLink = nodes && pairingLinks && ((token: string) => pairingLinks.refresh(token));
  const authentication = createAuthentication(
    config,
    { verifyKey: parts.verifyKey, tickets, pairingLinks, refreshLink, logger },
    logins,
  );
  const warnings = new Warnings(logger);
  warnOfDeadEvents(secrets, warnings);
  const streams = countStreams();
  const serving = new ServingState({ clock, logger, checkStore: () => backend.upkeep.check() });
  const { files, links: fileLinks, baseUrl, passed } = parts.media;
  const sender = new MessageSender({
    manager,
    sessions: backend.sessions,
    outgoing: backend.outgoing,
    noteSend: createSendRelief(),
    clock,
    random,
    digest: sha256,
    files,
  });
  const local = new FileDownloads({ sender, clock, ...config.media, passed });
  const downloads = nodes ? new NodeFiles({ placement: nodes.cluster.placement, peers: nodes.peers, local }) : local;
  const uploads = new FileUploads({ sender, files, baseUrl });
  const options: RoutesOptions = {
    manager,
    sender,
    uploads,
    fileLinks,
    downloads,
    sessions: backend.sessions,
    log: backend.log,
    webhookLog: new WebhookLog({ backend, clock, random }),
    allWebhooks: new AllWebhooks(backend),
    metrics,
    authentication,
    pairingLinks,
    warnings,
    drawQr,
    clock,
    logger: callLogger,
    showSecrets: config.showSecrets,
    hasProxyPool: secrets.proxies.servers.length > 0,
    version: packageJson.version,
    engine: config.defaultEngine,
    browser: () => engines.browser(),
    workerId: config.workerId || (nodes?.cluster.placement.self ?? ""),
    nodeList: nodeListOf(nodes, { ...config, name: config.nodeName ?? hostname(), version: packageJson.version }),
    pendingUnlinks: () => manager.pendingUnlinks,
    startedAtMs,
    backUp,
    tickets,
    serving,
    onOutage: backend.upkeep.onOutage,
    streamPolicy: { ...defaultStreamPolicy, ...config.streams },
    streamLimit: { maxOpen: config.maxStreams, onChange: streams.onChange },
    overview: {
      current: () => currentOverview(backend),
      engines: () => versionsOf(engines),
      storms: () => sessions.storms(),
      connectQueue: () => sessions.connectQueue(),
      openStreams: () => streams.open(),
      memory: processMemory,
      lastBackup: store.lastBackup,
    },
    reflection: config.reflection,
    nodes: nodes && {
      placement: nodes.cluster.placement,
      peers: nodes.peers,
      sessionsWithFailures: () => backend.outbox.sessionsWith(DeliveryState.FAILED),
    },
  };
  const peerOptions = { ...options, downloads: local, logger: logger.child({ forwarded: true }) };
  const readUpload = (session: string, id: string) => files.readUpload(session, id);
  const peerRoutes = nodes && news && createPeerRoutes(peerOptions, nodes.cluster.placement, news, readUpload);
  return { routes: createRoutes(options), peerRoutes, authentication, downloads, uploads, logins, serving };
}

/** Counts open streams, and releases memory after many have ended. */
function countStreams() {
  const relieve = createStreamRelief();
  let open = 0;
  const onChange = (now: number) => {
    open = now;
    relieve(now);
  };
  return { onChange, open: () => open };
}

const versionsOf = ({ factories }: Engines) =>
  factories.map(({ kind, clientVersions }) => ({ kind, clientVersion: clientVersions?.current ?? "" }));

function createAuthentication(
  { openPaths, dashboard }: Config,
  options: Pick<AuthenticationOptions, "verifyKey" | "tickets" | "pairingLinks" | "refreshLink"> & {
    readonly logger: Logger;
  },
  logins: Logins,
): Authentication {
  const open = rpcsAt(restServices, openPaths);
  for (const path of open.unknown)
    options.logger.warn({ path }, "WAHA_API_KEY_EXCLUDE_PATH has a path that REST does not have");
  // Probes have no key.
  const keyless = [...open.rpcs, ...Health.methods];
  const readOnly = dashboard === "readonly";
  return new Authentication({
    ...options,
    open: keyless,
    ...(dashboard !== "off" && { dashboard: { logins, readOnly } }),
  });
}

function warnOfDeadEvents({ globalWebhook }: Secrets, warnings: Warnings): void {
  for (const { event } of eventsThatNeverFire({ webhooks: globalWebhook ? [globalWebhook] : [] })) {
    warnings.log(`event ${event} of WHATSAPP_HOOK_EVENTS never fires here`);
  }
}
