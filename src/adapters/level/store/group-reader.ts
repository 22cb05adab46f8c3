/** Reads the values of some keys in their order. */
export type ReadMany = (keys: readonly Uint8Array[]) => Promise<(Uint8Array | undefined)[]>;

interface Job {
  readonly keys: readonly Uint8Array[];
  readonly resolve: (values: (Uint8Array | undefined)[]) => void;
  readonly reject: (error: unknown) => void;
}

/** A group with at least this many keys is full. */
const maxKeys = 1024;

/**
 * Reads values of many callers in groups. Reads that come while a group is read form the next group and share one hop to another thread,
 * which costs more than most reads. A read sees all that was written before it was asked for.
 */
export class GroupReader {
  readonly #readMany: ReadMany;
  #queue: Job[] = [];
  #isRunning = false;

  constructor(readMany: ReadMany) {
    this.#readMany = readMany;
  }

  /** Resolves with the values in the order of the keys. Rejects as `readMany` does for its group. */
  read(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const { promise, resolve, reject } = Promise.withResolvers<(Uint8Array | undefined)[]>();
    this.#queue.push({ keys, resolve, reject });
    if (!this.#isRunning) void this.#run();
    return promise;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // Reads that are asked for in the same turn share a group.
    await Promise.resolve();
    while (this.#queue.length > 0) await this.#readGroup(this.#takeGroup());
    this.#isRunning = false;
  }

  #takeGroup(): Job[] {
    let size = 0;
    const end = this.#queue.findIndex(({ keys }) => {
      const isFull = size >= maxKeys;
      size += keys.length;
      return isFull;
    });
    return this.#queue.splice(0, end < 0 ? this.#queue.length : end);
  }

  async #readGroup(jobs: readonly Job[]): Promise<void> {
    try {
      const values = await this.#readMany(jobs.flatMap(({ keys }) => keys));
      let at = 0;
      for (const { keys, resolve } of jobs) {
        resolve(values.slice(at, at + keys.length));
        at += keys.length;
      }
    } catch (error) {
      for (const { reject } of jobs) reject(error);
    }
  }
}
