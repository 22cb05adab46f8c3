import { fromBinary } from "@bufbuild/protobuf";
import { type Event, EventSchema } from "../../../gen/sessiond/v1/event_pb.js";
import type { LoggedEvents } from "../../ports/cluster.ts";
import { EventWindow } from "../embedded/event-window.ts";
import { type LogPage, pageSize } from "../embedded/followers.ts";
import type { Trimmed } from "../embedded/trimmed.ts";
import type { OpenStore } from "./store/opening.ts";
import type { Reads } from "./store/reads.ts";
import { fromStoredText, toStoredText } from "./store/text.ts";
import type { Values } from "./store/values.ts";

/** An event's row. */
export interface EventRow {
  readonly seq: bigint;
  readonly session: string;
  readonly id: string;
  readonly value: Uint8Array;
}

/** A row of a page, without an event if its seq is null. */
interface LoggedRow {
  readonly seq: bigint | null;
  readonly session: string;
  readonly id: string;
  readonly value: Uint8Array;
}

/** A row of a page with a fact from the same moment, which comes also without events. */
interface PageRow extends LoggedRow, Record<string, unknown> {
  readonly fact: bigint | null;
}

/** An event whose stored bytes are no event. */
interface BrokenEvent {
  readonly seq: bigint;
  readonly error: unknown;
}

/** A stretch of the whole log. */
export interface TailPage extends LogPage {
  /** Events that are left out. The others go on without them. */
  readonly broken: readonly BrokenEvent[];
  /** Sessions that were removed meanwhile, with their events through this `seq`. */
  readonly removed: readonly { readonly session: string; readonly throughSeq: bigint }[];
}

/** No event has a greater `seq`. */
const endless = 2n ** 63n - 1n;

/** The end of the log in SQL. */
export const headOfLog = "(SELECT greatest(floor, (SELECT max(seq) FROM sessiond.event)) FROM sessiond.log_head)";

/** Number of events read at a time of those that other nodes have logged. */
const tailSize = 512;

/** Number of the newest events in memory, for readers that keep up. */
const windowSize = 1024;

/** Reads the stored log. */
export class StoredEvents {
  readonly #reads: Reads;
  readonly #values: Values;
  readonly #trimmed: Trimmed;
  readonly #window: EventWindow;

  /** `lastSeq`: the log's end. */
  constructor({ reads, values, trimmed }: Pick<OpenStore, "reads" | "values" | "trimmed">, lastSeq: bigint) {
    this.#reads = reads;
    this.#trimmed = trimmed;
    this.#values = values;
    this.#window = new EventWindow(lastSeq, windowSize);
  }

  /** Events are written. */
  added(events: readonly Event[]): void {
    this.#window.add(events);
  }

  /** A session's events are removed. */
  removed(session: string): void {
    this.#window.drop(session);
  }

  /** A session was removed by another node, with its events through `seq`. */
  removedThrough(session: string, seq: bigint): void {
    this.#window.dropThrough(session, seq);
    this.#trimmed.forget(session);
  }

  /** The next page after `afterSeq` and no further than `throughSeq`, the log's end as readers see it. */
  async page(session: string | undefined, afterSeq: bigint, throughSeq: bigint): Promise<LogPage> {
    if (this.#window.covers(afterSeq)) return this.#window.page(session, afterSeq);
    const topic = session === undefined ? [] : [toStoredText(session)];
    const rows = await this.#reads.query<PageRow>(
      `SELECT (SELECT seq FROM sessiond.trimmed WHERE session = $4) AS fact, e.*
      FROM (VALUES (1)) AS one LEFT JOIN (
        SELECT seq, session, id, value FROM sessiond.event
        WHERE ${session === undefined ? "" : "session = $4 AND"} seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3
      ) AS e ON true ORDER BY e.seq`,
      [afterSeq, throughSeq, pageSize, topic[0] ?? ""],
    );
    // Read with the page, as another node may have trimmed what it lacks.
    const trimmedSeq = rows[0]?.fact;
    if (trimmedSeq) this.#trimmed.mark(session, trimmedSeq);
    return pageOf(this.#eventsOf(rows), throughSeq, pageSize);
  }

  /**
   * What is new in the whole log after `afterSeq`, up to `throughSeq` or the log's end, or the first part of it; with the sessions that
   * were removed when the log ended at `removedSince` or later.
   */
  async tail(afterSeq: bigint, removedSince: bigint, throughSeq: bigint = endless): Promise<TailPage> {
    const rows = await this.#reads.query<PageRow & { removed: string }>(
      `SELECT ${headOfLog} AS fact, (
        SELECT coalesce(json_agg(json_build_array(session, removed_seq::text)), '[]')::text
        FROM sessiond.lease WHERE removed_seq >= $4
      ) AS removed, e.*
      FROM (VALUES (1)) AS one LEFT JOIN (
        SELECT seq, session, id, value FROM sessiond.event WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3
      ) AS e ON true ORDER BY e.seq`,
      [afterSeq, throughSeq, tailSize, removedSince],
    );
    const [first] = rows;
    const headSeq = first?.fact ?? afterSeq;
    const removed: [string, string][] = JSON.parse(first?.removed ?? "[]");
    const isDrained = rows.length < tailSize;
    return {
      ...this.#readableOf(rows),
      throughSeq: isDrained ? (throughSeq < headSeq ? throughSeq : headSeq) : (rows.at(-1)?.seq ?? headSeq),
      drained: isDrained,
      removed: removed.map(([session, seq]) => ({ session: fromStoredText(session), throughSeq: BigInt(seq) })),
    };
  }

  /** The page of events that another node has told. */
  toldPage({ afterSeq, seq: throughSeq, events }: LoggedEvents): TailPage {
    const rows = events.map(({ session, id, value }, index) => ({
      seq: afterSeq + BigInt(index + 1),
      session: toStoredText(session),
      id: toStoredText(id),
      value,
    }));
    return { ...this.#readableOf(rows), throughSeq, drained: true, removed: [] };
  }

  /** Returns the `seq` from which on the log of a session, or of all, is complete, as stored. */
  async oldestSeq(session: string | undefined): Promise<bigint> {
    const [row] = await this.#reads.query<{ seq: bigint }>("SELECT seq FROM sessiond.trimmed WHERE session = $1", [
      session === undefined ? "" : toStoredText(session),
    ]);
    if (row) this.#trimmed.mark(session, row.seq);
    return (row?.seq ?? 0n) + 1n;
  }

  /** See EventLog.latest. */
  latest(session: string, beforeSeq: bigint, limit: number): Promise<Event[]> {
    return this.#read("session = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3", [
      toStoredText(session),
      beforeSeq,
      limit,
    ]);
  }

  /** Returns a session's event; undefined if it was trimmed. */
  async at(session: string, seq: bigint): Promise<Event | undefined> {
    const [event] = await this.#read("session = $1 AND seq = $2", [toStoredText(session), seq]);
    return event;
  }

  /** Returns the events of rows, and those that cannot be read. */
  #readableOf(rows: readonly LoggedRow[]): Pick<TailPage, "events" | "broken"> {
    const broken: BrokenEvent[] = [];
    const events = this.#eventsOf(rows, (seq, error) => broken.push({ seq, error }));
    return { events, broken };
  }

  /** Returns the events of rows. `broken` takes those that cannot be read; left out: it throws. */
  #eventsOf(rows: readonly LoggedRow[], broken?: (seq: bigint, error: unknown) => void): Event[] {
    return rows.flatMap(({ seq, session, id, value }) => {
      if (seq === null) return [];
      try {
        return eventOf({ seq, session, id, value }, this.#values);
      } catch (error) {
        if (!broken) throw error;
        broken(seq, error);
        return [];
      }
    });
  }

  async #read(condition: string, parameters: readonly (string | number | bigint)[]): Promise<Event[]> {
    const rows = await this.#reads.query<EventRow>(
      `SELECT seq, session, id, value FROM sessiond.event WHERE ${condition}`,
      parameters,
    );
    return rows.map((row) => eventOf(row, this.#values));
  }
}

function pageOf(events: readonly Event[], throughSeq: bigint, limit: number): LogPage {
  const drained = events.length < limit;
  return { events, throughSeq: drained ? throughSeq : (events.at(-1)?.seq ?? throughSeq), drained };
}

/** Returns the event of a row. Its seq is not among the sealed bytes, as the database assigns it. */
export function eventOf({ seq, session, id, value }: EventRow, values: Values): Event {
  const event = fromBinary(EventSchema, values.open(value, "event", fromStoredText(session), fromStoredText(id)));
  event.seq = seq;
  return event;
}
