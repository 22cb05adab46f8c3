import type { Backend } from "../../ports/backend.ts";
import type { Clock } from "../../ports/system.ts";
import type { StoreOptions } from "./store/opening.ts";

/** Options for opening the PostgreSQL backend. */
export interface PostgresOptions extends StoreOptions {
  readonly clock: Clock;
  /** Encoded size of the records that are held in memory, at most. Tests set it. */
  readonly recordCapacity?: number;
}

/** The PostgreSQL backend, and the facts that only it has. */
export interface PostgresStore extends Backend {
  /** Monotonic time of the last write before the store was opened; undefined for a new store. */
  readonly lastWrittenMs: number | undefined;
  /** Resolves when all stored values are sealed with the present key, or the store is closed. Never rejects. */
  readonly resealed: Promise<void>;
}
