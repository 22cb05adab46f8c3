import type { MonotonicClock } from "../../../ports/system.ts";
import type { Connection } from "./connection.ts";
import { isCreationRace, isTransient } from "./failures.ts";
import type { EncodedGroup } from "./group.ts";
import type { Outage } from "./outage.ts";
import { fromStoredText } from "./text.ts";

/** A life of a node: from its start, or from the loss of its sessions, to the next one. */
export interface NodeLife {
  readonly node: number;
  readonly epoch: bigint;
}

/** Result of a group. */
export interface CommitResult {
  /** The end of the log before its events; null without events, and if nothing was written. */
  readonly afterSeq: bigint | null;
  /** Sessions that this node does not own. If there are any, nothing was written. */
  readonly lost: readonly string[];
  /** Sessions whose idempotency key another session has. Likewise. */
  readonly taken: readonly string[];
}

/** Options of a lane. */
export interface LaneOptions {
  readonly connection: Connection;
  readonly name: "log" | "data";
  readonly clock: MonotonicClock;
  readonly outage: Outage;
  /** Returns true while nothing may be sent, as another node may take over. */
  isFrozen(): boolean;
  /** Called when a write has waited long; returns the function to call when it is through. */
  suspend(cause: unknown): () => void;
}

interface CommitRow extends Record<string, unknown> {
  readonly after_seq: bigint | null;
  /** Arrays of names, as JSON. */
  readonly lost: string;
  readonly taken: string;
}

const commitStatement = `SELECT after_seq, coalesce(to_json(lost), '[]')::text AS lost, coalesce(to_json(taken), '[]')::text AS taken
  FROM sessiond.commit_v1($1, $2, $3, $4, $5, $6, $7, $8)`;

/** A connection that writes groups, one after another. */
export class Lane {
  readonly #options: LaneOptions;
  #group = 0n;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /**
   * Writes a group exactly once, however often the connection is lost meanwhile. Rejects if nothing was written, or if the store is closed
   * while it waits: a group that was sent waits as long as PostgreSQL is away, as it may have been written.
   */
  async commit({ changes, bytes }: EncodedGroup, isSynced: boolean, life: NodeLife): Promise<CommitResult> {
    const { connection, name, clock, outage } = this.#options;
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
          if (this.#options.isFrozen()) throw new Error("this node has not reached PostgreSQL for too long");
          const values = [life.node, name, life.epoch, group, clock.nowMs(), isSynced, changes, bytes];
          const [row] = await connection.query<CommitRow>(commitStatement, values, () => {
            if (this.#options.isFrozen()) throw new Error("this node has not reached PostgreSQL for too long");
            isSent = true;
          });
          outage.ended();
          return resultOf(row);
        } catch (error) {
          if (isCreationRace(error)) continue;
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

function resultOf(row: CommitRow | undefined): CommitResult {
  return { afterSeq: row?.after_seq ?? null, lost: namesIn(row?.lost), taken: namesIn(row?.taken) };
}

function namesIn(json = "[]"): string[] {
  if (json === "[]") return [];
  const stored: string[] = JSON.parse(json);
  return stored.map(fromStoredText);
}
