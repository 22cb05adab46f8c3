import { StoreUnavailable } from "../../domain/errors.ts";
import type { LoggedEvents } from "../../ports/cluster.ts";
import type { Logger } from "../../ports/system.ts";
import type { Readers } from "../embedded/readers.ts";
import type { StoredEvents, TailPage } from "./stored-events.ts";

/** Options of a tail. */
export interface LogTailOptions {
  readonly events: StoredEvents;
  readonly readers: Readers;
  /** The log's end when the store was opened. */
  readonly lastSeq: bigint;
  /** Resolves when the group being written is published, or has failed. */
  flushed(): Promise<void>;
  /** Waits before the next try. Rejects once the store is closed. */
  pause(failures: number, cause: unknown): Promise<void>;
  readonly logger: Logger | undefined;
}

/**
 * The log as readers on this node see it. Groups of this node are appended as they are written, what other nodes log is read from the
 * database: in the order of `seq`, without gap or repeat, as a commit is seen only after all that have a smaller `seq`.
 */
export class LogTail {
  readonly #options: LogTailOptions;
  readonly #listeners = new Set<(logged: LoggedEvents) => void>();
  #lastSeq: bigint;
  /** The end of the log that was read last: removals up to there are known. What is told or written here does not tell of removals. */
  #readSeq: bigint;
  #reading: Promise<void> | undefined;
  /** The read that begins when the present one is done. */
  #next: Promise<void> | undefined;

  constructor(options: LogTailOptions) {
    this.#options = options;
    this.#lastSeq = options.lastSeq;
    this.#readSeq = options.lastSeq;
  }

  /** The end of the log that readers see. */
  get lastSeq(): bigint {
    return this.#lastSeq;
  }

  /** Calls `listener` after each group of this node that has added events. Returns the function that cancels it. */
  onLogged(listener: (logged: LoggedEvents) => void): () => void {
    const own = (logged: LoggedEvents) => listener(logged);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /** A group of this node comes after `seq`: reads what others have logged until there. Its events are published next. */
  async fillThrough(seq: bigint): Promise<void> {
    const { events, pause } = this.#options;
    for (let failures = 0; this.#lastSeq < seq; ) {
      try {
        this.#takeRead(await events.tail(this.#lastSeq, this.#readSeq, seq));
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        // The group is written: nothing is left but to try again.
        failures += 1;
        await pause(failures, error);
      }
    }
  }

  /** A group of this node is written and about to be published. */
  logged(logged: LoggedEvents): void {
    if (logged.seq <= this.#lastSeq) return;
    this.#lastSeq = logged.seq;
    for (const listener of this.#listeners) listener(logged);
  }

  /** Another node has logged events. They need not be read if they come right after the end of the log here. */
  told(logged: LoggedEvents): void {
    if (logged.events.length > 0 && logged.afterSeq === this.#lastSeq)
      this.#take(this.#options.events.toldPage(logged));
    else this.announced(logged.seq);
  }

  /** Another node may have logged up to `seq`. */
  announced(seq: bigint): void {
    if (seq <= this.#lastSeq) return;
    this.follow().catch((error: unknown) => {
      if (!(error instanceof StoreUnavailable))
        this.#options.logger?.error({ err: error }, "events of other nodes could not be read; trying again");
    });
  }

  /** Resolves when the log is published through `seq`, which has been committed. */
  async reach(seq: bigint): Promise<void> {
    if (seq > this.#lastSeq) await this.follow();
  }

  /** Resolves when all is published that was in the log at the time of the call. */
  follow(): Promise<void> {
    if (!this.#reading) return this.#read();
    this.#next ??= this.#reading
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#read();
      });
    return this.#next;
  }

  #read(): Promise<void> {
    const reading = this.#readPages().finally(() => {
      if (this.#reading === reading) this.#reading = undefined;
    });
    this.#reading = reading;
    return reading;
  }

  async #readPages(): Promise<void> {
    for (;;) {
      const page = await this.#options.events.tail(this.#lastSeq, this.#readSeq);
      // Events of this node may be among them. They are published with the records that they belong to, and then left out here.
      await this.#options.flushed();
      this.#takeRead(page);
      if (page.drained) return;
    }
  }

  #takeRead(page: TailPage): void {
    this.#take(page);
    if (page.throughSeq > this.#readSeq) this.#readSeq = page.throughSeq;
  }

  /** Publishes what is new of a stretch of the log that began no later than the present end. */
  #take({ events, throughSeq, removed, broken }: TailPage): void {
    for (const { seq, error } of broken) {
      this.#options.logger?.error({ err: error, seq: String(seq) }, "an event of another node cannot be read");
    }
    for (const one of removed) this.#options.events.removedThrough(one.session, one.throughSeq);
    if (throughSeq <= this.#lastSeq) return;
    const news = events.filter(({ seq }) => seq > this.#lastSeq);
    this.#lastSeq = throughSeq;
    this.#options.events.added(news);
    for (const [session, own] of Map.groupBy(news, (event) => event.session)) {
      this.#options.readers.publish(session, own, throughSeq);
    }
  }
}
