import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Backup } from "../../../ports/backups.ts";
import { syncDirectory } from "./data-directory.ts";
import { type Database, openRaw } from "./database.ts";
import { generationKey, generationOf } from "./generation.ts";
import { homeKey } from "./identity.ts";

const pageSize = 512;

/**
 * Writes the store's present state to a new directory while the store is in use. Sealed values stay sealed. Rejects if the directory
 * exists; it appears under its name once it is complete and on disk.
 */
export async function backUp(database: Database, directory: string): Promise<Backup> {
  const parent = dirname(directory);
  await mkdir(parent, { recursive: true, mode: 0o700 });
  await mkdir(directory, { mode: 0o700 });
  const partial = `${directory}.partial`;
  try {
    const report = await copyEntries(database, partial);
    await rename(partial, directory);
    await syncDirectory(parent);
    return { directory, ...report };
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function copyEntries(database: Database, directory: string): Promise<Omit<Backup, "directory">> {
  const copy = await openRaw(directory);
  let [entries, bytes] = [0, 0];
  let generation = generationOf(undefined);
  try {
    for await (const page of database.pagesRaw(pageSize)) {
      // A backup has no home until it is restored.
      const operations = page.filter(([key]) => !isSame(key, homeKey));
      for (const [key, value] of operations) {
        if (isSame(key, generationKey)) generation = generationOf(value);
        bytes += key.length + value.length;
      }
      entries += operations.length;
      await copy.batch(operations.map(([key, value]) => ({ type: "put", key, value })));
    }
    // A synced write flushes the log before it too.
    await copy.batch([{ type: "del", key: homeKey }], { sync: true });
  } finally {
    await copy.close();
  }
  return { entries, bytes, generation };
}

const isSame = (left: Uint8Array, right: Uint8Array): boolean => Buffer.compare(left, right) === 0;
