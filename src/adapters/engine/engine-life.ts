import type { EngineEvent, UnlinkResult } from "../../ports/engine.ts";
import { LeaseLost } from "../../ports/sessions.ts";
import type { Clock, Logger } from "../../ports/system.ts";
import { type Closed, closedOnRequest, deviceUnlinked } from "./close-cause.ts";
import { errorFields } from "./error-fields.ts";
import { EventQueue } from "./event-queue.ts";

/** Number of waiting events at which the log warns, and warns again for each multiple. */
const backlogWarning = 1_000;

/** The steps that an engine does with its own library. */
export interface LifeSteps {
  /** Opens the connection. Should stop early once `life.signal` is aborted; a rejection ends the engine. */
  open(): Promise<void>;
  /** Ends the connection. Called once, when `open` is over. */
  disconnect(): Promise<void>;
  /** Releases everything else. Called once, when the engine is disconnected and all queued work is done. */
  release(closed: Closed): Promise<void>;
  /** Maps an error that the engine cannot go on after. */
  closedBy(error: unknown): Closed;
}

/** Dependencies of a life. */
export interface LifeOptions {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The life of one engine, from `start` to its `closed` event: the first reason to close wins, and everything is torn down once.
 * It knows no library; each engine has one life and passes its own steps to it.
 */
export class EngineLife {
  readonly events = new EventQueue<EngineEvent>();
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #steps: LifeSteps;
  readonly #opened = Promise.withResolvers<void>();
  readonly #ending = Promise.withResolvers<undefined>();
  readonly #gone = Promise.withResolvers<void>();
  readonly #abort = new AbortController();
  #order: Promise<void> = Promise.resolve();
  #cancelDeadline = () => {};
  #closed: Closed | undefined;

  constructor({ clock, logger }: LifeOptions, steps: LifeSteps) {
    this.#clock = clock;
    this.#logger = logger;
    this.#steps = steps;
  }

  /** The reason to close, once there is one. */
  get closed(): Closed | undefined {
    return this.#closed;
  }

  /** Aborted when the engine begins to end. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Resolves when the engine begins to end. */
  get ending(): Promise<undefined> {
    return this.#ending.promise;
  }

  /** Resolves when opening is over, whether it succeeded or not. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Resolves when nothing of the engine is left and `closed` is reported. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** Opens the engine. The engine's constructor calls it last. */
  start(): void {
    this.#steps
      .open()
      .catch((error: unknown) => this.fail(error))
      .finally(() => this.#opened.resolve());
  }

  /** Reports an event now. `onTaken` is called when the reader asks for the next one. */
  report(event: EngineEvent, onTaken?: () => void): void {
    this.events.push(event, onTaken);
    const waiting = this.events.size;
    if (waiting > 0 && waiting % backlogWarning === 0) this.#logger.warn({ waiting }, "events wait to be recorded");
  }

  /** Reports an event after all work queued before. */
  enqueueReport(event: EngineEvent): void {
    this.enqueue(() => this.report(event));
  }

  /** Runs `work` after all work queued before. A rejection ends the engine. */
  enqueue(work: () => void | Promise<void>): void {
    this.#order = this.#order.then(work).catch((error: unknown) => this.fail(error));
  }

  /** Ends the engine after `delayMs` unless the deadline is set anew or cleared before. */
  setDeadline(delayMs: number, closed: () => Closed): void {
    this.clearDeadline();
    if (this.#closed) return;
    this.#cancelDeadline = this.#clock.schedule(delayMs, () => void this.end(closed()));
  }

  clearDeadline(): void {
    this.#cancelDeadline();
    this.#cancelDeadline = () => {};
  }

  /** Resolves with the result of `work`, or with undefined after `limitMs` or once the engine begins to end. */
  async within<T>(limitMs: number, work: Promise<T>): Promise<T | undefined> {
    const timeUp = Promise.withResolvers<undefined>();
    const cancel = this.#clock.schedule(limitMs, () => timeUp.resolve(undefined));
    try {
      return await Promise.race([work, this.#ending.promise, timeUp.promise]);
    } finally {
      cancel();
    }
  }

  /**
   * Waits for `unlink` and then ends the engine; anything else that ends it first cuts `unlink` short. `unlink` tells whether the
   * device was removed, `mayBeLinked` whether a phone may have linked it.
   */
  async logOut(unlink: Promise<boolean>, mayBeLinked: () => boolean): Promise<UnlinkResult> {
    const isUnlinked = await Promise.race([unlink, this.#ending.promise]);
    await this.end(isUnlinked ? deviceUnlinked : closedOnRequest);
    // WhatsApp may end the connection instead of answering, with the same meaning.
    if (this.#closed?.cause === "logged_out") return "unlinked";
    if (!mayBeLinked()) return "not_linked";
    return this.#closed?.cause === "restart_required" ? "again" : "unknown";
  }

  /** Ends the engine because of an error, and logs the error if it is the engine's own failure. */
  fail(error: unknown, closed: Closed = this.#steps.closedBy(error)): void {
    const isOwnFailure = closed.cause === "engine_crashed" || closed.cause === "credentials_unreadable";
    if (error instanceof LeaseLost) this.#logger.debug({}, "a newer engine has the session's data");
    else if (isOwnFailure && !this.#closed) this.#logger.error(errorFields(error), "engine failed");
    void this.end(closed);
  }

  /** Ends the engine; the first call gives the reason. Resolves like `gone`. */
  end(closed: Closed): Promise<void> {
    if (!this.#closed) {
      this.#closed = closed;
      void this.#tearDown(closed);
    }
    return this.#gone.promise;
  }

  async #tearDown(closed: Closed): Promise<void> {
    this.clearDeadline();
    this.#abort.abort();
    this.#ending.resolve(undefined);
    try {
      await this.#opened.promise;
      await this.#steps.disconnect();
      await this.#order;
      await this.#steps.release(closed);
    } catch (error) {
      if (!(error instanceof LeaseLost)) this.#logger.error(errorFields(error), "engine did not close cleanly");
    }
    this.report({ type: "closed", ...closed });
    this.events.end();
    this.#gone.resolve();
  }
}
