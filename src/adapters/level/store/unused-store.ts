import { holdsStore } from "./data-directory.ts";
import { openRaw } from "./database.ts";
import { DirectoryLock } from "./directory-lock.ts";
import { rangeOf } from "./key.ts";
import { moveKey } from "./move-mark.ts";

/**
 * Returns true if a directory has a store with sessions, without a note about a move, or one that cannot be read. Changes nothing in it.
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
      return session !== undefined && (await level.get(moveKey)) === undefined;
    } finally {
      await level.close();
    }
  } catch {
    return true;
  } finally {
    await lock.release();
  }
}
