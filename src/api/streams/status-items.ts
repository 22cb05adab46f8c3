import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { SessionRecord } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Event, SessionStatusPayload } from "../../../gen/sessiond/v1/event_pb.js";
import { Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import {
  StatusStreamResponse_Kind as Kind,
  type StatusStreamResponse,
  StatusStreamResponseSchema,
} from "../../../gen/sessiond/v1/session_service_pb.js";
import type { Clock } from "../../app/shown-time.ts";
import { deepFreeze } from "../../domain/deep-freeze.ts";
import { deletedEventName, updatedEventName } from "../../domain/event.ts";
import { type RemedyContext, remedyOf } from "../../domain/remedy.ts";
import { accountOf, failedAttemptsOf, meOf, nextAttemptAtMs, statusOf, statusSince } from "../../domain/session.ts";
import { statusChange } from "../../domain/status-change.ts";

/** Facts that items show besides the record. */
export interface ItemContext extends RemedyContext {
  readonly clock: Pick<Clock, "wallMsAt">;
}

/** The state of a session when the log had come to `seq`. */
export function snapshotItem(
  record: SessionRecord,
  seq: bigint,
  wallMs: number,
  context: ItemContext,
): StatusStreamResponse {
  const me = meOf(record);
  const account = accountOf(record);
  const nextMs = nextAttemptAtMs(record);
  const since = statusSince(record);
  return create(StatusStreamResponseSchema, {
    kind: Kind.SNAPSHOT,
    seq,
    time: timestampFromMs(wallMs),
    name: record.name,
    status: statusOf(record),
    statusReason: record.reason,
    ...(me && { me }),
    metadata: record.config?.metadata ?? {},
    engine: record.engine,
    attempt: failedAttemptsOf(record),
    ...(nextMs !== undefined && { nextAttemptAt: timestampFromMs(context.clock.wallMsAt(nextMs)) }),
    health: record.health,
    ...(account && { account }),
    statusMessage: record.reasonMessage,
    remedy: remedyOf(record, context),
    ...(since && { statusSince: since }),
  });
}

/** Items by event: all streams send the same one. They are frozen, so that each is encoded once. */
const items = new WeakMap<Event, StatusStreamResponse>();

/** Returns the change that an event announces; undefined if none. With `details` that is any change, else one of status or code. */
export function changeItem(event: Event, details = false): StatusStreamResponse | undefined {
  if (event.name === updatedEventName && !details) return undefined;
  const known = items.get(event);
  if (known) return known;
  const item = itemOf(event);
  if (item) items.set(event, deepFreeze(item));
  return item;
}

function itemOf(event: Event): StatusStreamResponse | undefined {
  const { seq, time, session, me, metadata, engine, payload } = event;
  const about = { seq, ...(time && { time }), name: session, metadata, engine };
  if (event.name === deletedEventName) {
    return create(StatusStreamResponseSchema, { ...about, kind: Kind.DELETED, status: Status.STOPPED });
  }
  if (payload.case !== "sessionStatus") return undefined;
  const { status, statusReason, statuses, statusMessage, attempt, nextAttemptAt, health, account, remedy } =
    payload.value;
  const since = statuses.at(-1)?.time;
  return create(StatusStreamResponseSchema, {
    ...about,
    ...changeOf(payload.value, event),
    kind: Kind.CHANGE,
    status,
    statusReason,
    ...(me && { me }),
    attempt,
    ...(nextAttemptAt && { nextAttemptAt }),
    health,
    ...(account && { account }),
    statusMessage,
    remedy,
    ...(since && { statusSince: since }),
  });
}

/** Returns the news of an announcement: the status, if it began at that time, and the code of a session that waits for a phone. */
function changeOf(payload: SessionStatusPayload, { name, time }: Event) {
  if (name === updatedEventName) return { previousStatus: payload.status, changed: payload.changed };
  const { isNew, previous } = statusChange(payload, time);
  const isScanning = payload.status === Status.SCAN_QR_CODE;
  return { previousStatus: previous, changed: [...(isNew ? ["status"] : []), ...(isScanning ? ["qr"] : [])] };
}

/** Returns a change from the status that the reader knew, with those between left out. */
export const coalesced = (item: StatusStreamResponse): StatusStreamResponse => ({
  ...item,
  previousStatus: Status.STATUS_UNSPECIFIED,
  changed: [],
  coalesced: true,
});
