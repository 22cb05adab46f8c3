import { StoreUnavailable } from "../../../domain/errors.ts";
import type { Operation } from "./database.ts";

/** One atomic write. */
export interface Write<T> {
  /** On disk when it resolves; otherwise a power failure may lose it. */
  readonly sync: boolean;
  /** Reads what it depends on, once all writes before it are through. */
  prepare?(): Promise<void>;
  /** Adds its operations, at the moment of writing. Throws to be refused, and nothing of it is written. */
  build(operations: Operation[]): T;
  /** It is written; called in the order of writing, before anything later is built. */
  written?(result: T): void;
}

/** What a group is written with. */
export interface GroupTarget {
  /** Writes all or nothing; on disk when it resolves, if `sync`. */
  batch(operations: Operation[], options: { sync: boolean }): Promise<void>;
  /** Adds what stands once for all writes of a group. */
  seal(operations: Operation[]): void;
  /** The group is written. Called before the `written` of its writes. */
  written(): void;
  /** A group could not be written. Resolves when nothing of it is on the disk and writes can go on; rejects if they never can. */
  recover(operations: readonly Operation[], cause: unknown): Promise<void>;
}

interface Job {
  readonly sync: boolean;
  readonly prepare: (() => Promise<void>) | undefined;
  readonly build: (operations: Operation[]) => void;
  readonly written: () => void;
  readonly reject: (error: unknown) => void;
}

const maxGroupSize = 1024;
/** No further write joins a group that has as many: what is held for one group bounds what memory all of them take. */
const maxOperations = 1024;

/**
 * The only writer of the database. What waits while a group is being written goes into the next one, so that many writers
 * share one fsync; each write is atomic and they keep their order. Once a group has failed all writes are refused with
 * StoreUnavailable until its target has recovered: what a broken log holds can only be told by opening it again.
 */
export class GroupWriter {
  readonly #target: GroupTarget;
  #queue: Job[] = [];
  #running: Promise<void> | undefined;
  #group: Promise<void> | undefined;
  #failure: StoreUnavailable | undefined;
  #recovering: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(target: GroupTarget) {
    this.#target = target;
  }

  /** Resolves with what `build` returned, once written. */
  write<T>(write: Write<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new Error("the store is closed"));
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let finish = () => {};
    this.#queue.push({
      sync: write.sync,
      prepare: write.prepare?.bind(write),
      build: (operations) => {
        const result = write.build(operations);
        finish = () => {
          write.written?.(result);
          resolve(result);
        };
      },
      written: () => finish(),
      reject,
    });
    // A turn later, so that writes made together go together.
    this.#running ??= Promise.resolve().then(() => this.#run());
    return promise;
  }

  /** Does what reads or writes the store, again whenever it can be written to again; rejects for any other reason. */
  async patiently<T>(action: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await action();
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        await this.#recovering;
      }
    }
  }

  /** Resolves when the group being written now is through, however it ends. */
  async settled(): Promise<void> {
    await this.#group?.catch(() => {});
  }

  /** Refuses further writes and resolves when those accepted are through. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) await this.#writeGroup(await this.#takeGroup());
    this.#running = undefined;
  }

  /** A write that must read first begins a group: until then earlier ones are not there to be read. */
  async #takeGroup(): Promise<Job[]> {
    const [first] = this.#queue;
    try {
      if (this.#failure) throw this.#failure;
      await first?.prepare?.();
    } catch (error) {
      this.#queue.shift();
      first?.reject(error);
      return [];
    }
    const next = this.#queue.findIndex((job, index) => index > 0 && job.prepare !== undefined);
    return this.#queue.splice(0, Math.min(next < 0 ? this.#queue.length : next, maxGroupSize));
  }

  async #writeGroup(jobs: readonly Job[]): Promise<void> {
    const operations: Operation[] = [];
    const accepted: Job[] = [];
    let taken = 0;
    for (const job of jobs) {
      if (operations.length >= maxOperations) break;
      taken += 1;
      if (this.#build(job, operations)) accepted.push(job);
    }
    this.#queue.unshift(...jobs.slice(taken));
    if (accepted.length === 0) return;
    this.#target.seal(operations);
    const sync = accepted.some((job) => job.sync);
    try {
      this.#group = this.#target.batch(operations, { sync });
      await this.#group;
    } catch (cause) {
      this.#fail(operations, cause);
      for (const job of accepted) job.reject(this.#failure);
      return;
    } finally {
      this.#group = undefined;
    }
    this.#target.written();
    for (const job of accepted) job.written();
  }

  #fail(operations: readonly Operation[], cause: unknown): void {
    this.#failure = new StoreUnavailable(cause);
    this.#recovering = this.#target.recover(operations, cause).then(() => {
      this.#failure = undefined;
    });
    // Whoever waits for it is told.
    this.#recovering.catch(() => {});
  }

  #build(job: Job, operations: Operation[]): boolean {
    const before = operations.length;
    try {
      if (this.#failure) throw this.#failure;
      job.build(operations);
      return true;
    } catch (error) {
      operations.length = before;
      job.reject(error);
      return false;
    }
  }
}
