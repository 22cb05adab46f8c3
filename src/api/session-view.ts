import { create } from "@bufbuild/protobuf";
import type { SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import { type Session, type SessionConfig, SessionSchema } from "../../gen/sessiond/v1/session_pb.js";
import { maskSecrets, shownConfig } from "../domain/config.ts";
import { engineStateOf, meOf, statusOf, wakeAtMs } from "../domain/session.ts";

/** How sessions are shown. */
export interface ViewOptions {
  /** Shows keys and passwords as they are, as WAHA does. */
  readonly showSecrets: boolean;
}

/** A session as callers see it. */
export function sessionView(record: SessionRecord, options: ViewOptions): Session {
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
    attempt: record.attempt,
    ...(wakeAtMs(record) !== undefined && record.wakeAt && { nextAttemptAt: record.wakeAt }),
  });
}

/** A session's configuration as callers see it. */
export function configView({ config }: SessionRecord, { showSecrets }: ViewOptions): SessionConfig {
  const shown = shownConfig(config);
  return showSecrets ? shown : maskSecrets(shown);
}
