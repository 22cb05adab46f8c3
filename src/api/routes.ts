import type { ConnectRouter } from "@connectrpc/connect";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { Health } from "../../gen/health/v1/health_pb.js";
import { PeerService } from "../../gen/sessiond/peer/v1/peer_service_pb.js";
import { AuthService } from "../../gen/sessiond/v1/auth_service_pb.js";
import { EventService } from "../../gen/sessiond/v1/event_service_pb.js";
import { MessageService } from "../../gen/sessiond/v1/message_service_pb.js";
import { ServerService } from "../../gen/sessiond/v1/server_service_pb.js";
import { SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import { StoreService } from "../../gen/sessiond/v1/store_service_pb.js";
import { WebhookService } from "../../gen/sessiond/v1/webhook_service_pb.js";
import type { AllWebhooks } from "../app/all-webhooks.ts";
import type { FileLinks } from "../app/sending/file-links.ts";
import type { FileUploads } from "../app/sending/file-uploads.ts";
import type { MessageSender } from "../app/sending/message-sender.ts";
import type { SessionManager } from "../app/session-manager.ts";
import type { WebhookLog } from "../app/webhook-log.ts";
import type { EventLog } from "../ports/event-log.ts";
import type { Sessions } from "../ports/sessions.ts";
import type { Tickets } from "../ports/tickets.ts";
import type { Upkeep } from "../ports/upkeep.ts";
import { type AuthServiceOptions, createAuthService } from "./auth-service.ts";
import { type Authentication, gate, pairingHeader } from "./authentication.ts";
import { createEventService } from "./event-service.ts";
import { createHealthService } from "./health-service.ts";
import { type ReportingOptions, reporting } from "./interceptors.ts";
import { createMessageService } from "./message-service.ts";
import { markAnswers, ownedHere } from "./nodes/arrival.ts";
import { Forwarding, type ForwardingOptions } from "./nodes/forwarding.ts";
import type { News } from "./nodes/news.ts";
import type { FileFinder } from "./nodes/node-files.ts";
import { createPeerService, type UploadReader } from "./nodes/peer-service.ts";
import { outageLimit } from "./outage-limit.ts";
import { pairingScope } from "./pairing-scope.ts";
import type { DrawQr } from "./picture.ts";
import { createReflectionServices } from "./reflection-service.ts";
import { createServerService, type ServerServiceOptions } from "./server-service.ts";
import type { ServingState } from "./serving-state.ts";
import { createSessionService } from "./session-service.ts";
import type { ViewOptions } from "./session-view.ts";
import { createStoreService, type StoreServiceOptions } from "./store-service.ts";
import type { StreamPolicy } from "./streams/live-stream.ts";
import { type StreamLimitOptions, streamLimit } from "./streams/stream-limit.ts";
import { Streams } from "./streams/streams.ts";
import { validation } from "./validation.ts";
import { type Warnings, warning } from "./warnings.ts";
import { createWebhookService } from "./webhook-service.ts";

/** Everything that the services need. */
export interface RoutesOptions extends ViewOptions, ServerServiceOptions, StoreServiceOptions {
  readonly manager: SessionManager;
  readonly sender: MessageSender;
  readonly fileLinks: FileLinks;
  readonly downloads: FileFinder;
  readonly uploads: FileUploads;
  readonly sessions: Sessions;
  readonly log: EventLog;
  readonly webhookLog: WebhookLog;
  readonly allWebhooks: AllWebhooks;
  readonly metrics?: NonNullable<ReportingOptions["metrics"]>;
  readonly drawQr: DrawQr;
  /** Judges every call before anything of it is read. */
  readonly authentication: Authentication;
  readonly warnings: Warnings;
  readonly pairingLinks: AuthServiceOptions["pairingLinks"];
  readonly tickets: Tickets;
  readonly streamPolicy: StreamPolicy;
  readonly streamLimit: StreamLimitOptions;
  readonly logger: ReportingOptions["logger"];
  readonly serving: ServingState;
  /** Undefined for a store that answers or fails at once. */
  readonly onOutage: Upkeep["onOutage"] | undefined;
  /** Set if other nodes own sessions. */
  readonly nodes?: Omit<ForwardingOptions, "authentication" | "clock"> | undefined;
  /** True if clients can ask for the protos. */
  readonly reflection: boolean;
}

const apiServices = [
  SessionService,
  AuthService,
  MessageService,
  EventService,
  WebhookService,
  ServerService,
  StoreService,
];
const reflectionServices = [ServerReflection, ServerReflectionV1Alpha];

/** All services, each call let in, reported and checked whatever the router. */
export function createRoutes(options: RoutesOptions): (router: ConnectRouter) => void {
  const nowMs = () => options.clock.nowMs();
  const forwarding = options.nodes && new Forwarding({ ...options, ...options.nodes });
  const interceptors = [
    reporting({ logger: options.logger, nowMs, ...(options.metrics && { metrics: options.metrics }) }),
    streamLimit(options.streamLimit),
    pairingScope(options.authentication),
    warning(options.warnings),
    validation,
    ...(options.onOutage ? [outageLimit(options.onOutage)] : []),
    ...(forwarding ? [forwarding.interceptor] : []),
  ];
  const rules = { requestGate: gate(options.authentication), interceptors };
  const { clock, authentication, tickets, streamPolicy: policy } = options;
  const streams = new Streams({ policy, clock, authentication });
  const services = [...apiServices, Health, ...(options.reflection ? reflectionServices : [])];
  const names = services.map(({ typeName }) => typeName);
  const reflection = createReflectionServices(services);
  return (router) => {
    router
      .service(SessionService, createSessionService({ ...options, streams }), rules)
      .service(AuthService, createAuthService({ ...options, streams, forwarding }), rules)
      .service(MessageService, createMessageService(options), rules)
      .service(EventService, createEventService({ log: options.log, streams, tickets }), rules)
      .service(WebhookService, createWebhookService(options.webhookLog, options.allWebhooks, clock), rules)
      .service(ServerService, createServerService(options), rules)
      .service(StoreService, createStoreService(options), rules)
      .service(Health, createHealthService(options.serving, names), rules);
    if (!options.reflection) return;
    router.service(ServerReflection, reflection.v1, rules).service(ServerReflectionV1Alpha, reflection.v1alpha, rules);
  };
}

/** The services that other nodes call for their clients, whom they have let in and whose calls they have reported and checked. */
export function createPeerRoutes(
  options: RoutesOptions,
  placement: ForwardingOptions["placement"],
  news: News,
  readUpload: UploadReader,
): (router: ConnectRouter) => void {
  const { clock, authentication, streamPolicy: policy, webhookLog, allWebhooks } = options;
  const interceptors = [
    markAnswers(placement.self),
    reporting({ logger: options.logger, nowMs: () => clock.nowMs() }),
    ...(options.onOutage ? [outageLimit(options.onOutage)] : []),
    ownedHere({ placement, authentication }),
  ];
  const streams = new Streams({ policy, clock, authentication: { readerOf: readerOfPeer(authentication) } });
  return (router) => {
    router
      .service(SessionService, createSessionService({ ...options, streams }), { interceptors })
      .service(AuthService, createAuthService({ ...options, streams }), { interceptors })
      .service(MessageService, createMessageService(options), { interceptors })
      .service(WebhookService, createWebhookService(webhookLog, allWebhooks, clock), { interceptors })
      .service(PeerService, createPeerService(news, readUpload), { interceptors });
  };
}

/** Another node judges its readers by itself, but only this one hears at once when a link of its own sessions is revoked. */
const readerOfPeer =
  (authentication: Authentication): Authentication["readerOf"] =>
  (method, header) =>
    header.has(pairingHeader) ? authentication.readerOf(method, header) : { check() {} };
