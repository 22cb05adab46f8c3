import { StoreUnavailable } from "../../domain/errors.ts";

/** An atomic write. */
export interface Write<Operation, T> {
  /** The session that it belongs to, where the target asks for that. */
  readonly owner?: string;
  /** True if the write is on disk when it resolves. Otherwise a power failure may lose it. */
  readonly sync: boolean;
  /** Reads the data that the write depends on. Runs after all earlier writes are done. */
  prepare?(): Promise<void>;
  /** Adds the write's operations when its group is written. Throws to cancel the write. */
  build(operations: Operation[]): T;
  /** Called once written, in the order of writes and before any later `build`. */
  written?(result: T): void;
}

/** Nothing of a group was written, as some of its writes may not be. The group is to be written again without them. */
export class WritesRefused extends Error {
  override readonly name = "WritesRefused";
  readonly #reasonFor: (owner: string | undefined) => Error | undefined;

  /** `reasonFor`: returns the error for the writes of an owner, undefined for writes without one; undefined if they are not refused. */
  constructor(reasonFor: (owner: string | undefined) => Error | undefined) {
    super("some writes of the group are refused");
    this.#reasonFor = reasonFor;
  }

  reasonFor(owner: string | undefined): Error | undefined {
    return this.#reasonFor(owner);
  }
}

/** Destination of a writer's groups. */
export interface GroupTarget<Operation> {
  /** Writes all operations or none. If `sync`, they are on disk when it resolves. Can reject with WritesRefused. */
  batch(operations: Operation[], options: { sync: boolean }): Promise<void>;
  /** Appends the per-group entries, such as the last seq and the generation. */
  complete(operations: Operation[]): void;
  /** Called once the group is written, before `written` of its writes. */
  written(): void;
  /** Returns true if a group is full. Left out: at 1,024 operations. */
  isFull?(operations: readonly Operation[]): boolean;
  /** Undoes a failed group. Resolves when writes can go on; rejects if they never can. */
  recover(operations: readonly Operation[], cause: unknown): Promise<void>;
}

interface Job<Operation> {
  readonly sync: boolean;
  readonly owner: string | undefined;
  readonly prepare: (() => Promise<void>) | undefined;
  readonly build: (operations: Operation[]) => void;
  readonly written: () => void;
  readonly reject: (error: unknown) => void;
}

/** A write as it is built into its group: its operations there, from one index to before the other. */
interface BuiltJob<Operation> {
  readonly job: Job<Operation>;
  readonly from: number;
  readonly to: number;
}

const maxGroupSize = 1024;
/** A group with at least this many operations is full, which bounds the writer's memory. */
const maxOperations = 1024;

/**
 * Writes groups of operations to a database. Writes that arrive while a group is written form the next group and share one sync; each
 * write is atomic, and their order is preserved. After a failed group, writes reject with StoreUnavailable until the target has
 * recovered.
 */
export class GroupWriter<Operation> {
  readonly #target: GroupTarget<Operation>;
  #queue: Job<Operation>[] = [];
  #running: Promise<void> | undefined;
  #group: Promise<void> | undefined;
  #failure: StoreUnavailable | undefined;
  #recovering: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(target: GroupTarget<Operation>) {
    this.#target = target;
  }

  /** Resolves with the result of `build` once written. */
  write<T>(write: Write<Operation, T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(new Error("the store is closed"));
    // While suspended, the queue may stand still.
    if (this.#failure && this.#group) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let finish = () => {};
    this.#queue.push({
      sync: write.sync,
      owner: write.owner,
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

  /**
   * Rejects the writes that wait, and new ones, with StoreUnavailable until the function returned is called. The group being written
   * goes on. `retryUntilAvailable` waits meanwhile.
   */
  suspend(cause: unknown): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    const failure = new StoreUnavailable(cause);
    this.#failure = failure;
    this.#recovering = promise;
    for (const job of this.#queue.splice(0)) job.reject(failure);
    return () => {
      if (this.#failure === failure) this.#failure = undefined;
      resolve();
    };
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
  async #takeGroup(): Promise<Job<Operation>[]> {
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

  async #writeGroup(jobs: readonly Job<Operation>[]): Promise<void> {
    const operations: Operation[] = [];
    const built: BuiltJob<Operation>[] = [];
    let taken = 0;
    for (const job of jobs) {
      if (this.#isFull(operations)) break;
      taken += 1;
      const from = operations.length;
      if (this.#build(job, operations)) built.push({ job, from, to: operations.length });
    }
    this.#queue.unshift(...jobs.slice(taken));
    if (built.length === 0) return;
    const group = this.#writeAllowed(operations, built);
    this.#group = group.then(() => {});
    this.#group.catch(() => {});
    try {
      const written = await group;
      if (written.length === 0) return;
      this.#target.written();
      for (const { job } of written) job.written();
    } finally {
      this.#group = undefined;
    }
  }

  /** Writes a group, if need be again and again without the writes that are refused. Returns those that are written. */
  async #writeAllowed(
    operations: Operation[],
    built: readonly BuiltJob<Operation>[],
  ): Promise<readonly BuiltJob<Operation>[]> {
    const sync = built.some(({ job }) => job.sync);
    this.#target.complete(operations);
    try {
      await this.#target.batch(operations, { sync });
      return built;
    } catch (cause) {
      if (cause instanceof WritesRefused) {
        const allowed = built.filter(({ job }) => !rejectIfRefused(job, cause));
        if (allowed.length === 0) return [];
        if (allowed.length < built.length) return await this.#writeAllowed(...selectJobs(operations, allowed));
      }
      this.#fail(operations, cause);
      for (const { job } of built) job.reject(this.#failure);
      return [];
    }
  }

  #isFull(operations: readonly Operation[]): boolean {
    return this.#target.isFull?.(operations) ?? operations.length >= maxOperations;
  }

  #fail(operations: readonly Operation[], cause: unknown): void {
    this.#failure = new StoreUnavailable(cause);
    this.#recovering = this.#target.recover(operations, cause).then(() => {
      this.#failure = undefined;
    });
    // `retryUntilAvailable` reports the rejection.
    this.#recovering.catch(() => {});
  }

  #build(job: Job<Operation>, operations: Operation[]): boolean {
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

/** Rejects a write that is refused. Returns true if it is. */
function rejectIfRefused<Operation>({ owner, reject }: Job<Operation>, refusal: WritesRefused): boolean {
  const reason = refusal.reasonFor(owner);
  if (reason) reject(reason);
  return reason !== undefined;
}

/** Returns the operations of some writes of a group, as a group of its own. */
function selectJobs<Operation>(
  operations: readonly Operation[],
  built: readonly BuiltJob<Operation>[],
): [Operation[], BuiltJob<Operation>[]] {
  const selected: Operation[] = [];
  const jobs = built.map(({ job, from, to }) => {
    const at = selected.length;
    selected.push(...operations.slice(from, to));
    return { job, from: at, to: selected.length };
  });
  return [selected, jobs];
}
