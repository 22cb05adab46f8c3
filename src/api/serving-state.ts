import { awaitWithin } from "../app/time-box.ts";

/** State of the server: able to do its work, or the reason why it is not. */
export type Serving = "serving" | "store_unavailable" | "draining";

/** The parts that the state depends on. */
export interface ServingStateOptions {
  readonly clock: Parameters<typeof awaitWithin>[0] & { nowMs(): number };
  /** Resolves if a synced write reaches the disk. */
  checkStore(): Promise<void>;
  readonly logger: { info(fields: object, message: string): void; error(fields: object, message: string): void };
}

/** A store that is slower than this counts as unavailable. */
const checkTimeoutMs = 5_000;
/** How long a result stands. Without a limit, callers without a key could cause one synced write per call. */
const upTtlMs = 1_000;
/** Shorter, so that a recovery shows soon. */
const downTtlMs = 250;
/** The interval at which watchers look again. */
const watchIntervalMs = 5_000;

/** The server's health, for /health and for grpc.health.v1. Nothing else judges it. */
export class ServingState {
  readonly #options: ServingStateOptions;
  readonly #watchers = new Set<() => void>();
  #isDraining = false;
  #wasUp = true;
  /** The write in flight. It may outlast its check. */
  #write: Promise<void> | undefined;
  #result: { readonly isUp: Promise<boolean>; expiresAtMs: number } | undefined;

  constructor(options: ServingStateOptions) {
    this.#options = options;
  }

  /** Reports the server as draining from now on, to watchers at once. */
  drain(): void {
    this.#isDraining = true;
    this.#wakeWatchers();
  }

  /** Returns the state. Writes to the store if the last result has expired; concurrent calls share one write. */
  async current(): Promise<Serving> {
    if (this.#isDraining) return "draining";
    const isUp = await this.#isStoreUp();
    if (this.#isDraining) return "draining";
    return isUp ? "serving" : "store_unavailable";
  }

  /** Resolves when the state may have changed, or when `signal` aborts. */
  changed(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.schedule(watchIntervalMs, resolve);
    const wake = () => resolve();
    this.#watchers.add(wake);
    signal.addEventListener("abort", wake, { once: true });
    if (signal.aborted) wake();
    return promise.finally(() => {
      cancel();
      signal.removeEventListener("abort", wake);
      this.#watchers.delete(wake);
    });
  }

  #isStoreUp(): Promise<boolean> {
    const { clock } = this.#options;
    if (this.#result && clock.nowMs() < this.#result.expiresAtMs) return this.#result.isUp;
    const result = { isUp: this.#check(), expiresAtMs: Number.POSITIVE_INFINITY };
    void result.isUp.then((isUp) => {
      result.expiresAtMs = clock.nowMs() + (isUp ? upTtlMs : downTtlMs);
    });
    this.#result = result;
    return result.isUp;
  }

  /** Never rejects. */
  async #check(): Promise<boolean> {
    let cause: unknown = "timeout";
    const write = this.#writeOnce().then(
      () => true,
      (error: unknown) => {
        cause = error;
        return false;
      },
    );
    const isUp = (await awaitWithin(this.#options.clock, checkTimeoutMs, write)) ?? false;
    if (isUp !== this.#wasUp) this.#report(isUp, cause);
    return isUp;
  }

  /** Joins the write in flight, so that a disk that hangs does not collect them. */
  #writeOnce(): Promise<void> {
    this.#write ??= this.#options.checkStore().finally(() => {
      this.#write = undefined;
    });
    return this.#write;
  }

  #report(isUp: boolean, cause: unknown): void {
    const { logger } = this.#options;
    this.#wasUp = isUp;
    if (isUp) logger.info({}, "store accepts writes again");
    else logger.error({ err: cause }, "store accepts no writes");
    this.#wakeWatchers();
  }

  #wakeWatchers(): void {
    for (const wake of this.#watchers) wake();
  }
}
