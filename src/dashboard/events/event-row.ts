import { toJson, toJsonString } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Event, EventSchema } from "../../../gen/sessiond/v1/event_pb.js";
import { healthWords, reasonWords, statusWords } from "../words.ts";

/** A row of the tail: an event, or a place where events are missing. */
export type TailRow = EventRow | GapRow;

export interface EventRow {
  readonly kind: "event";
  readonly key: string;
  readonly event: Event;
  readonly timeMs: number;
  /** The content in a few words. */
  readonly summary: string;
}

export interface GapRow {
  readonly kind: "gap";
  readonly key: string;
  readonly summary: string;
}

export function rowOfEvent(event: Event): EventRow {
  const { seq, time } = event;
  return {
    kind: "event",
    key: String(seq),
    event,
    timeMs: time ? timestampMs(time) : 0,
    summary: summaryOf(event),
  };
}

const longestSummary = 300;

/** Returns the content of an event in a few words, for one line. */
function summaryOf({ name, payload }: Event): string {
  switch (payload.case) {
    case "sessionStatus": {
      const { status, statusReason, changed } = payload.value;
      if (name === "session.updated") return `Changed: ${changed.join(", ")}`;
      return [statusWords[status]?.label, reasonWords[statusReason]].filter(Boolean).join(": ");
    }
    case "message": {
      const { fromMe, from, to, body, hasMedia } = payload.value;
      const text = `${fromMe ? "To" : "From"} ${fromMe ? to : from}: ${hasMedia ? "[media] " : ""}${body}`;
      return text.slice(0, longestSummary).replaceAll(/\s+/g, " ");
    }
    case "sessionHealth":
      return healthWords[payload.value.health] ?? "";
    case "webhookDisabled":
      return `${payload.value.url}: ${payload.value.reason}`;
    default:
      return "";
  }
}

/** Returns whether all words of a text occur in the row, ignoring case. Gaps are always shown. */
export function hasWords(row: TailRow, words: readonly string[]): boolean {
  if (row.kind === "gap" || words.length === 0) return true;
  const text = `${row.event.name}\n${row.event.session}\n${row.event.id}\n${row.summary}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

/** Returns an event as JSON for reading. */
export const formatEvent = (event: Event): string => JSON.stringify(toJson(EventSchema, event), null, 2);

/** Returns events as JSON Lines, oldest first. `rows` is sorted newest first. */
export function jsonLinesOf(rows: readonly TailRow[]): string {
  const events = rows.flatMap((row) => (row.kind === "event" ? [row.event] : []));
  return events
    .reverse()
    .map((event) => `${toJsonString(EventSchema, event)}\n`)
    .join("");
}
