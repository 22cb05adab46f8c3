import type { Backend } from "../../ports/backend.ts";
import type { Clock } from "../../ports/system.ts";
import type { BackupReport } from "./store/backup.ts";
import type { StoreOptions } from "./store/opening.ts";

/** How the embedded backend is opened. */
export interface LevelOptions extends StoreOptions {
  readonly clock: Clock;
}

/** The embedded backend, and what only it can do. */
export interface LevelStore extends Backend {
  /** Writes a copy of the store as it is now, sealed as it is, to a directory that is not there yet. */
  backup(directory: string): Promise<BackupReport>;
  /** Where the monotonic clock was when the store was last written before it was opened; undefined for a new store. */
  readonly lastWrittenMs: number | undefined;
  /** Resolves when all that is stored is sealed with the present key, or the store is closed. Never rejects. */
  readonly resealed: Promise<void>;
}
