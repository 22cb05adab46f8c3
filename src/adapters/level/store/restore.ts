import { copyFile, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { holdsStore, syncDirectory } from "./data-directory.ts";
import { openRaw, type RawDatabase } from "./database.ts";
import { DirectoryLock, lockFiles } from "./directory-lock.ts";
import { formatKey } from "./format.ts";
import { type GenerationCount, generationBytes, generationKey, generationOf } from "./generation.ts";
import { homeKey, storeIdKey } from "./identity.ts";
import { numberBytes, numberOf } from "./key.ts";
import { moveKey, refuseMove } from "./move-mark.ts";
import { lifeKey, seqKey } from "./opening.ts";

/** Options for a restore. */
export interface RestoreOptions {
  /** Directory of the backup, which is only read. */
  readonly backup: string;
  /** Directory of the store: with the present store, empty, or missing. No process may have it open. */
  readonly directory: string;
  /** True to replace a different store, or one that has used its ratchets since. */
  readonly force: boolean;
}

/** Result of a restore. */
export interface RestoreReport {
  readonly generation: GenerationCount;
  /** Directory to which the former store was moved; undefined if there was none. */
  readonly replaced: string | undefined;
}

/** The restore would break WhatsApp sessions. `force` overrides it. */
export class RestoreRefused extends Error {
  override readonly name = "RestoreRefused";
}

interface Facts {
  readonly storeId: Uint8Array | undefined;
  readonly life: bigint;
  readonly seq: bigint;
  readonly generation: GenerationCount;
  /** Note about a move. */
  readonly move: Uint8Array | undefined;
}

/**
 * Replaces a store with a backup and moves the store's directory aside. Rejects with RestoreRefused if the store has changed
 * credentials since the backup, since Signal ratchets would be used twice. It cannot detect a store in use elsewhere.
 */
export async function restoreStore({ backup, directory, force }: RestoreOptions): Promise<RestoreReport> {
  if (!(await holdsStore(backup))) throw new Error(`there is no backup in ${backup}`);
  const lock = await DirectoryLock.acquire(directory);
  const staging = `${directory}.restoring`;
  try {
    await rm(staging, { recursive: true, force: true });
    const live = (await holdsStore(directory)) ? await openAndReadFacts(directory) : undefined;
    if (live) refuseMoved(`the store in ${directory}`, live);
    await copyFiles(backup, staging);
    const generation = await prepare(staging, live, force);
    const replaced = await freeName(`${directory}.replaced`);
    await rename(directory, replaced);
    await rename(staging, directory);
    await syncDirectory(dirname(directory));
    if (!live) await rm(replaced, { recursive: true });
    return { generation, replaced: live && replaced };
  } finally {
    await rm(staging, { recursive: true, force: true });
    await lock.release();
  }
}

/** Raises a copy's seq, epoch and generation above those of the store it replaces, so that none is used twice. */
async function prepare(directory: string, live: Facts | undefined, force: boolean): Promise<GenerationCount> {
  const level = await openRaw(directory);
  try {
    const facts = await readFacts(level);
    refuseMoved("the backup", facts);
    if (live && !force) check(facts, live);
    const after = live ?? facts;
    const generation = {
      writes: greater(facts.generation.writes, after.generation.writes),
      ratchets: greater(facts.generation.ratchets, after.generation.ratchets),
    };
    await level.batch(
      [
        { type: "del", key: homeKey },
        { type: "put", key: lifeKey, value: numberBytes(greater(facts.life, after.life)) },
        { type: "put", key: seqKey, value: numberBytes(greater(facts.seq, after.seq)) },
        { type: "put", key: generationKey, value: generationBytes(generation) },
      ],
      { sync: true },
    );
    return facts.generation;
  } finally {
    await level.close();
  }
}

function check(backup: Facts, live: Facts): void {
  const isSame = Buffer.from(backup.storeId ?? []).equals(Buffer.from(live.storeId ?? []));
  if (!isSame) throw new RestoreRefused("the store there is not the one that this is a backup of");
  const since = live.generation.ratchets - backup.generation.ratchets;
  if (since > 0n) {
    throw new RestoreRefused(
      `the store there has changed credentials ${since} times since: going back would use Signal ratchets again, and WhatsApp ` +
        "sessions may fail to decrypt or be logged out",
    );
  }
}

async function openAndReadFacts(directory: string): Promise<Facts> {
  const level = await openRaw(directory);
  try {
    return await readFacts(level);
  } finally {
    await level.close();
  }
}

async function readFacts(level: RawDatabase): Promise<Facts> {
  const keys = [formatKey, storeIdKey, lifeKey, seqKey, generationKey, moveKey];
  const values: (Uint8Array | undefined)[] = await level.getMany(keys);
  const [format, storeId, life, seq, generation, move] = values;
  if (!format) throw new Error("it was not made by sessiond");
  return {
    storeId,
    life: life ? numberOf(life) : 0n,
    seq: seq ? numberOf(seq) : 0n,
    generation: generationOf(generation),
    move,
  };
}

/** Throws for a store that goes on elsewhere, or that a move has begun to fill: sessions would run twice. No force overrides it. */
function refuseMoved(name: string, { move }: Facts): void {
  try {
    refuseMove(move);
  } catch (cause) {
    throw new Error(`${name} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** Copies a backup's files. The backup is not opened, since opening would change it. */
async function copyFiles(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (!entry.isFile() || entry.name === "LOCK" || lockFiles.includes(entry.name)) continue;
    await copyFile(join(from, entry.name), join(to, entry.name));
  }
}

/** Returns the first of the names "name-1", "name-2" … that no file has. */
export async function freeName(name: string): Promise<string> {
  for (let n = 1; ; n += 1) if (!(await exists(`${name}-${n}`))) return `${name}-${n}`;
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

const greater = (left: bigint, right: bigint): bigint => (left > right ? left : right);
