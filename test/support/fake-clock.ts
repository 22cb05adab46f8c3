import type { Clock } from "../../src/ports/system.ts";

/** Initial time of a fake clock by default: 2026-01-01T00:00:00Z. */
export const epochMs = 1_767_225_600_000;

interface Timer {
  dueMs: number;
  readonly callback: () => void;
}

/** Clock that moves only when a test advances it. */
export class FakeClock implements Clock {
  #nowMs: number;
  #wallMs: number;
  readonly #timers = new Set<Timer>();

  constructor(nowMs = epochMs) {
    this.#nowMs = nowMs;
    this.#wallMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  wallMsAt(atMs: number): number {
    return atMs + this.#wallMs - this.#nowMs;
  }

  continueFrom(atMs: number): void {
    const aheadMs = Math.max(0, atMs - this.#nowMs);
    this.#nowMs += aheadMs;
    for (const timer of this.#timers) timer.dueMs += aheadMs;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.#nowMs + Math.max(delayMs, 0), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Number of waiting timers. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Time of the next timer on the monotonic clock, if one waits. */
  get nextAtMs(): number | undefined {
    return this.#next()?.dueMs;
  }

  /** Advances time and fires due timers in order, each at its own time. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (let timer = this.#next(); timer && timer.dueMs <= endMs; timer = this.#next()) {
      this.#timers.delete(timer);
      this.#moveTo(timer.dueMs);
      timer.callback();
    }
    this.#moveTo(endMs);
  }

  /** Moves the wall clock forward, or back by a negative number. No time passes. */
  jumpWall(ms: number): void {
    this.#wallMs += ms;
  }

  #moveTo(nowMs: number): void {
    this.#wallMs += nowMs - this.#nowMs;
    this.#nowMs = nowMs;
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) if (!next || timer.dueMs < next.dueMs) next = timer;
    return next;
  }
}
