import type { Clock } from "../ports/system.ts";

/** How many engines may connect to WhatsApp, over all sessions. */
export interface ConnectLimits {
  /** So many begin to connect in a second. */
  readonly perSecond: number;
  /** So many are on their way at the same time. */
  readonly maxConnecting: number;
}

export const defaultConnectLimits: ConnectLimits = { perSecond: 20, maxConnecting: 64 };

/** One that takes longer to connect no longer keeps others waiting. */
const maxHoldMs = 5_000;

/** A session's place: it may connect now, and calls `leave` once it has; or it asks again at `atMs`, with this turn. */
export type Turn = { readonly leave: () => void } | { readonly atMs: number };

/**
 * Lets engines connect one after another, however many want to at once. Nobody queues: who is not let in is told when to come
 * again, so that a session that changes its mind in the meantime, or fails, keeps nobody waiting.
 */
export class ConnectGate {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #maxConnecting: number;
  #nextFreeMs = 0;
  #connecting = 0;

  constructor(clock: Clock, limits: ConnectLimits = defaultConnectLimits) {
    this.#clock = clock;
    this.#intervalMs = 1000 / limits.perSecond;
    this.#maxConnecting = limits.maxConnecting;
  }

  /** Lets nobody in before that time. */
  holdUntil(atMs: number): void {
    this.#nextFreeMs = Math.max(this.#nextFreeMs, atMs);
  }

  /** Lets in or says when to come again; `turn` is what the same session was told before. */
  enter(turn?: { readonly atMs: number }): Turn {
    const nowMs = this.#clock.nowMs();
    if (turn && nowMs < turn.atMs) return turn;
    const free = turn !== undefined || this.#nextFreeMs <= nowMs;
    if (!free || this.#connecting >= this.#maxConnecting) return { atMs: this.#reserve(nowMs + this.#intervalMs) };
    if (!turn) this.#reserve(nowMs);
    return { leave: this.#letIn() };
  }

  #reserve(earliestMs: number): number {
    const atMs = Math.max(this.#nextFreeMs, earliestMs);
    this.#nextFreeMs = atMs + this.#intervalMs;
    return Math.ceil(atMs);
  }

  #letIn(): () => void {
    this.#connecting += 1;
    let inside = true;
    const leave = () => {
      if (!inside) return;
      inside = false;
      cancel();
      this.#connecting -= 1;
    };
    const cancel = this.#clock.schedule(maxHoldMs, leave);
    return leave;
  }
}
