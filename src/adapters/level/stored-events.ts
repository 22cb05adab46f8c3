import { fromBinary } from "@bufbuild/protobuf";
import { type Event, EventSchema } from "../../../gen/sessiond/v1/event_pb.js";
import { EventWindow } from "../embedded/event-window.ts";
import { type LogPage, pageSize } from "../embedded/followers.ts";
import type { Database, Operation } from "./store/database.ts";
import { keyOf, partsOf, rangeOf } from "./store/key.ts";

const noBytes = new Uint8Array();

/** Number of the newest events in memory, for readers that keep up. */
const windowSize = 1024;

/** Reads and writes the stored log: all events by seq, and each session's seqs. */
export class StoredEvents {
  readonly #database: Database;
  readonly #window: EventWindow;

  /** `lastSeq`: the log's end. */
  constructor(database: Database, lastSeq: bigint) {
    this.#database = database;
    this.#window = new EventWindow(lastSeq, windowSize);
  }

  /** Returns the operations that add an event, given its bytes. */
  additions({ session, seq }: Event, value: Uint8Array): Operation[] {
    return [
      { type: "put", key: keyOf("event", seq), value },
      { type: "put", key: keyOf("sessionEvent", session, seq), value: noBytes },
    ];
  }

  /** Returns the operations that remove a session's events. */
  async removals(session: string): Promise<Operation[]> {
    const operations: Operation[] = [];
    for await (const key of this.#database.keys(rangeOf("sessionEvent", session))) {
      for (const seq of partsOf(key, 1).numbers) operations.push({ type: "del", key: keyOf("event", seq) });
      operations.push({ type: "del", key });
    }
    return operations;
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
    const seqs = session === undefined ? undefined : await this.#seqs(session, afterSeq, throughSeq);
    const values = seqs ? await this.#valuesAt(seqs) : await this.#values(afterSeq, throughSeq);
    const events = values.map((value) => fromBinary(EventSchema, value));
    const last = seqs ? seqs.at(-1) : events.at(-1)?.seq;
    const drained = (seqs ?? events).length < pageSize;
    return { events, throughSeq: drained || last === undefined ? throughSeq : last, drained };
  }

  /** See EventLog.latest. */
  async latest(session: string, beforeSeq: bigint, limit: number): Promise<Event[]> {
    const { gte } = rangeOf("sessionEvent", session);
    const range = { gte, lt: keyOf("sessionEvent", session, beforeSeq), reverse: true, limit };
    const keys = await this.#database.keys(range).all();
    const values = await this.#valuesAt(keys.flatMap((key) => partsOf(key, 1).numbers));
    return values.map((value) => fromBinary(EventSchema, value));
  }

  #values(afterSeq: bigint, throughSeq: bigint): Promise<Uint8Array[]> {
    const range = { gt: keyOf("event", afterSeq), lte: keyOf("event", throughSeq) };
    return this.#database.values({ ...range, limit: pageSize }).all();
  }

  async #seqs(session: string, afterSeq: bigint, throughSeq: bigint): Promise<bigint[]> {
    const range = { gt: keyOf("sessionEvent", session, afterSeq), lte: keyOf("sessionEvent", session, throughSeq) };
    const keys = await this.#database.keys({ ...range, limit: pageSize }).all();
    return keys.flatMap((key) => partsOf(key, 1).numbers);
  }

  /** Events removed meanwhile are left out. */
  async #valuesAt(seqs: readonly bigint[]): Promise<Uint8Array[]> {
    const values: (Uint8Array | undefined)[] = await this.#database.getMany(seqs.map((seq) => keyOf("event", seq)));
    return values.filter((value) => value !== undefined);
  }
}
