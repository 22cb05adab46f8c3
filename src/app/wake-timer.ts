import { SessionError } from "../domain/errors.ts";
import { LeaseLost } from "../ports/sessions.ts";
import type { Clock, Logger } from "../ports/system.ts";

/** The store refuses writes (a full disk, say): how long until it is tried again. */
export const storeRetryMs = 1_000;

/** Wakes a session when its time has come, again and again while the store cannot take it. */
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

  /** From now on this time counts, on the monotonic clock; undefined: none. */
  set(atMs: number | undefined): void {
    this.#cancel();
    if (atMs === undefined) return;
    this.#cancel = this.#clock.schedule(Math.max(0, atMs - this.#clock.nowMs()), () => {
      this.#wake().catch((error: unknown) => {
        if (error instanceof SessionError || error instanceof LeaseLost) return;
        this.#logger.error({ err: error }, "could not wake up; trying again");
        this.set(this.#clock.nowMs() + storeRetryMs);
      });
    });
  }
}
