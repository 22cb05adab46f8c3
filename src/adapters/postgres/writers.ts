import { StoreUnavailable } from "../../domain/errors.ts";
import type { LoggedEvents, StoredEvent } from "../../ports/cluster.ts";
import { CreationKeyTaken, LeaseLost } from "../../ports/sessions.ts";
import type { MonotonicClock } from "../../ports/system.ts";
import { GroupWriter, WritesRefused } from "../embedded/group-writer.ts";
import { isTransient, sqlStateOf, takenOver } from "./store/failures.ts";
import { encodeGroup } from "./store/group.ts";
import { GroupSize } from "./store/group-size.ts";
import { type CommitResult, Lane } from "./store/lane.ts";
import type { OpenStore } from "./store/opening.ts";
import type { Operation } from "./store/operation.ts";

/** Options of a store's writers. */
export interface WritersOptions {
  readonly store: OpenStore;
  readonly clock: MonotonicClock;
  /** Called once a group with events is in the log after `afterSeq`, before it is published. */
  placed(afterSeq: bigint): Promise<void>;
  /** Called once a group with events is written, before `written` of its writes. */
  logged(events: LoggedEvents): void;
  /** Reloads the state in memory after a group of the log that was not written. */
  restored(): Promise<void>;
  /** Called when writes of sessions are refused, as this node does not own them. Their owners stop before this returns. */
  lost(sessions: readonly string[]): void;
  /** Reloads the state in memory of sessions whose write was refused, as another session has their idempotency key. */
  refused(sessions: readonly string[]): Promise<void>;
}

/**
 * The writers of a store: one for the log and what belongs to it, one for engine data, so that keys never wait for the lock on the
 * log. A group of the log that wipes engine data waits for the other writer, and the other writer for it.
 */
export class Writers {
  readonly log: GroupWriter<Operation>;
  readonly data: GroupWriter<Operation>;
  readonly #options: WritersOptions;
  #wipe: Promise<void> | undefined;
  /** Events of the group of the log that was written last. */
  #logged: LoggedEvents | undefined;

  constructor(options: WritersOptions) {
    this.#options = options;
    const { store, clock } = options;
    const { connections, membership, outage } = store;
    const laneOf = (name: "log" | "data"): Lane =>
      new Lane({
        connection: connections[name],
        name,
        clock,
        outage,
        isFrozen: () => membership.standing.isFrozen,
        suspend: (cause) => this[name].suspend(cause),
      });
    const [logLane, dataLane] = [laneOf("log"), laneOf("data")];
    const [logSize, dataSize] = [new GroupSize(), new GroupSize()];
    this.log = new GroupWriter({
      batch: (operations, { sync }) =>
        this.#apartFromData(operations, async () => {
          this.#logged = undefined;
          const afterSeq = await this.#commit(logLane, operations, sync);
          if (afterSeq === null) return;
          await options.placed(afterSeq);
          this.#logged = loggedBy(operations, afterSeq);
        }),
      complete: () => {},
      isFull: (operations) => logSize.isFull(operations),
      written: () => this.#logged && options.logged(this.#logged),
      recover: (_, cause) => this.#recover(cause, () => options.restored()),
    });
    this.data = new GroupWriter({
      batch: async (operations, { sync }) => {
        await this.#commit(dataLane, operations, sync);
      },
      complete: () => {},
      isFull: (operations) => dataSize.isFull(operations),
      written: () => {},
      recover: (_, cause) => this.#recover(cause, async () => void (await store.reads.query("SELECT 1"))),
    });
  }

  /** Resolves when no engine data is being wiped. Handles made meanwhile are on the data after the wipe. */
  async wiped(): Promise<void> {
    while (this.#wipe) await this.#wipe;
  }

  /** Refuses further writes, and resolves when the accepted ones are done. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([this.log.close(), this.data.close()]);
  }

  /** Writes a group while no engine data is written, if the group wipes some. */
  async #apartFromData(operations: readonly Operation[], write: () => Promise<void>): Promise<void> {
    if (!operations.some(({ type }) => type === "wipe")) return write();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wipe = promise;
    try {
      await this.data.flushed();
      await write();
    } finally {
      this.#wipe = undefined;
      resolve();
    }
  }

  /** Writes a group. Rejects with WritesRefused if this node may not write all of it. */
  async #commit(lane: Lane, operations: readonly Operation[], isSynced: boolean): Promise<bigint | null> {
    const { lost, refused, store } = this.#options;
    const { membership, values } = store;
    const { life } = membership;
    try {
      const result = await lane.commit(encodeGroup(operations, values), isSynced, life);
      if (result.lost.length === 0 && result.taken.length === 0) return result.afterSeq;
      lost(result.lost);
      await refused(result.taken);
      throw new WritesRefused((owner) => refusalOf(owner, result));
    } catch (error) {
      if (sqlStateOf(error) !== takenOver) throw error;
      membership.lose(life);
      throw new WritesRefused((owner) => (owner === undefined ? new StoreUnavailable(error) : leaseLost(owner)));
    }
  }

  async #recover(cause: unknown, restore: () => Promise<void>): Promise<void> {
    const { outage } = this.#options.store;
    for (let failures = 0; ; failures += 1) {
      await outage.pause(failures, cause);
      try {
        return await restore();
      } catch (error) {
        if (!isTransient(error)) throw error;
      }
    }
  }
}

/** Bytes of events that other nodes are told with an announcement, at most. They read larger groups from the database. */
const maxToldBytes = 65_536;

/** Numbers the events of a group that was written after `afterSeq`, and returns them for other nodes. */
function loggedBy(operations: readonly Operation[], afterSeq: bigint): LoggedEvents {
  let seq = afterSeq;
  let bytes = 0;
  let isTold = true;
  const events: StoredEvent[] = [];
  for (const operation of operations) {
    // Other nodes read of removals in the database.
    if (operation.type === "remove") isTold = false;
    if (operation.type !== "event") continue;
    seq += 1n;
    operation.seq = seq;
    const { session, id, stored: value = new Uint8Array() } = operation;
    bytes += value.byteLength;
    events.push({ session, id, value });
  }
  return { afterSeq, seq, events: isTold && bytes <= maxToldBytes ? events : [] };
}

const leaseLost = (session: string) => new LeaseLost(`another node has session "${session}"`);

function refusalOf(owner: string | undefined, { lost, taken }: CommitResult): Error | undefined {
  if (owner === undefined) return undefined;
  if (lost.includes(owner)) return leaseLost(owner);
  if (taken.includes(owner))
    return new CreationKeyTaken(`another session has the idempotency key of session "${owner}"`);
  return undefined;
}
