import type { Standing } from "../../../ports/cluster.ts";
import { LeaseLost } from "../../../ports/sessions.ts";
import type { ClusterTimings } from "./timings.ts";

/** Options of a standing. */
export interface StandingOptions {
  readonly timings: Pick<ClusterTimings, "freezeMs" | "closeMs">;
  /** Called when the node has been out of reach for so long that it gives up its sessions. */
  expired(): void;
  /** A clock that nobody sets, ms. Tests bring their own. */
  readonly nowMs?: () => number;
}

/**
 * Tells if this node may act. It may until some time after it sent the last beat that was acknowledged: no other node takes its sessions
 * earlier. Each look at it reads the clock, so that a timer that fires late, after a pause of the process, changes nothing.
 */
export class NodeStanding implements Standing {
  readonly #options: StandingOptions;
  readonly #nowMs: () => number;
  readonly #listeners = new Set<() => void>();
  #beatMs = Number.NEGATIVE_INFINITY;
  #isLost = false;
  #isClosed = false;
  #isReported = true;
  #waiting = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: StandingOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#waiting.promise.catch(() => {});
  }

  get isFrozen(): boolean {
    return this.#isLost || this.#isClosed || this.#nowMs() - this.#beatMs >= this.#options.timings.freezeMs;
  }

  onFreeze(listener: () => void): () => void {
    const own = () => listener();
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  async thawed(): Promise<void> {
    if (this.#isClosed) throw new LeaseLost("the store is closed");
    while (this.isFrozen) await this.#waiting.promise;
  }

  /** A beat that was sent then is in the store. */
  acknowledge(sentMs: number): void {
    if (this.#isLost || this.#isClosed) return;
    this.#beatMs = Math.max(this.#beatMs, sentMs);
    if (this.isFrozen) return;
    this.#isReported = false;
    this.#waiting.resolve();
    this.#renew();
    this.#arm();
  }

  /** The node's sessions are taken from it. */
  lose(): void {
    this.#isLost = true;
    this.#waiting.reject(new LeaseLost("other nodes have taken the sessions of this node"));
    this.#renew();
    this.#report();
    clearTimeout(this.#timer);
  }

  /** A new life of the node has begun, with a write that was sent then. */
  begin(sentMs: number): void {
    this.#isLost = false;
    this.acknowledge(sentMs);
  }

  /** Rejects all that wait. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#waiting.reject(new LeaseLost("the store is closed"));
    clearTimeout(this.#timer);
  }

  #renew(): void {
    this.#waiting = Promise.withResolvers();
    this.#waiting.promise.catch(() => {});
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const { freezeMs, closeMs } = this.#options.timings;
    const ageMs = this.#nowMs() - this.#beatMs;
    const waitMs = ageMs < freezeMs ? freezeMs - ageMs : closeMs - ageMs;
    this.#timer = setTimeout(() => this.#check(), Math.max(1, Math.ceil(waitMs))).unref();
  }

  #check(): void {
    const ageMs = this.#nowMs() - this.#beatMs;
    if (this.isFrozen) this.#report();
    if (ageMs >= this.#options.timings.closeMs) this.#options.expired();
    else this.#arm();
  }

  #report(): void {
    if (this.#isReported) return;
    this.#isReported = true;
    for (const listener of [...this.#listeners]) listener();
  }
}
