import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Delivery } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { EndpointName } from "./endpoints.ts";

/** Reads one endpoint's deliveries from the store. Deliveries in flight are still stored. */
export interface DeliveryReader {
  /** Never attempted yet, with a `seq` after that, in order of `seq`. */
  firstAttempts(endpoint: EndpointName, afterSeq: bigint, limit: number): Promise<Delivery[]>;
  /** To be retried, due at `fromMs` (monotonic) or later, soonest first. */
  retries(endpoint: EndpointName, fromMs: number, limit: number): Promise<Delivery[]>;
}

/** How many deliveries of one endpoint are under way at once. */
const maxInFlight = 8;
/** How many first attempts one endpoint holds in memory, and how many retries. */
const firstsPageSize = 16;
const pageSize = 4;

/** A delivery's event's place in the log, which names it within its queue. */
export const seqOf = (delivery: Delivery): bigint => delivery.event?.seq ?? 0n;

/** When a retry is due, on the monotonic clock. */
export const dueMsOf = (delivery: Delivery): number => (delivery.dueAt ? timestampMs(delivery.dueAt) : 0);

/** It has been attempted before. */
export const isRetry = (delivery: Delivery): boolean => delivery.dueAt !== undefined;

/**
 * Pending deliveries of one endpoint, of which it holds a few in memory. First attempts go one at a time, in order of `seq`;
 * retries when they are due, beside them.
 */
export class DeliveryQueue {
  readonly name: EndpointName;
  readonly #firsts: Delivery[] = [];
  /** Deliveries stored up to here are in memory, or were. */
  #heldSeq = 0n;
  #moreStored: boolean;
  #firstInFlight: Delivery | undefined;
  readonly #due: Delivery[] = [];
  readonly #retrying = new Set<bigint>();
  /** All retries stored that are due before are held or in flight. */
  #retriesFromMs: number;
  #loading = false;
  #retryTookTurn = false;
  /** Nothing is taken before (monotonic), and then one at a time while it is set. */
  sparedUntilMs: number | undefined;
  /** Numbers of its deliveries, as far as they were counted. */
  readonly count = { pending: 0, retrying: 0 };

  /** `stored`: the deliveries that the store has from before. */
  constructor(name: EndpointName, stored: { firsts: boolean; retriesFromMs: number }) {
    this.name = name;
    this.#moreStored = stored.firsts;
    this.#retriesFromMs = stored.retriesFromMs;
  }

  /** A first attempt is stored, the newest of all. */
  add(delivery: Delivery): void {
    const seq = seqOf(delivery);
    if (seq <= this.#heldSeq) return;
    if (this.#moreStored || this.#loading || this.#firsts.length >= firstsPageSize) {
      this.#moreStored = true;
      return;
    }
    this.#firsts.push(delivery);
    this.#heldSeq = seq;
  }

  /** A retry is stored that it has not seen, due at `dueMs`. */
  addRetry(dueMs: number): void {
    this.#retriesFromMs = Math.min(this.#retriesFromMs, dueMs);
  }

  /** Takes one that may go out now. */
  take(nowMs: number): Delivery | undefined {
    if (this.#isPaused(nowMs) || this.#inFlight >= this.#maxInFlight) return undefined;
    const first = this.#firstInFlight === undefined ? this.#firsts[0] : undefined;
    const retry = this.#due[0];
    // Alternately, so that neither kind holds up the other.
    if (retry && !(first && this.#retryTookTurn)) {
      this.#due.shift();
      this.#retrying.add(seqOf(retry));
      this.#retryTookTurn = true;
      return retry;
    }
    if (!first) return undefined;
    this.#firsts.shift();
    this.#firstInFlight = first;
    this.#retryTookTurn = false;
    return first;
  }

  /** Ends the flight of a delivery that is settled in the store. It is due again at `retryAtMs`, if ever. */
  settled(delivery: Delivery, retryAtMs = Number.POSITIVE_INFINITY): void {
    if (isRetry(delivery)) this.#retrying.delete(seqOf(delivery));
    else this.#firstInFlight = undefined;
    this.#retriesFromMs = Math.min(this.#retriesFromMs, retryAtMs);
  }

  /** Returns true if `take()` or `load()` has something to do. */
  isReady(nowMs: number): boolean {
    if (this.#isPaused(nowMs)) return false;
    const takes =
      this.#inFlight < this.#maxInFlight &&
      (this.#due.length > 0 || (this.#firsts.length > 0 && this.#firstInFlight === undefined));
    return takes || (!this.#loading && (this.#lacksFirsts() || this.#lacksRetries(nowMs)));
  }

  /** When there will be something to do that is not there yet, on the monotonic clock: a retry falls due, a pause ends. */
  wakeAtMs(nowMs: number): number | undefined {
    if (this.#isPaused(nowMs)) return this.sparedUntilMs;
    return this.#loading || this.#retriesFromMs === Number.POSITIVE_INFINITY ? undefined : this.#retriesFromMs;
  }

  /** When the event of the oldest first attempt happened (Unix ms), as far as it is in memory. */
  get oldestMs(): number | undefined {
    const time = (this.#firstInFlight ?? this.#firsts[0])?.event?.time;
    return time && timestampMs(time);
  }

  /** Returns true if the store has none of its deliveries. */
  get isEmpty(): boolean {
    return (
      !this.#loading &&
      !this.#moreStored &&
      this.#inFlight === 0 &&
      this.#firsts.length === 0 &&
      this.#due.length === 0 &&
      this.#retriesFromMs === Number.POSITIVE_INFINITY
    );
  }

  /** Reads the deliveries that are needed next. Can be called again after a rejection. */
  async load(reader: DeliveryReader, nowMs: number): Promise<void> {
    if (this.#loading) return;
    this.#loading = true;
    try {
      if (this.#lacksFirsts()) await this.#loadFirsts(reader);
      if (this.#lacksRetries(nowMs)) await this.#loadRetries(reader, nowMs);
    } finally {
      this.#loading = false;
    }
  }

  get #inFlight(): number {
    return this.#retrying.size + (this.#firstInFlight === undefined ? 0 : 1);
  }

  get #maxInFlight(): number {
    return this.sparedUntilMs === undefined ? maxInFlight : 1;
  }

  #isPaused(nowMs: number): boolean {
    return this.sparedUntilMs !== undefined && nowMs < this.sparedUntilMs;
  }

  #seqsInFlight(): Set<bigint> {
    return new Set(this.#firstInFlight ? [...this.#retrying, seqOf(this.#firstInFlight)] : this.#retrying);
  }

  #lacksFirsts(): boolean {
    return this.#moreStored && this.#firsts.length === 0 && this.#firstInFlight === undefined;
  }

  #lacksRetries(nowMs: number): boolean {
    return this.#due.length === 0 && this.#inFlight < this.#maxInFlight && this.#retriesFromMs <= nowMs;
  }

  async #loadFirsts(reader: DeliveryReader): Promise<void> {
    // Deliveries added while the store is read may be missing in its answer.
    this.#moreStored = false;
    try {
      const page = await reader.firstAttempts(this.name, this.#heldSeq, firstsPageSize);
      for (const delivery of page) this.#firsts.push(delivery);
      const last = page.at(-1);
      if (last) this.#heldSeq = seqOf(last);
      if (page.length === firstsPageSize) this.#moreStored = true;
    } catch (error) {
      this.#moreStored = true;
      throw error;
    }
  }

  async #loadRetries(reader: DeliveryReader, nowMs: number): Promise<void> {
    const fromMs = this.#retriesFromMs;
    const known = this.#seqsInFlight();
    const limit = known.size + pageSize + 1;
    // A settlement while the store is read lowers it again.
    this.#retriesFromMs = Number.POSITIVE_INFINITY;
    try {
      const stored = await reader.retries(this.name, fromMs, limit);
      // A delivery that is or was in flight is looked for again when it is settled.
      for (const seq of this.#seqsInFlight()) known.add(seq);
      const fresh = stored.filter((delivery) => !known.has(seqOf(delivery)));
      const due = fresh.filter((delivery) => dueMsOf(delivery) <= nowMs).slice(0, pageSize);
      for (const delivery of due) this.#due.push(delivery);
      const next = fresh[due.length];
      if (next) this.#retriesFromMs = Math.min(this.#retriesFromMs, dueMsOf(next));
    } catch (error) {
      this.#retriesFromMs = fromMs;
      throw error;
    }
  }
}
