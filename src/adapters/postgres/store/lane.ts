import type { MonotonicClock } from "../../../ports/system.ts";
import type { Connection } from "./connection.ts";
import { isTransient } from "./failures.ts";
import type { EncodedGroup } from "./group.ts";
import type { Outage } from "./outage.ts";

/** The node that writes, and its present life. */
export interface NodeLife {
  readonly node: number;
  readonly epoch: bigint;
}

/** Options of a lane. */
export interface LaneOptions {
  readonly connection: Connection;
  readonly name: "log" | "data";
  readonly life: NodeLife;
  readonly clock: MonotonicClock;
  readonly outage: Outage;
  /** Called when a write has waited long; returns the function to call when it is through. */
  suspend(cause: unknown): () => void;
}

const commitStatement = "SELECT sessiond.commit_v1($1, $2, $3, $4, $5, $6, $7, $8) AS after_seq";

/** A connection that writes groups, one after another. */
export class Lane {
  readonly #options: LaneOptions;
  #group = 0n;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /**
   * Writes a group exactly once, however often the connection is lost meanwhile. Returns the end of the log before its events; null
   * without events. Rejects if nothing was written, or if the store is closed while it waits: a group that was sent waits as long as
   * PostgreSQL is away, as it may have been written.
   */
  async commit({ changes, bytes }: EncodedGroup, isSynced: boolean): Promise<bigint | null> {
    const { connection, name, life, clock, outage } = this.#options;
    this.#group += 1n;
    const group = this.#group;
    const startMs = performance.now();
    let resume = () => {};
    let failure: unknown = new Error("PostgreSQL does not answer");
    const unwatch = outage.watch(() => {
      resume = this.#options.suspend(failure);
    });
    let isSent = false;
    try {
      for (let failures = 0; ; failures += 1) {
        try {
          const values = [life.node, name, life.epoch, group, clock.nowMs(), isSynced, changes, bytes];
          const rows = await connection.query<{ after_seq: bigint | null }>(commitStatement, values, () => {
            isSent = true;
          });
          outage.ended();
          return rows[0]?.after_seq ?? null;
        } catch (error) {
          // The next try begins with the journal: this group may be written.
          if (!isTransient(error)) throw error;
          if (!isSent && performance.now() - startMs > outage.patienceMs) throw error;
          failure = error;
          await outage.pause(failures, error);
        }
      }
    } finally {
      unwatch();
      resume();
    }
  }
}
