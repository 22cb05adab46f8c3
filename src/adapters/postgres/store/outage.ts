import type { Logger } from "../../../ports/system.ts";
import { reasonOf } from "./start-errors.ts";

const firstPauseMs = 50;
const maxPauseMs = 1_000;
/** An outage of at most this length is waited for; a longer one is reported. Orderly fail-overs are shorter. */
const defaultPatienceMs = 6_000;
/** Calls that begin in a long outage have this time to be answered from memory. */
const graceMs = 500;

/** The time during which PostgreSQL does not answer, as all connections find it. */
export class Outage {
  readonly patienceMs: number;
  readonly #logger: Logger | undefined;
  /** Functions that end the pauses between tries. */
  readonly #pauses = new Set<() => void>();
  readonly #callbacks = new Set<() => void>();
  /** Statements that have gone unanswered for longer than the patience. */
  readonly #stalled = new Set<object>();
  #sinceMs: number | undefined;
  #isReported = false;
  #isClosed = false;
  #wokenMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(logger: Logger | undefined, patienceMs = defaultPatienceMs) {
    this.#logger = logger;
    this.patienceMs = patienceMs;
  }

  /** Returns true if it lasts longer than callers should wait. */
  get isLong(): boolean {
    if (this.#stalled.size > 0) return true;
    return this.#sinceMs !== undefined && performance.now() - this.#sinceMs > this.patienceMs;
  }

  /** Called after a statement that was carried out. */
  ended(): void {
    if (this.#sinceMs === undefined) return;
    const forMs = Math.round(performance.now() - this.#sinceMs);
    this.#sinceMs = undefined;
    clearTimeout(this.#timer);
    if (this.#isReported) this.#logger?.info({ forMs }, "PostgreSQL answers again");
    this.#isReported = false;
    this.wake();
  }

  /** Ends the pauses between tries, as PostgreSQL may answer again. */
  wake(): void {
    this.#wokenMs = performance.now();
    for (const end of this.#pauses) end();
  }

  /** Waits before the next try: not at all after the first failure, then longer each time. Rejects with the cause once the store is closed. */
  async pause(failures: number, cause: unknown): Promise<void> {
    if (this.#isClosed) throw cause;
    if (this.#sinceMs === undefined) {
      this.#sinceMs = performance.now();
      this.#timer = setTimeout(() => this.#tell(), this.patienceMs + 1);
    }
    // One lost connection is no outage yet.
    if (failures === 0) return;
    if (!this.#isReported)
      this.#logger?.error({ reason: reasonOf(cause) }, "PostgreSQL does not answer; trying until it does");
    this.#isReported = true;
    // A connection may take more than one try to be made again.
    const isEnding = performance.now() - this.#wokenMs < maxPauseMs;
    const pauseMs = isEnding ? firstPauseMs : Math.min(firstPauseMs * 2 ** (failures - 1), maxPauseMs);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, pauseMs);
    this.#pauses.add(resolve);
    await promise;
    clearTimeout(timer);
    this.#pauses.delete(resolve);
    if (this.#isClosed) throw cause;
  }

  /**
   * Watches a statement: if it goes unanswered for longer than the patience, the outage is long, and `stalled` is called. Returns the
   * function to call at its end.
   */
  watch(stalled?: () => void): () => void {
    const token = {};
    const timer = setTimeout(() => {
      this.#stalled.add(token);
      stalled?.();
      this.#tell();
    }, this.patienceMs);
    return () => {
      clearTimeout(timer);
      this.#stalled.delete(token);
    };
  }

  /** Calls back once it is long: soon, if it is so already. Returns the function that cancels this. */
  onLong(callback: () => void): () => void {
    const timer = this.isLong ? setTimeout(callback, graceMs) : undefined;
    this.#callbacks.add(callback);
    return () => {
      clearTimeout(timer);
      this.#callbacks.delete(callback);
    };
  }

  /** Ends all waits. Idempotent. */
  close(): void {
    clearTimeout(this.#timer);
    this.#isClosed = true;
    this.wake();
  }

  #tell(): void {
    for (const callback of this.#callbacks) callback();
  }
}
