import { rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { StoreMarks, StoreTarget } from "../../../ports/transfer.ts";
import { recordClock } from "../store/clock-mark.ts";
import { syncDirectory } from "../store/data-directory.ts";
import type { Database, Operation } from "../store/database.ts";
import { numberBytes, numberOf, rangeOf } from "../store/key.ts";
import { moveAdditions, moveRemovals } from "../store/move-mark.ts";
import { lifeKey, recordSeq, seqKey } from "../store/opening.ts";
import { freeName } from "../store/restore.ts";
import { completeResealing } from "../store/seal-keys.ts";
import { entryAdditions, readEntries } from "./entries.ts";
import { type MovingStore, openMoving, type TransferOptions } from "./opening.ts";

/** Range of everything but facts about the store. */
const allEntries = { gte: rangeOf("meta").lt, lt: Buffer.of(0xff) };
const removedAtOnce = 1024;

/** A store to move to. */
export interface LevelTarget extends StoreTarget {
  /** Directory to which a store was moved aside that had moved away; undefined if there was none. */
  readonly putAside: string | undefined;
}

/** Options for a target. */
export interface TargetOptions extends TransferOptions {
  /** True if a store that has moved away from there may be put aside. */
  readonly mayPutAside: boolean;
}

/** Opens a directory for a store from another place. Rejects with a message that names the directory. */
export async function openLevelTarget(options: TargetOptions): Promise<LevelTarget> {
  const { directory, mayPutAside } = options;
  let store = await openMoving(options);
  let putAside: string | undefined;
  if (store.move?.state === "moved" && mayPutAside) {
    await store.close();
    putAside = await freeName(`${directory}.moved`);
    await rename(directory, putAside);
    await syncDirectory(dirname(directory));
    store = await openMoving(options);
  }
  return { ...(await targetOf(store, options)), putAside };
}

async function targetOf(store: MovingStore, { sealer }: TransferOptions): Promise<StoreTarget> {
  const { database, ref, move, write } = store;
  return {
    ref,
    isUsed: move?.state !== "importing" && (await holdsEntries(database)),
    importedFrom: move?.other,
    async begin(from, again) {
      const move = moveAdditions({ state: "importing", other: from, command: again });
      await write([...move, ...store.identity, ...store.seals.additions]);
      await removeEntries(database, write);
    },
    add: (family, entries) => write(entryAdditions(family, entries)),
    entries: (family) => readEntries(database, family),
    async activate(marks) {
      const counters = await countersOf(database, marks);
      const sealed = sealer ? await completeResealing(database, sealer) : [];
      await write([...counters, ...sealed, ...moveRemovals]);
    },
    close: store.close,
  };
}

async function holdsEntries(database: Database): Promise<boolean> {
  const [seq] = await database.getMany([seqKey]);
  if (seq && numberOf(seq) > 0n) return true;
  return (await database.keys({ ...allEntries, limit: 1 }).all()).length > 0;
}

async function removeEntries(database: Database, write: MovingStore["write"]): Promise<void> {
  for (;;) {
    const keys = await database.keys({ ...allEntries, limit: removedAtOnce }).all();
    if (keys.length === 0) return;
    await write(keys.map((key): Operation => ({ type: "del", key })));
  }
}

/** Returns the operations that set the counters. The store may have been opened before, while it was empty. */
async function countersOf(database: Database, { lastSeq, lives, clockMs }: StoreMarks): Promise<Operation[]> {
  const [life] = await database.getMany([lifeKey]);
  const livesHere = life ? numberOf(life) : 0n;
  return [
    recordSeq(lastSeq),
    { type: "put", key: lifeKey, value: numberBytes(lives > livesHere ? lives : livesHere) },
    ...(clockMs === undefined ? [] : [recordClock(clockMs)]),
  ];
}
