import { randomBytes } from "node:crypto";
import { open, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { Database, Operation } from "./database.ts";
import { keyOf, numberBytes, numberOf } from "./key.ts";

/** Which store this is: the same in its backups and copies. */
export const storeIdKey = keyOf("meta", "store");
/** Which directory it was last opened in. */
export const homeKey = keyOf("meta", "home");
/** A file that is made once and never changed, for the sake of its time of change. */
export const anchorFile = "home";

const storeIdBytes = 16;

/**
 * What tells a directory from its copies. The device is not part of it, since devices are numbered anew when a machine starts. Each
 * fact is 0 where the file system does not tell it.
 */
interface Home {
  /** Stays when the directory is moved within its file system. Mounts like virtiofs may number anew whenever they are mounted. */
  readonly inode: bigint;
  readonly bornNs: bigint;
  /** When the anchor was last changed: nothing but the file system can set it, so that any copy has a later one. */
  readonly anchorNs: bigint;
}

/**
 * Checks that the store is opened where it was opened before, and returns what records it. A copy of the directory would use the
 * Signal ratchets of the original once more: it is refused, unless `adopt` says that the original is not to be used any more.
 */
export async function identityAdditions(database: Database, adopt: boolean): Promise<Operation[]> {
  const { directory } = database;
  const [storeId, home] = await database.getMany([storeIdKey, homeKey]);
  if (home && !adopt && !isSame(homeOf(home), await factsOf(directory))) {
    throw new Error(
      "it is a copy: it was made in another directory. Two copies of a store destroy each other's WhatsApp sessions. " +
        "If the original will never be used again, set SESSIOND_ADOPT_STORE=true for one start",
    );
  }
  await leaveAnchor(directory);
  return [
    { type: "put", key: homeKey, value: bytesOf(await factsOf(directory)) },
    ...(storeId ? [] : [{ type: "put", key: storeIdKey, value: randomBytes(storeIdBytes) } as const]),
  ];
}

/** The inode is the same, and the time of birth where both are known; or the anchor is the very file that was left here. */
function isSame(home: Home, here: Home): boolean {
  const bornNs = [home.bornNs, here.bornNs];
  if (home.inode === here.inode && (bornNs.includes(0n) || home.bornNs === here.bornNs)) return true;
  return home.anchorNs !== 0n && home.anchorNs === here.anchorNs;
}

const bytesOf = ({ inode, bornNs, anchorNs }: Home): Uint8Array =>
  Buffer.concat([inode, bornNs, anchorNs].map(numberBytes));

/** Stores of earlier versions have no anchor. */
const homeOf = (value: Uint8Array): Home => ({
  inode: numberOf(value),
  bornNs: numberOf(value.subarray(8)),
  anchorNs: value.length > 16 ? numberOf(value.subarray(16)) : 0n,
});

async function factsOf(directory: string): Promise<Home> {
  const { ino, birthtimeNs, ctimeNs } = await stat(directory, { bigint: true });
  // Node puts the time of change there if the system has nothing better.
  return { inode: ino, bornNs: birthtimeNs === ctimeNs ? 0n : birthtimeNs, anchorNs: await anchorTime(directory) };
}

async function anchorTime(directory: string): Promise<bigint> {
  const facts = await stat(join(directory, anchorFile), { bigint: true }).catch(() => undefined);
  // A file system that keeps no time of change shows the time of modification, which copies take along.
  return facts && facts.ctimeNs !== facts.mtimeNs ? facts.ctimeNs : 0n;
}

/** Leaves the anchor in the directory if there is none. Does without where the file system refuses. */
async function leaveAnchor(directory: string): Promise<void> {
  const path = join(directory, anchorFile);
  try {
    const file = await open(path, "wx", 0o600);
    await file.close();
    // Unlike any time of change, so that the two can be told apart.
    await utimes(path, 1, 1);
  } catch {
    // It is there already, or the inode has to do.
  }
}
