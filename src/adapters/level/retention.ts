import { fromBinary } from "@bufbuild/protobuf";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { DeliverySchema, OutgoingMessageSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import { EventSchema } from "../../../gen/sessiond/v1/event_pb.js";
import { isUnsent } from "../../domain/outgoing.ts";
import type { Limits, Retention } from "../../ports/upkeep.ts";
import type { Trimmed } from "../embedded/trimmed.ts";
import { outgoingRemoval } from "./outgoing-entries.ts";
import type { Database, Operation } from "./store/database.ts";
import { type Family, keyOf, numberBytes, partsOf, rangeOf } from "./store/key.ts";
import { findNames } from "./store/names-in.ts";
import type { StoreWriter } from "./store/store-writer.ts";

/** Families with keys of session and seq, or place, that are trimmed. */
type TrimmedFamily = Extract<Family, "sessionEvent" | "delivered" | "failed" | "outgoing">;

/** Number of entries per write; small, so that other writes do not wait long. */
const batchSize = 128;

/** Trims events, settled deliveries and sent messages. */
export class LevelRetention {
  readonly #database: Database;
  readonly #writer: StoreWriter;
  readonly #trimmed: Trimmed;
  /** How many entries a session has at most: counted when it is first met, and from then on as they are added. */
  readonly #counts: Readonly<Record<TrimmedFamily, Map<string, number>>> = {
    sessionEvent: new Map(),
    delivered: new Map(),
    failed: new Map(),
    outgoing: new Map(),
  };

  constructor(database: Database, writer: StoreWriter, trimmed: Trimmed) {
    this.#database = database;
    this.#writer = writer;
    this.#trimmed = trimmed;
  }

  /** Entries were added. */
  added(family: TrimmedFamily, session: string, count: number): void {
    const counts = this.#counts[family];
    const before = counts.get(session);
    if (before !== undefined) counts.set(session, before + count);
  }

  /** A session is gone, with its entries. */
  forget(session: string): void {
    for (const counts of Object.values(this.#counts)) counts.delete(session);
    this.#trimmed.forget(session);
  }

  /** Returns the operations that remove a session's settled deliveries and the mark of its trimmed log. */
  async removals(session: string): Promise<Operation[]> {
    const operations: Operation[] = [{ type: "del", key: keyOf("trimmed", session) }];
    for (const family of ["delivered", "failed"] as const) {
      for await (const key of this.#database.keys(rangeOf(family, session))) operations.push({ type: "del", key });
    }
    return operations;
  }

  /** See Upkeep.trim. */
  async trim({ events, delivered, failed, sent }: Retention, nowMs: number, signal: AbortSignal): Promise<number> {
    let removed = 0;
    for (const [family, limits] of [
      ["sessionEvent", events],
      ["delivered", delivered],
      ["failed", failed],
      ["outgoing", sent],
    ] as const) {
      if (!limits) continue;
      for await (const { name } of findNames(this.#database, family, 1)) {
        const [session = ""] = name;
        if (signal.aborted) return removed;
        removed += await this.#trimSession(family, session, limits, nowMs, signal);
      }
    }
    return removed;
  }

  async #trimSession(family: TrimmedFamily, session: string, limits: Limits, nowMs: number, signal: AbortSignal) {
    const counts = this.#counts[family];
    let removed = 0;
    if ((counts.get(session) ?? Number.POSITIVE_INFINITY) > limits.maxCount) {
      const { through, count } = await this.#excess(family, session, limits.maxCount);
      counts.set(session, count);
      if (through) removed += await this.#removeThrough(family, session, through, signal);
    }
    return removed + (await this.#removeOutdated(family, session, limits.maxAgeMs, nowMs, signal));
  }

  /** The newest entry that is one too many, and how many there are when it is gone. */
  async #excess(family: TrimmedFamily, session: string, maxCount: number) {
    let count = 0;
    for await (const key of this.#database.keys({ ...rangeOf(family, session), reverse: true })) {
      if (count === maxCount) return { through: key, count };
      count += 1;
    }
    return { through: undefined, count };
  }

  async #removeThrough(family: TrimmedFamily, session: string, lte: Uint8Array, signal: AbortSignal): Promise<number> {
    let range: { gte: Uint8Array } | { gt: Uint8Array } = { gte: rangeOf(family, session).gte };
    let removed = 0;
    while (!signal.aborted) {
      const keys = await this.#database.keys({ ...range, lte, limit: batchSize }).all();
      removed += await this.#remove(family, session, keys);
      const last = keys.at(-1);
      if (!last || keys.length < batchSize) break;
      // Unsent messages stay.
      range = { gt: last };
    }
    return removed;
  }

  async #removeOutdated(
    family: TrimmedFamily,
    session: string,
    maxAgeMs: number,
    nowMs: number,
    signal: AbortSignal,
  ): Promise<number> {
    let removed = 0;
    while (!signal.aborted) {
      const going = await this.#outdated(family, session, nowMs - maxAgeMs, nowMs);
      if (going.length === 0) break;
      const count = await this.#remove(family, session, going);
      this.added(family, session, -count);
      removed += count;
    }
    return removed;
  }

  /**
   * The oldest entries, up to the last of those in a row that are from before `thanMs`. One from a future that the clock was set
   * back from is as old as the entries around it.
   */
  async #outdated(family: TrimmedFamily, session: string, thanMs: number, nowMs: number): Promise<Uint8Array[]> {
    const found: Uint8Array[] = [];
    let outdated = 0;
    for await (const key of this.#database.keys(rangeOf(family, session))) {
      const timeMs = await this.#timeMs(family, key);
      if (timeMs === undefined) continue;
      if (timeMs >= thanMs && timeMs <= nowMs) break;
      found.push(key);
      if (timeMs < thanMs) outdated = found.length;
      if (outdated >= batchSize) break;
    }
    return found.slice(0, outdated);
  }

  /** Returns the time of an entry (Unix ms); 0 if it is not known, undefined for an entry that stays whatever its age. */
  async #timeMs(family: TrimmedFamily, key: Uint8Array): Promise<number | undefined> {
    const value = await this.#database.get(family === "sessionEvent" ? keyOf("event", seqIn(key)) : key);
    if (!value) return family === "sessionEvent" ? 0 : Number.POSITIVE_INFINITY;
    const time = timeIn(family, value);
    return time === "unsent" ? undefined : time ? timestampMs(time) : 0;
  }

  /** Removes entries in one write. Returns their number, which unsent messages are not counted in. */
  async #remove(family: TrimmedFamily, session: string, keys: readonly Uint8Array[]): Promise<number> {
    const last = keys.at(-1);
    if (!last) return 0;
    if (family === "outgoing") return this.#removeOutgoing(session, keys);
    await this.#writer.write({
      // Entries that a power failure brings back are trimmed again.
      sync: false,
      build: (operations) => {
        for (const key of keys) operations.push({ type: "del", key });
        if (family === "sessionEvent") this.#trimLog(session, keys, seqIn(last), operations);
      },
    });
    return keys.length;
  }

  async #removeOutgoing(session: string, keys: readonly Uint8Array[]): Promise<number> {
    const values = await this.#database.getMany(keys);
    const messages = values.flatMap((value) => (value ? [fromBinary(OutgoingMessageSchema, value)] : []));
    const finished = messages.filter(({ state }) => !isUnsent(state));
    if (finished.length === 0) return 0;
    await this.#writer.write({
      sync: false,
      build: (operations) => {
        for (const message of finished) operations.push(...outgoingRemoval(session, message));
      },
    });
    return finished.length;
  }

  #trimLog(session: string, keys: readonly Uint8Array[], throughSeq: bigint, operations: Operation[]): void {
    // Before the write, so that a reader cannot take trimmed events for events that never were.
    this.#trimmed.mark(session, throughSeq);
    for (const key of keys) operations.push({ type: "del", key: keyOf("event", seqIn(key)) });
    for (const name of [session, ""]) {
      const value = numberBytes(this.#trimmed.oldestSeq(name || undefined) - 1n);
      operations.push({ type: "put", key: keyOf("trimmed", name), value });
    }
  }
}

function timeIn(family: TrimmedFamily, value: Uint8Array): Timestamp | "unsent" | undefined {
  if (family === "sessionEvent") return fromBinary(EventSchema, value).time;
  if (family !== "outgoing") return fromBinary(DeliverySchema, value).settledAt;
  const { state, acceptedAt } = fromBinary(OutgoingMessageSchema, value);
  return isUnsent(state) ? "unsent" : acceptedAt;
}

/** The seq in a key of session and seq. */
const seqIn = (key: Uint8Array): bigint => partsOf(key, 1).numbers[0] ?? 0n;
