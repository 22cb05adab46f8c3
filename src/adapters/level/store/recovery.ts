import { open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Logger } from "../../../ports/system.ts";
import { type Database, type Operation, type RawDatabase, writeBufferBytes } from "./database.ts";
import { DirectoryLost } from "./directory-guard.ts";
import { type Generation, generationKey, generationOf } from "./generation.ts";

const firstDelayMs = 1_000;
const maxDelayMs = 30_000;
const probeFile = "probe.tmp";
const chunkBytes = 1_048_576;

/** What was acknowledged is not on the disk any more: going on would hide it. */
class WritesMissing extends Error {
  override readonly name = "WritesMissing";
}

/** What recovering needs. */
export interface RecoveryOptions {
  readonly database: Pick<Database, "directory" | "getManyRaw" | "reopen">;
  readonly generation: Pick<Generation, "synced">;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn" | "error"> | undefined;
  /** Rejects with DirectoryLost if the directory is not ours any more. */
  verify(): Promise<void>;
  /** Puts in order what is kept in memory, now that the disk holds what was acknowledged and nothing else. */
  restored(): Promise<void>;
}

/**
 * Makes the store take writes again after one has failed, be it a full disk, a broken one or a limit. LevelDB cannot tell what of
 * a failed write reached its log (DBImpl::Write), so it is closed and opened again, and whatever of the failed group is there is
 * undone. As long as the disk has no room it stays open for reading.
 */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #closed = new AbortController();

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** Resolves when writes can go on, however long that takes. Rejects if they never can in this life, or it is closed. */
  async recover(failed: readonly Operation[], cause: unknown): Promise<void> {
    const { logger } = this.#options;
    logger?.error({ err: cause }, "the store cannot be written to; trying again until it can");
    let undo: readonly Operation[] | undefined;
    for (let delayMs = firstDelayMs; ; delayMs = Math.min(2 * delayMs, maxDelayMs)) {
      await this.#pause(delayMs);
      try {
        await this.#options.verify();
        undo ??= await this.#undoOf(failed);
        await this.#reopen(undo);
        await this.#options.restored();
        logger?.info({}, "the store can be written to again");
        return;
      } catch (error) {
        if (error instanceof WritesMissing || error instanceof DirectoryLost) {
          logger?.error({ err: error }, "the store takes no writes any more");
          throw error;
        }
        logger?.warn({ err: error }, "the store still cannot be written to");
      }
    }
  }

  /** Ends recovering. Idempotent. */
  close(): void {
    this.#closed.abort();
  }

  /** What gives the entries of a failed group their former values back: it is in no table and can still be read. */
  async #undoOf(failed: readonly Operation[]): Promise<Operation[]> {
    const keys = [...new Map(failed.map(({ key }) => [Buffer.from(key).toString("latin1"), key])).values()];
    const values = await this.#options.database.getManyRaw(keys);
    return keys.map((key, index): Operation => {
      const value = values[index];
      return value ? { type: "put", key, value } : { type: "del", key };
    });
  }

  async #reopen(undo: readonly Operation[]): Promise<void> {
    const { database, generation } = this.#options;
    await probe(database.directory);
    await database.reopen(async (level: RawDatabase) => {
      const found = generationOf(await level.get(generationKey));
      const { writes } = generation.synced;
      if (found.writes < writes) throw new WritesMissing(`the disk has lost writes ${found.writes + 1n} to ${writes}`);
      await level.batch([...undo], { sync: true });
    });
  }

  #pause(delayMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const { signal } = this.#closed;
    const cancel = this.#options.clock.schedule(delayMs, resolve);
    const abort = () => {
      cancel();
      reject(new Error("the store is closed"));
    };
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    return promise.finally(() => signal.removeEventListener("abort", abort));
  }
}

/** Rejects unless there is room for what opening writes: the log once more, as a table, and a buffer's worth. */
async function probe(directory: string): Promise<void> {
  let bytes = chunkBytes;
  for (const name of await readdir(directory)) {
    if (name.endsWith(".log")) bytes += (await stat(join(directory, name))).size;
  }
  const path = join(directory, probeFile);
  try {
    const file = await open(path, "w", 0o600);
    try {
      const chunk = Buffer.alloc(chunkBytes);
      for (let left = Math.min(bytes, 2 * writeBufferBytes); left > 0; left -= chunk.length)
        await file.writeFile(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
  } finally {
    await rm(path, { force: true });
  }
}
