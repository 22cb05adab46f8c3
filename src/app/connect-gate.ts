import type { Standing } from "../ports/cluster.ts";
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
/** Smallest time between two slots, a timer's resolution. */
const minIntervalMs = 1;
/** Smallest time between two questions while all slots are taken. Handshakes take longer than that, and each question costs some. */
const minRetryMs = 5;

/** Time that a frozen node's sessions wait until they ask again, ms. */
const frozenRetryMs = 1_000;

/** A time at which to ask again, with it. */
export interface Turn {
  readonly atMs: number;
  /** True if the gate is kept free for it then. */
  readonly isReserved: boolean;
}

/** Answer of the gate: the session may connect and calls `leave` when it has, or asks again. */
export type Slot = { readonly leave: () => void } | Turn;

/**
 * Spaces out the connections of engines. It has no queue: a session that must wait is told when to ask again, so that a
 * session that fails or changes its mind delays no other.
 */
export class ConnectGate {
  readonly #clock: Clock;
  readonly #standing: Pick<Standing, "isFrozen"> | undefined;
  /** Time between two engines that begin to connect, at least, ms. */
  readonly intervalMs: number;
  readonly #maxConnecting: number;
  #nextFreeMs = 0;
  #connecting = 0;

  /** Admits no engine while the node is frozen. */
  constructor(
    clock: Clock,
    limits: ConnectLimits = defaultConnectLimits,
    standing: Pick<Standing, "isFrozen"> | undefined = undefined,
  ) {
    this.#clock = clock;
    this.#standing = standing;
    this.intervalMs = Math.max(minIntervalMs, 1000 / limits.perSecond);
    this.#maxConnecting = limits.maxConnecting;
  }

  /** Number of reserved slots that are still to come: about as many sessions wait. */
  get waiting(): number {
    return Math.max(0, Math.ceil((this.#nextFreeMs - this.#clock.nowMs()) / this.intervalMs) - 1);
  }

  /** True while no engine may be opened, not even one that was admitted before. */
  get isFrozen(): boolean {
    return this.#standing?.isFrozen ?? false;
  }

  /** Admits no engine before that time. */
  holdUntil(atMs: number): void {
    this.#nextFreeMs = Math.max(this.#nextFreeMs, atMs);
  }

  /** Admits the engine or returns the time to ask again. `slot` is the gate's last answer to the same session. */
  enter(slot?: Turn): Slot {
    const nowMs = this.#clock.nowMs();
    if (slot && nowMs < slot.atMs) return slot;
    if (this.isFrozen) return { atMs: nowMs + frozenRetryMs, isReserved: false };
    const isReserved = slot?.isReserved ?? false;
    const isFree = isReserved || this.#nextFreeMs <= nowMs;
    const isFull = this.#connecting >= this.#maxConnecting;
    if (!isFree || isFull) {
      const intervalMs = isFull ? Math.max(minRetryMs, this.intervalMs) : this.intervalMs;
      return { atMs: this.#reserve(nowMs + intervalMs, intervalMs), isReserved: true };
    }
    if (!isReserved) this.#reserve(nowMs, this.intervalMs);
    return { leave: this.#admit() };
  }

  #reserve(earliestMs: number, intervalMs: number): number {
    const atMs = Math.max(this.#nextFreeMs, earliestMs);
    this.#nextFreeMs = atMs + intervalMs;
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
