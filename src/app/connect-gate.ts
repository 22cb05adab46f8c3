import type { Clock } from "../ports/system.ts";

/** Limits for engines that connect to WhatsApp, over all sessions. */
export interface ConnectLimits {
  /** Engines that begin to connect within one second, at most. */
  readonly perSecond: number;
  /** Engines that are connecting at the same time, at most. */
  readonly maxConnecting: number;
}

/** Limits in production. */
export const defaultConnectLimits: ConnectLimits = { perSecond: 20, maxConnecting: 64 };

/** Time after which a connecting engine no longer takes up a slot. */
const maxHoldMs = 5_000;

/**
 * Answer of the gate: the session may connect and calls `leave` when it has, or asks again at `atMs` with this slot.
 */
export type Slot = { readonly leave: () => void } | { readonly atMs: number };

/**
 * Spaces out the connections of engines. It has no queue: a session that must wait is told when to ask again, so that a
 * session that fails or changes its mind delays no other.
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

  /** Number of reserved slots that are still to come: about as many sessions wait. */
  get waiting(): number {
    return Math.max(0, Math.ceil((this.#nextFreeMs - this.#clock.nowMs()) / this.#intervalMs) - 1);
  }

  /** Admits no engine before that time. */
  holdUntil(atMs: number): void {
    this.#nextFreeMs = Math.max(this.#nextFreeMs, atMs);
  }

  /** Admits the engine or returns the time to ask again. `slot` is the gate's last answer to the same session. */
  enter(slot?: { readonly atMs: number }): Slot {
    const nowMs = this.#clock.nowMs();
    if (slot && nowMs < slot.atMs) return slot;
    const isFree = slot !== undefined || this.#nextFreeMs <= nowMs;
    if (!isFree || this.#connecting >= this.#maxConnecting) return { atMs: this.#reserve(nowMs + this.#intervalMs) };
    if (!slot) this.#reserve(nowMs);
    return { leave: this.#admit() };
  }

  #reserve(earliestMs: number): number {
    const atMs = Math.max(this.#nextFreeMs, earliestMs);
    this.#nextFreeMs = atMs + this.#intervalMs;
    return Math.ceil(atMs);
  }

  #admit(): () => void {
    this.#connecting += 1;
    let isInside = true;
    const leave = () => {
      if (!isInside) return;
      isInside = false;
      cancel();
      this.#connecting -= 1;
    };
    const cancel = this.#clock.schedule(maxHoldMs, leave);
    return leave;
  }
}
