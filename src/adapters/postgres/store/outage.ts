import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "../../../ports/system.ts";
import { reasonOf } from "./start-errors.ts";

const firstPauseMs = 50;
const maxPauseMs = 1_000;
/** An outage of at most this length is waited for; a longer one is reported. Orderly fail-overs are shorter. */
export const patienceMs = 6_000;

/** The time during which PostgreSQL does not answer, as all connections find it. */
export class Outage {
  readonly #logger: Logger | undefined;
  readonly #closed = new AbortController();
  #sinceMs: number | undefined;

  constructor(logger: Logger | undefined) {
    this.#logger = logger;
  }

  /** Returns true if it lasts longer than callers should wait. */
  get isLong(): boolean {
    return this.#sinceMs !== undefined && performance.now() - this.#sinceMs > patienceMs;
  }

  /** Called after a statement that was carried out. */
  ended(): void {
    if (this.#sinceMs === undefined) return;
    const forMs = Math.round(performance.now() - this.#sinceMs);
    this.#sinceMs = undefined;
    this.#logger?.info({ forMs }, "PostgreSQL answers again");
  }

  /** Waits before the next try, longer after each failure. Rejects with the cause once the store is closed. */
  async pause(failures: number, cause: unknown): Promise<void> {
    if (this.#closed.signal.aborted) throw cause;
    if (this.#sinceMs === undefined) {
      this.#sinceMs = performance.now();
      this.#logger?.error({ reason: reasonOf(cause) }, "PostgreSQL does not answer; trying until it does");
    }
    const pauseMs = Math.min(firstPauseMs * 2 ** failures, maxPauseMs);
    await pause(pauseMs, undefined, { signal: this.#closed.signal }).catch(() => {
      throw cause;
    });
  }

  /** Ends all waits. Idempotent. */
  close(): void {
    this.#closed.abort();
  }
}
