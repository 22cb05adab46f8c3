import type { Clock } from "../ports/system.ts";

/** Lead of the wall clock that counts as drift, or as start-up time. */
const toleranceMs = 60_000;
/** Time for which the wall clock must stay ahead before this clock follows. */
const patienceMs = 3_600_000;

/**
 * Clock for the age of retained entries. It follows the wall clock, but follows a leap forward only after an hour:
 * expired entries are deleted for good, and a wrong clock is often corrected within minutes.
 */
export class AgeClock {
  readonly #clock: Pick<Clock, "nowMs" | "wallMs">;
  /** Reading of this clock when the monotonic clock stood at `readMs`. */
  #ageMs: number;
  #readMs: number;
  #aheadSinceMs: number | undefined;

  /** `lastWrittenMs` is the latest known time from before the start. The time since then counts as a leap. */
  constructor(clock: Pick<Clock, "nowMs" | "wallMs">, lastWrittenMs = Number.POSITIVE_INFINITY) {
    this.#clock = clock;
    this.#ageMs = Math.min(clock.wallMs(), lastWrittenMs);
    this.#readMs = clock.nowMs();
  }

  /** Returns Unix time, ms. Needs frequent calls, because all changes between two readings count as one leap. */
  nowMs(): number {
    const nowMs = this.#clock.nowMs();
    const wallMs = this.#clock.wallMs();
    this.#ageMs += nowMs - this.#readMs;
    this.#readMs = nowMs;
    const isAhead = wallMs - this.#ageMs > toleranceMs;
    this.#aheadSinceMs = isAhead ? (this.#aheadSinceMs ?? nowMs) : undefined;
    if (this.#aheadSinceMs === undefined || nowMs - this.#aheadSinceMs >= patienceMs) {
      this.#ageMs = wallMs;
      this.#aheadSinceMs = undefined;
    }
    return this.#ageMs;
  }
}
