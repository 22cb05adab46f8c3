import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Endpoint, SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  Session_RemoteUnlinked as RemoteUnlinked,
  type Session,
  type SessionConfig,
  SessionSchema,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";
import type { Clock } from "../app/shown-time.ts";
import { toWallTime } from "../app/shown-time.ts";
import { maskSecrets, toShownConfig } from "../domain/config.ts";
import { engineStateOf, failedAttemptsOf, meOf, statusOf, type UnlinkOutcome, wakeAtMs } from "../domain/session.ts";
import { endpointView } from "./webhook-service.ts";

/** Options for showing sessions. */
export interface ViewOptions {
  /** Shows keys and passwords in plain text, as WAHA does. */
  readonly showSecrets: boolean;
  readonly clock: Clock;
}

/** Converts a stored session to its API form, with its disabled endpoints. */
export function sessionView(record: SessionRecord, options: ViewOptions, disabled: readonly Endpoint[] = []): Session {
  const me = meOf(record);
  return create(SessionSchema, {
    name: record.name,
    status: statusOf(record),
    config: configView(record, options),
    ...(me && { me }),
    engine: { engine: record.engine },
    statusReason: record.reason,
    statusMessage: record.reasonMessage,
    desiredState: record.desiredState,
    engineState: engineStateOf(record),
    revision: record.revision,
    ...(record.createdAt && { createdAt: record.createdAt }),
    ...(record.updatedAt && { updatedAt: record.updatedAt }),
    attempt: failedAttemptsOf(record),
    ...(awaitsAttempt(record) && { nextAttemptAt: toWallTime(record.wakeAt, options.clock) }),
    health: record.health,
    disabledWebhooks: disabled.map((endpoint) => endpointView(endpoint, options.clock)),
  });
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

/** Converts a stored configuration to its API form. */
export function configView({ config }: SessionRecord, { showSecrets }: ViewOptions): SessionConfig {
  const shown = toShownConfig(config);
  return showSecrets ? shown : maskSecrets(shown);
}

/** Whether a session's wake-up time is its next attempt to connect. Its other deadlines are internal. */
const awaitsAttempt = (record: SessionRecord): record is SessionRecord & { wakeAt: Timestamp } =>
  wakeAtMs(record) !== undefined && [Status.STARTING, Status.FAILED].includes(statusOf(record));
