import { StoreUnavailable } from "../../../domain/errors.ts";
import type { Operation } from "./database.ts";

/** An atomic write. */
export interface Write<T> {
  /** True if the write is on disk when it resolves. Otherwise a power failure may lose it. */
  readonly sync: boolean;
  /** Reads the data that the write depends on. Runs after all earlier writes are done. */
  prepare?(): Promise<void>;
  /** Adds the write's operations when its group is written. Throws to cancel the write. */
  build(operations: Operation[]): T;
  /** Called once written, in the order of writes and before any later `build`. */
  written?(result: T): void;
}

/** Destination of a writer's groups. */
export interface GroupTarget {
  /** Writes all operations or none. If `sync`, they are on disk when it resolves. */
  batch(operations: Operation[], options: { sync: boolean }): Promise<void>;
  /** Appends the per-group entries, such as the last seq and the generation. */
  complete(operations: Operation[]): void;
  /** Called once the group is written, before `written` of its writes. */
  written(): void;
  /** Undoes a failed group. Resolves when writes can go on; rejects if they never can. */
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
/** A group with at least this many operations is full, which bounds the writer's memory. */
const maxOperations = 1024;

/**
 * The only writer of the database. Writes that arrive while a group is written form the next group and share one fsync; each write is
 * atomic, and their order is preserved. After a failed group, writes reject with StoreUnavailable until the target has recovered.
 */
export class GroupWriter {
  readonly #target: GroupTarget;
  #queue: Job[] = [];
  #running: Promise<void> | undefined;
  #group: Promise<void> | undefined;
  #failure: StoreUnavailable | undefined;
  #recovering: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(target: GroupTarget) {
    this.#target = target;
  }

  /** Resolves with the result of `build` once written. */
  write<T>(write: Write<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(new Error("the store is closed"));
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
    // Deferred, so that writes made in the same turn share a group.
    this.#running ??= Promise.resolve().then(() => this.#run());
    return promise;
  }

  /** Runs `action`, and retries it after recovery as long as it fails with StoreUnavailable. Rejects with any other error. */
  async retryUntilAvailable<T>(action: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await action();
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        await this.#recovering;
      }
    }
  }

  /** Resolves when the group being written has succeeded or failed. */
  async flushed(): Promise<void> {
    await this.#group?.catch(() => {});
  }

  /** Refuses further writes, and resolves when the accepted ones are done. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) await this.#writeGroup(await this.#takeGroup());
    this.#running = undefined;
  }

  /** Takes the next group off the queue. A write with `prepare` starts a group, so that it reads the writes before it. */
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
    this.#target.complete(operations);
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
    // `retryUntilAvailable` reports the rejection.
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
