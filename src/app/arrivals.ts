import { SessionError } from "../domain/errors.ts";
import type { Placement } from "../ports/cluster.ts";
import { OwnedElsewhere } from "../ports/sessions.ts";
import type { Clock, Logger } from "../ports/system.ts";
import { storeRetryMs } from "./wake-timer.ts";

/** Number of sessions that are taken on at the same time. */
const maxAtOnce = 64;

/** Dependencies of arrivals. */
export interface ArrivalsOptions {
  readonly placement: Pick<Placement, "arrivals">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Acquires a session and runs it. Repeated until it succeeds, or tells that the session is deleted, another node's, or that this one stops. */
  readonly take: (session: string) => Promise<void>;
}

/** Takes on the sessions that this node of a cluster is given. */
export class Arrivals {
  readonly #options: ArrivalsOptions;
  readonly #stopping = new AbortController();
  readonly #taking = new Set<Promise<void>>();
  #reading: Promise<void> | undefined;
  #count = 0;

  constructor(options: ArrivalsOptions) {
    this.#options = options;
  }

  /** Number of sessions given to this node since its start. */
  get count(): number {
    return this.#count;
  }

  start(): void {
    this.#reading ??= this.#read();
  }

  /** Takes on no more sessions. Resolves when none is being taken on. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#reading;
    await Promise.all(this.#taking);
  }

  async #read(): Promise<void> {
    const { placement, logger } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        for await (const session of placement.arrivals(signal)) {
          if (signal.aborted) return;
          this.#count += 1;
          const taken = this.#take(session).finally(() => this.#taking.delete(taken));
          this.#taking.add(taken);
          if (this.#taking.size >= maxAtOnce) await Promise.race(this.#taking);
        }
        return;
      } catch (error) {
        if (signal.aborted) return;
        logger.error({ err: error }, "could not learn which sessions this node was given; trying again");
        await this.#pause();
      }
    }
  }

  /** Takes on one session. Never rejects. */
  async #take(session: string): Promise<void> {
    const { take, logger } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        return await take(session);
      } catch (error) {
        if (signal.aborted || isFinal(error)) return;
        logger.error({ err: error, session }, "a session given to this node could not be taken on; trying again");
        await this.#pause();
      }
    }
  }

  #pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.schedule(storeRetryMs, resolve);
    const { signal } = this.#stopping;
    const stop = () => resolve();
    signal.addEventListener("abort", stop, { once: true });
    return promise.finally(() => {
      cancel();
      signal.removeEventListener("abort", stop);
    });
  }
}

/** Returns true if a session is not for this node. One that moves may come back here: it was lost while it was being taken on. */
const isFinal = (error: unknown): boolean =>
  error instanceof OwnedElsewhere || (error instanceof SessionError && error.reason !== "SESSION_MOVING");
