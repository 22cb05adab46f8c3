import { SessionError } from "../domain/errors.ts";
import { LeaseLost } from "../ports/sessions.ts";
import type { Clock, Logger } from "../ports/system.ts";

/** Delay before the next attempt to write after the store refused a write, for example on a full disk. */
export const storeRetryMs = 1_000;

/** Wakes a session at a set time, and retries while the store refuses writes. */
export class WakeTimer {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #wake: () => Promise<unknown>;
  #cancel = () => {};

  constructor(clock: Clock, logger: Logger, wake: () => Promise<unknown>) {
    this.#clock = clock;
    this.#logger = logger;
    this.#wake = wake;
  }

  /** Replaces the time to wake at, on the monotonic clock; undefined clears it. */
  set(atMs: number | undefined): void {
    this.#cancel();
    if (atMs === undefined) return;
    this.#cancel = this.#clock.schedule(Math.max(0, atMs - this.#clock.nowMs()), () => {
      this.#wake().catch((error: unknown) => {
        if (error instanceof SessionError || error instanceof LeaseLost) return;
        this.#logger.error({ err: error }, "session wake-up failed; retrying");
        this.set(this.#clock.nowMs() + storeRetryMs);
      });
    });
  }
}
