import { randomBytes } from "node:crypto";
import { open, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { Database, Operation } from "./database.ts";
import { keyOf, numberBytes, numberOf } from "./key.ts";

/** Key of the store's id, which its backups and copies share. */
export const storeIdKey = keyOf("meta", "store");
/** Key of the directory in which the store was last opened. */
export const homeKey = keyOf("meta", "home");
/** File that is created once and never changed, so that its time of change identifies the directory. */
export const anchorFile = "home";

const storeIdBytes = 16;

/**
 * Facts that tell a directory from its copies; each is 0 if the file system does not provide it. The device number is left out, since
 * it can change when the machine starts.
 */
interface Home {
  /** Inode number. It survives a move within the file system, but mounts such as virtiofs may assign a new one. */
  readonly inode: bigint;
  /** Time of birth. */
  readonly bornNs: bigint;
  /** Time of the anchor's last change. Only the file system can set it, so every copy has a later one. */
  readonly anchorNs: bigint;
}

/**
 * Checks that the store is in the directory where it was last opened, and returns the operations that record it. Throws for a copy,
 * which would reuse the original's Signal ratchets, unless `adopt` declares the original retired.
 */
export async function checkIdentity(database: Database, adopt: boolean): Promise<Operation[]> {
  const { directory } = database;
  const [storeId, home] = await database.getMany([storeIdKey, homeKey]);
  if (home && !adopt && !isSame(decodeHome(home), await readHome(directory))) {
    throw new Error(
      "it is a copy: it was made in another directory. Two copies of a store destroy each other's WhatsApp sessions. " +
        "If the original will never be used again, set SESSIOND_ADOPT_STORE=true for one start",
    );
  }
  await ensureAnchor(directory);
  return [
    { type: "put", key: homeKey, value: encodeHome(await readHome(directory)) },
    ...(storeId ? [] : [{ type: "put", key: storeIdKey, value: randomBytes(storeIdBytes) } as const]),
  ];
}

/** Returns whether two homes are one: same inode and, where both are known, time of birth; or the same anchor file. */
function isSame(home: Home, here: Home): boolean {
  const bornNs = [home.bornNs, here.bornNs];
  if (home.inode === here.inode && (bornNs.includes(0n) || home.bornNs === here.bornNs)) return true;
  return home.anchorNs !== 0n && home.anchorNs === here.anchorNs;
}

const encodeHome = ({ inode, bornNs, anchorNs }: Home): Uint8Array =>
  Buffer.concat([inode, bornNs, anchorNs].map(numberBytes));

/** Decodes a home. Stores of earlier versions have no anchor. */
const decodeHome = (value: Uint8Array): Home => ({
  inode: numberOf(value),
  bornNs: numberOf(value.subarray(8)),
  anchorNs: value.length > 16 ? numberOf(value.subarray(16)) : 0n,
});

async function readHome(directory: string): Promise<Home> {
  const { ino, birthtimeNs, ctimeNs } = await stat(directory, { bigint: true });
  // Node reports the time of change if the system has no time of birth.
  return { inode: ino, bornNs: birthtimeNs === ctimeNs ? 0n : birthtimeNs, anchorNs: await anchorTime(directory) };
}

async function anchorTime(directory: string): Promise<bigint> {
  const facts = await stat(join(directory, anchorFile), { bigint: true }).catch(() => undefined);
  // File systems without a time of change report the time of modification, which copies preserve.
  return facts && facts.ctimeNs !== facts.mtimeNs ? facts.ctimeNs : 0n;
}

/** Creates the anchor file if it is missing. Ignores errors, since the inode may suffice. */
async function ensureAnchor(directory: string): Promise<void> {
  const path = join(directory, anchorFile);
  try {
    const file = await open(path, "wx", 0o600);
    await file.close();
    // Differs from every time of change, so that `anchorTime` can tell the two apart.
    await utimes(path, 1, 1);
  } catch {
    // The file exists, or the file system refuses it.
  }
}
