/** Number of actions per second on average, and at once after a pause. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** A token bucket. Times are of one monotonic clock, ms. */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #atMs: number | undefined;

  constructor(rate: Rate) {
    this.#rate = rate;
    this.#tokens = rate.burst;
  }

  /** Takes a token for an action at `nowMs`; returns the time to wait before the action, ms. A rate of 0 knows no limit. */
  take(nowMs: number): number {
    const { perSecond, burst } = this.#rate;
    if (perSecond <= 0) return 0;
    const elapsedMs = Math.max(0, nowMs - (this.#atMs ?? nowMs));
    this.#atMs = nowMs;
    this.#tokens = Math.min(burst, this.#tokens + (elapsedMs / 1_000) * perSecond) - 1;
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens / perSecond) * 1_000);
  }

  /** As `take`, but takes nothing if the action has to wait. */
  takeNow(nowMs: number): number {
    const waitMs = this.take(nowMs);
    if (waitMs > 0) this.#tokens += 1;
    return waitMs;
  }
}
