import { holdsStore } from "./data-directory.ts";
import { openRaw } from "./database.ts";
import { DirectoryLock } from "./directory-lock.ts";
import { keyOf, rangeOf } from "./key.ts";

/** Key of the place that a store's sessions were moved to. A store that has it is not opened again. */
export const movedKey = keyOf("meta", "moved_to");

/**
 * Returns true if a directory has a store with sessions that were not moved elsewhere, or that cannot be read. Changes nothing in it.
 * A store that another process has open is that one's, and counts as none.
 */
export async function holdsSessions(directory: string): Promise<boolean> {
  if (!(await holdsStore(directory))) return false;
  let lock: DirectoryLock;
  try {
    lock = await DirectoryLock.acquire(directory);
  } catch {
    return false;
  }
  try {
    const level = await openRaw(directory);
    try {
      const [session] = await level.keys({ ...rangeOf("record"), limit: 1 }).all();
      return session !== undefined && (await level.get(movedKey)) === undefined;
    } finally {
      await level.close();
    }
  } catch {
    return true;
  } finally {
    await lock.release();
  }
}
