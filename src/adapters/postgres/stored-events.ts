import { fromBinary } from "@bufbuild/protobuf";
import { type Event, EventSchema } from "../../../gen/sessiond/v1/event_pb.js";
import { EventWindow } from "../embedded/event-window.ts";
import { type LogPage, pageSize } from "../embedded/followers.ts";
import type { OpenStore } from "./store/opening.ts";
import type { Reads } from "./store/reads.ts";
import { fromStoredText, toStoredText } from "./store/text.ts";
import type { Values } from "./store/values.ts";

/** An event's row. */
export interface EventRow {
  readonly seq: bigint;
  readonly session: string;
  readonly id: string;
  readonly value: Buffer;
}

/** Number of the newest events in memory, for readers that keep up. */
const windowSize = 1024;

/** Reads the stored log. */
export class StoredEvents {
  readonly #reads: Reads;
  readonly #values: Values;
  readonly #window: EventWindow;

  /** `lastSeq`: the log's end. */
  constructor({ reads, values }: Pick<OpenStore, "reads" | "values">, lastSeq: bigint) {
    this.#reads = reads;
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

  /** The next page after `afterSeq` and no further than `throughSeq`, the log's end as readers see it. */
  async page(session: string | undefined, afterSeq: bigint, throughSeq: bigint): Promise<LogPage> {
    if (this.#window.covers(afterSeq)) return this.#window.page(session, afterSeq);
    const range = [afterSeq, throughSeq, pageSize];
    const rows =
      session === undefined
        ? await this.#read("seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3", range)
        : await this.#read("session = $4 AND seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3", [
            ...range,
            toStoredText(session),
          ]);
    const drained = rows.length < pageSize;
    return { events: rows, throughSeq: drained ? throughSeq : (rows.at(-1)?.seq ?? throughSeq), drained };
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

  async #read(condition: string, parameters: readonly (string | number | bigint)[]): Promise<Event[]> {
    const rows = await this.#reads.query<EventRow>(
      `SELECT seq, session, id, value FROM sessiond.event WHERE ${condition}`,
      parameters,
    );
    return rows.map((row) => eventOf(row, this.#values));
  }
}

/** Returns the event of a row. Its seq is not among the sealed bytes, as the database assigns it. */
export function eventOf({ seq, session, id, value }: EventRow, values: Values): Event {
  const event = fromBinary(EventSchema, values.open(value, "event", fromStoredText(session), fromStoredText(id)));
  event.seq = seq;
  return event;
}
