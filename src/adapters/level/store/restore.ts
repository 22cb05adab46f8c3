import { copyFile, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { holdsStore, syncDirectory } from "./data-directory.ts";
import { openRaw, type RawDatabase } from "./database.ts";
import { DirectoryGuard, guardFiles } from "./directory-guard.ts";
import { formatKey } from "./format.ts";
import { type GenerationCount, generationBytes, generationKey, generationOf } from "./generation.ts";
import { homeKey, storeIdKey } from "./identity.ts";
import { numberBytes, numberOf } from "./key.ts";
import { lifeKey, seqKey } from "./opening.ts";

/** What is to be put where. */
export interface RestoreOptions {
  /** A directory that a backup was written to. It is only read. */
  readonly backup: string;
  /** Where the store is to be: a directory with the store as it is now, an empty one, or none. Nobody may have it open. */
  readonly directory: string;
  /** Even if the store there is another one, or has used its ratchets since. */
  readonly force: boolean;
}

/** What was done. */
export interface RestoreReport {
  readonly generation: GenerationCount;
  /** Where the store went that was there before. */
  readonly replaced: string | undefined;
}

/** What is asked for would destroy WhatsApp sessions; it can be forced. */
export class RestoreRefused extends Error {
  override readonly name = "RestoreRefused";
}

interface Facts {
  readonly storeId: Uint8Array | undefined;
  readonly life: bigint;
  readonly seq: bigint;
  readonly generation: GenerationCount;
}

/**
 * Puts a backup in the place of a store, whose own directory is kept under another name. Rejects with RestoreRefused where Signal
 * ratchets would be used again: the store there has changed credentials since. What it cannot see is a store elsewhere that goes on.
 */
export async function restoreStore({ backup, directory, force }: RestoreOptions): Promise<RestoreReport> {
  if (!(await holdsStore(backup))) throw new Error(`there is no backup in ${backup}`);
  const guard = await DirectoryGuard.acquire(directory);
  const staging = `${directory}.restoring`;
  try {
    await rm(staging, { recursive: true, force: true });
    const live = (await holdsStore(directory)) ? await factsIn(directory) : undefined;
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
    await guard.release();
  }
}

/** Makes a copy the successor of what it replaces: no place in the log, no epoch and no generation comes twice. */
async function prepare(directory: string, live: Facts | undefined, force: boolean): Promise<GenerationCount> {
  const level = await openRaw(directory);
  try {
    const facts = await readFacts(level);
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

async function factsIn(directory: string): Promise<Facts> {
  const level = await openRaw(directory);
  try {
    return await readFacts(level);
  } finally {
    await level.close();
  }
}

async function readFacts(level: RawDatabase): Promise<Facts> {
  const keys = [formatKey, storeIdKey, lifeKey, seqKey, generationKey];
  const values: (Uint8Array | undefined)[] = await level.getMany(keys);
  const [format, storeId, life, seq, generation] = values;
  if (!format) throw new Error("it was not made by sessiond");
  return {
    storeId,
    life: life ? numberOf(life) : 0n,
    seq: seq ? numberOf(seq) : 0n,
    generation: generationOf(generation),
  };
}

/** The backup itself is not opened: that would change it. */
async function copyFiles(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (!entry.isFile() || entry.name === "LOCK" || guardFiles.includes(entry.name)) continue;
    await copyFile(join(from, entry.name), join(to, entry.name));
  }
}

async function freeName(name: string): Promise<string> {
  for (let n = 1; ; n += 1) if (!(await exists(`${name}-${n}`))) return `${name}-${n}`;
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

const greater = (left: bigint, right: bigint): bigint => (left > right ? left : right);
