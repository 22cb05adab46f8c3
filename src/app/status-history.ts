import type { Event } from "../../gen/sessiond/v1/event_pb.js";
import { invalidArgument, sessionNotFound } from "../domain/errors.ts";
import { statusChange } from "../domain/status-change.ts";
import type { EventLog } from "../ports/event-log.ts";
import type { Sessions } from "../ports/sessions.ts";

/** The ports that the history of a session is read from. */
export interface HistorySource {
  readonly sessions: Pick<Sessions, "get">;
  readonly log: Pick<EventLog, "latest" | "lastSeq" | "oldestSeq">;
}

/** A page of a session's statuses, newest first. */
export interface StatusHistory {
  /** The events that announced them. */
  readonly events: readonly Event[];
  /** "" if nothing follows. */
  readonly nextPageToken: string;
  /** True if older statuses were trimmed. Known on the last page only. */
  readonly isTrimmed: boolean;
}

/** Events that are read at a time, and for one page: a busy session has thousands of messages between two statuses. */
const stretch = 100;
const maxRead = 2_000;

/** Reads a session's statuses from the log, newest first. Rejects with SESSION_NOT_FOUND, or INVALID_ARGUMENT for a bad token. */
export async function statusHistory(
  { sessions, log }: HistorySource,
  session: string,
  { pageSize, pageToken }: { readonly pageSize: number; readonly pageToken: string },
): Promise<StatusHistory> {
  if (!(await sessions.get(session)).record) throw sessionNotFound(session);
  let beforeSeq = pageToken === "" ? (await log.lastSeq()) + 1n : seqOf(pageToken);
  const found: Event[] = [];
  for (let read = 0; read < maxRead; read += stretch) {
    const events = await log.latest(session, beforeSeq, stretch);
    if (events.length === 0) {
      return { events: found, nextPageToken: "", isTrimmed: (await log.oldestSeq(session)) > 1n };
    }
    for (const event of events) {
      beforeSeq = event.seq;
      if (isNewStatus(event)) found.push(event);
      if (found.length === pageSize) return { events: found, nextPageToken: String(beforeSeq), isTrimmed: false };
    }
  }
  return { events: found, nextPageToken: String(beforeSeq), isTrimmed: false };
}

const isNewStatus = ({ name, payload, time }: Event): boolean =>
  name === "session.status" && payload.case === "sessionStatus" && statusChange(payload.value, time).isNew;

function seqOf(token: string): bigint {
  if (/^\d{1,19}$/.test(token)) return BigInt(token);
  throw invalidArgument([{ field: "pageToken", description: "must be the nextPageToken of a page" }]);
}
