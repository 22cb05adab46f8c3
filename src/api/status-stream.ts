import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../gen/sessiond/v1/event_pb.js";
import { Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import {
  StatusStreamResponse_Kind as Kind,
  type StatusStreamResponse,
  StatusStreamResponseSchema,
} from "../../gen/sessiond/v1/session_service_pb.js";
import type { SessionManager } from "../app/session-manager.ts";
import { sessionNotFound } from "../domain/errors.ts";
import { deletedEventName } from "../domain/event.ts";
import { meOf, statusOf } from "../domain/session.ts";
import { endOf } from "./errors.ts";

/** The state of a session when the log had come to `seq`. */
export function snapshotItem(record: SessionRecord, seq: bigint, nowMs: number): StatusStreamResponse {
  const me = meOf(record);
  return create(StatusStreamResponseSchema, {
    kind: Kind.SNAPSHOT,
    seq,
    time: timestampFromMs(nowMs),
    name: record.name,
    status: statusOf(record),
    statusReason: record.reason,
    ...(me && { me }),
  });
}

/** What an event of the log tells of a session's status; undefined if nothing. */
export function changeItem(event: Event): StatusStreamResponse | undefined {
  const { seq, time, session, me, payload } = event;
  const about = { seq, ...(time && { time }), name: session };
  if (event.name === deletedEventName) {
    return create(StatusStreamResponseSchema, { ...about, kind: Kind.DELETED, status: Status.STOPPED });
  }
  if (payload.case !== "sessionStatus") return undefined;
  const { status, statusReason } = payload.value;
  return create(StatusStreamResponseSchema, {
    ...about,
    kind: Kind.CHANGE,
    status,
    statusReason,
    ...(me && { me }),
  });
}

/** The state of one session, or of all (""), then every change of it. That of one session ends when it is deleted. */
export async function* statusStream(
  manager: Pick<SessionManager, "snapshot" | "snapshotAll" | "events">,
  session: string,
  nowMs: () => number,
  signal: AbortSignal,
): AsyncIterable<StatusStreamResponse> {
  const { records, seq } = session === "" ? await manager.snapshotAll() : await snapshotOf(manager, session);
  const takenMs = nowMs();
  for (const record of records) yield snapshotItem(record, seq, takenMs);
  for await (const event of manager.events(session || undefined, seq, signal)) {
    const item = changeItem(event);
    if (item) yield item;
    if (session !== "" && item?.kind === Kind.DELETED) return;
  }
  throw endOf(signal);
}

async function snapshotOf(manager: Pick<SessionManager, "snapshot">, session: string) {
  const { record, seq } = await manager.snapshot(session);
  if (!record) throw sessionNotFound(session);
  return { records: [record], seq };
}
