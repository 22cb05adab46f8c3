import type { Sealer } from "../../../ports/sealer.ts";
import type { StoreMove, StoreRef } from "../../../ports/transfer.ts";
import { moveRefusal } from "../../embedded/move-refusal.ts";
import { Database, type Operation } from "../store/database.ts";
import { DirectoryLock } from "../store/directory-lock.ts";
import { currentFormat, type Program, readFormat } from "../store/format.ts";
import { checkIdentity, storeIdKey } from "../store/identity.ts";
import { moveKey, moveOf } from "../store/move-mark.ts";
import { checkSealKeys, type SealKeys } from "../store/seal-keys.ts";

/** Options for opening a store that moves. */
export interface TransferOptions {
  readonly directory: string;
  /** Sealer of values; undefined to store them unsealed. */
  readonly sealer: Sealer | undefined;
  /** True to open the store even if it is a copy. */
  readonly adopt: boolean;
  /** This program's version. */
  readonly version: string;
}

/** A store that moves, in whichever direction. */
export interface MovingStore {
  readonly database: Database;
  readonly ref: StoreRef;
  readonly move: StoreMove | undefined;
  readonly seals: SealKeys;
  /** Operations that record where the store is. */
  readonly identity: readonly Operation[];
  /** Writes to the disk, as long as the directory is ours. */
  write(operations: readonly Operation[]): Promise<void>;
  close(): Promise<void>;
}

/** Opens a store for a move without changing its entries. Rejects if it is in use, unknown, a copy, or sealed with another key. */
export async function openMoving(options: TransferOptions): Promise<MovingStore> {
  const lock = await DirectoryLock.acquire(options.directory);
  try {
    return await openLocked(lock, options);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Returns the error of a store that cannot be moved, or be moved to. */
export const unusable = (directory: string, cause: unknown): Error =>
  new Error(
    `the store in the data directory ${directory} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`,
    { cause },
  );

async function openLocked(lock: DirectoryLock, { directory, sealer, adopt, version }: TransferOptions) {
  const database = await Database.open(directory, sealer);
  try {
    const move = moveOf(await database.get(moveKey));
    // The format of a store with a note stands for the note.
    if (!move) await checkFormat(database, { version, format: currentFormat });
    const seals = await checkSealKeys(database, sealer);
    const identity = await checkIdentity(database, adopt);
    const [storeId] = await database.getMany([storeIdKey]);
    const id =
      storeId ?? identity.flatMap((one) => (one.key === storeIdKey && one.type === "put" ? [one.value] : []))[0];
    await lock.mark();
    return {
      database,
      move,
      seals,
      identity,
      ref: { place: placeOf(directory), id: Buffer.from(id ?? []).toString("hex") },
      async write(operations: readonly Operation[]) {
        await lock.verify();
        await database.batch(operations, { sync: true });
      },
      async close() {
        await database.close();
        await lock.release();
      },
    };
  } catch (cause) {
    await database.close();
    throw unusable(directory, cause);
  }
}

async function checkFormat(database: Database, program: Program): Promise<void> {
  const format = await readFormat(database, program);
  if (format !== undefined && format < program.format) {
    throw new Error("it is of an earlier version: start this version on it once, then move it");
  }
}

/** Throws for a store that a move has begun to fill. */
export function refuseImporting(directory: string, move: StoreMove | undefined): void {
  if (move?.state === "importing") throw unusable(directory, new Error(moveRefusal(move)));
}

/** Returns the words for a store in a directory. */
export const placeOf = (directory: string): string => `LevelDB in ${directory}`;
