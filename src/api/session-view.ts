import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Endpoint, SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../gen/sessiond/v1/event_pb.js";
import {
  Session_RemoteUnlinked as RemoteUnlinked,
  type Session,
  type SessionConfig,
  SessionConfigSchema,
  SessionSchema,
} from "../../gen/sessiond/v1/session_pb.js";
import {
  type ListStatusHistoryResponse_Transition as Transition,
  ListStatusHistoryResponse_TransitionSchema as TransitionSchema,
} from "../../gen/sessiond/v1/session_service_pb.js";
import { WebhookEndpoint_State as EndpointState } from "../../gen/sessiond/v1/webhook_pb.js";
import type { Clock } from "../app/shown-time.ts";
import { withCurrentLock } from "../domain/account.ts";
import { maskSecrets, toShownConfig } from "../domain/config.ts";
import { endpointStateOf } from "../domain/endpoint-health.ts";
import { type RemedyContext, remedyOf } from "../domain/remedy.ts";
import {
  accountOf,
  engineStateOf,
  failedAttemptsOf,
  meOf,
  nextAttemptAtMs,
  statusOf,
  statusSince,
  type UnlinkOutcome,
} from "../domain/session.ts";
import { statusChange } from "../domain/status-change.ts";
import { endpointView } from "./webhook-service.ts";

/** Options for showing sessions. */
export interface ViewOptions extends RemedyContext {
  /** Shows keys and passwords in plain text, as WAHA does. */
  readonly showSecrets: boolean;
  readonly clock: Clock;
}

/** Converts a stored session to its API form, with its endpoints that fail or are disabled. */
export function sessionView(record: SessionRecord, options: ViewOptions, failing: readonly Endpoint[] = []): Session {
  const me = meOf(record);
  const account = accountOf(record);
  const nextMs = nextAttemptAtMs(record);
  const since = statusSince(record);
  const disabled = failing.filter((endpoint) => endpointStateOf(endpoint) === EndpointState.DISABLED);
  return create(SessionSchema, {
    name: record.name,
    status: statusOf(record),
    config: configView(record, options),
    ...(me && { me: withCurrentLock(me, options.clock.wallMs()) }),
    engine: { engine: record.engine },
    statusReason: record.reason,
    statusMessage: record.reasonMessage,
    desiredState: record.desiredState,
    engineState: engineStateOf(record),
    revision: record.revision,
    ...(record.createdAt && { createdAt: record.createdAt }),
    ...(record.updatedAt && { updatedAt: record.updatedAt }),
    attempt: failedAttemptsOf(record),
    ...(nextMs !== undefined && { nextAttemptAt: timestampFromMs(options.clock.wallMsAt(nextMs)) }),
    health: record.health,
    ...(account && { account }),
    remedy: remedyOf(record, options),
    disabledWebhooks: disabled.map((endpoint) => endpointView(record.name, endpoint, options.clock)),
    ...(since && { statusSince: since }),
    failingWebhooks: failing.length,
  });
}

/** Converts a stored session to its API form for lists: its configuration is its metadata. */
export function sessionSummary(
  record: SessionRecord,
  options: ViewOptions,
  failing: readonly Endpoint[] = [],
): Session {
  const metadata = record.config?.metadata ?? {};
  const summary = { ...record, config: create(SessionConfigSchema, { metadata }) };
  // The remedy depends on the whole configuration.
  return { ...sessionView(summary, options, failing), remedy: remedyOf(record, options), disabledWebhooks: [] };
}

/** Converts the event that announced a status to an entry of the session's history. */
export function transitionView({ time, seq, payload }: Event): Transition[] {
  if (payload.case !== "sessionStatus") return [];
  const { status, statusReason, statusMessage, attempt } = payload.value;
  const previousStatus = statusChange(payload.value, time).previous;
  const about = { status, previousStatus, reason: statusReason, message: statusMessage, attempt, seq };
  return [create(TransitionSchema, { ...about, ...(time && { time }) })];
}

/** Converts the outcome of unlinking a device to its API form. */
export const remoteUnlinkedOf = (outcome: UnlinkOutcome): RemoteUnlinked => remoteUnlinked[outcome];

/** Returns the outcome only if the device may still be linked, for answers that are empty otherwise. */
export function stillLinked(outcome: UnlinkOutcome | undefined): { remoteUnlinked?: RemoteUnlinked } {
  return outcome === "pending" || outcome === "unknown" ? { remoteUnlinked: remoteUnlinked[outcome] } : {};
}

const remoteUnlinked = {
  unlinked: RemoteUnlinked.UNLINKED,
  not_linked: RemoteUnlinked.NOT_LINKED,
  pending: RemoteUnlinked.PENDING,
  unknown: RemoteUnlinked.UNKNOWN,
} as const satisfies Record<UnlinkOutcome, RemoteUnlinked>;

const noConfig = create(SessionConfigSchema);
/** API forms of stored configurations, which never change. A session's new states share its configuration. */
const plainConfigs = new WeakMap<SessionConfig, SessionConfig>();
const maskedConfigs = new WeakMap<SessionConfig, SessionConfig>();

/** Converts a stored configuration to its API form. Callers share the result and must not change it. */
export function configView({ config = noConfig }: SessionRecord, { showSecrets }: ViewOptions): SessionConfig {
  const views = showSecrets ? plainConfigs : maskedConfigs;
  const known = views.get(config);
  if (known) return known;
  const shown = toShownConfig(config);
  const view = showSecrets ? shown : maskSecrets(shown);
  views.set(config, view);
  return view;
}
