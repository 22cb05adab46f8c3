import { open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Logger } from "../../../ports/system.ts";
import { type Database, type Operation, type RawDatabase, writeBufferBytes } from "./database.ts";
import { DirectoryLost } from "./directory-lock.ts";
import { type Generation, generationKey, generationOf } from "./generation.ts";

const firstDelayMs = 1_000;
const maxDelayMs = 30_000;
const probeFile = "probe.tmp";
const chunkBytes = 1_048_576;

/** The disk has lost acknowledged writes. Going on would hide the loss. */
class WritesMissing extends Error {
  override readonly name = "WritesMissing";
}

/** Options for recovery. */
export interface RecoveryOptions {
  readonly database: Pick<Database, "directory" | "getManyRaw" | "reopen">;
  readonly generation: Pick<Generation, "synced">;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn" | "error"> | undefined;
  /** Rejects with DirectoryLost if the directory is not ours any more. */
  verify(): Promise<void>;
  /** Reloads the state in memory. Called when the disk holds the acknowledged writes and nothing else. */
  restored(): Promise<void>;
}

/**
 * Recovery of a store from a failed write, such as a full disk. LevelDB cannot tell how much of a failed write reached its log
 * (DBImpl::Write), so the database is reopened and the failed group undone. While the disk is full it stays open for reading.
 */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #closed = new AbortController();

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** Retries until writes can go on. Rejects if they cannot before a restart, or on `close`. */
  async recover(failed: readonly Operation[], cause: unknown): Promise<void> {
    const { logger } = this.#options;
    logger?.error({ err: cause }, "store write failed; retrying until it succeeds");
    let undo: readonly Operation[] | undefined;
    for (let delayMs = firstDelayMs; ; delayMs = Math.min(2 * delayMs, maxDelayMs)) {
      await this.#pause(delayMs);
      try {
        await this.#options.verify();
        undo ??= await this.#undoOf(failed);
        await this.#reopen(undo);
        await this.#options.restored();
        logger?.info({}, "store recovered");
        return;
      } catch (error) {
        if (error instanceof WritesMissing || error instanceof DirectoryLost) {
          logger?.error({ err: error }, "store closed to writes until a restart");
          throw error;
        }
        logger?.warn({ err: error }, "store recovery failed; retrying");
      }
    }
  }

  /** Stops a running recovery. Idempotent. */
  close(): void {
    this.#closed.abort();
  }

  /** Returns the operations that restore the former values of a failed group, which the open database can still read. */
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

/** Rejects unless the disk has room for reopening, which writes the log again as a table, and for one more buffer. */
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
