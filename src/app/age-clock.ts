import type { Clock } from "../ports/system.ts";

/** A lead of the wall clock that is drift, or the time it took to start. */
const toleranceMs = 60_000;
/** How long the wall clock must stay ahead before it is believed. */
const patienceMs = 3_600_000;

/**
 * The time by which the age of kept entries is measured. It follows the wall clock, but a leap forward only after an hour: entries
 * that go for their age are gone for good, and a clock that was set wrong is often set right within minutes.
 */
export class AgeClock {
  readonly #clock: Pick<Clock, "nowMs" | "wallMs">;
  /** What this clock showed when the monotonic clock stood at `readMs`. */
  #ageMs: number;
  #readMs: number;
  #aheadSinceMs: number | undefined;

  /** `lastWrittenMs`: the latest time that is known from before; the time since then counts as a leap. */
  constructor(clock: Pick<Clock, "nowMs" | "wallMs">, lastWrittenMs = Number.POSITIVE_INFINITY) {
    this.#clock = clock;
    this.#ageMs = Math.min(clock.wallMs(), lastWrittenMs);
    this.#readMs = clock.nowMs();
  }

  /** Unix time in milliseconds. To be read often: what happened between two readings is one leap. */
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
