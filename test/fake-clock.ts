import type { Clock } from "../src/ports/system.ts";

/** 2026-01-01T00:00:00Z: where a fake clock begins unless told otherwise. */
export const epochMs = 1_767_225_600_000;

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #nowMs: number;
  readonly #timers = new Set<{ atMs: number; callback: () => void }>();

  constructor(nowMs = epochMs) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(delayMs, 0), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** When the next timer is due (Unix ms), if one waits. */
  get nextAtMs(): number | undefined {
    return this.#next()?.atMs;
  }

  /** Moves time on and calls what falls due on the way, each at its own time, in the order it was due. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (let timer = this.#next(); timer && timer.atMs <= endMs; timer = this.#next()) {
      this.#timers.delete(timer);
      this.#nowMs = timer.atMs;
      timer.callback();
    }
    this.#nowMs = endMs;
  }

  #next() {
    let next: { atMs: number; callback: () => void } | undefined;
    for (const timer of this.#timers) if (!next || timer.atMs < next.atMs) next = timer;
    return next;
  }
}
