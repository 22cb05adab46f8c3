import { randomBytes } from "node:crypto";
import type { Database, Operation } from "./database.ts";
import { identityOf } from "./directory-guard.ts";
import { keyOf, numberBytes } from "./key.ts";

/** Which store this is: the same in its backups and copies. */
export const storeIdKey = keyOf("meta", "store");
/** Which directory it was last opened in. */
export const homeKey = keyOf("meta", "home");

const storeIdBytes = 16;

/**
 * Checks that the store is opened where it was opened before, and returns what records it. A copy of the directory would use the
 * Signal ratchets of the original once more: it is refused, unless `adopt` says that the original is not to be used any more.
 */
export async function identityAdditions(database: Database, adopt: boolean): Promise<Operation[]> {
  const [storeId, home] = await database.getMany([storeIdKey, homeKey]);
  const { inode, bornNs } = await identityOf(database.directory);
  const here = Buffer.concat([numberBytes(inode), numberBytes(bornNs)]);
  if (home && !adopt && !isSame(home, here)) {
    throw new Error(
      "it is a copy: it was made in another directory. Two copies of a store destroy each other's WhatsApp sessions. " +
        "If the original will never be used again, set SESSIOND_ADOPT_STORE=true for one start",
    );
  }
  return [
    { type: "put", key: homeKey, value: here },
    ...(storeId ? [] : [{ type: "put", key: storeIdKey, value: randomBytes(storeIdBytes) } as const]),
  ];
}

/** Inodes must be the same, and times of birth where both are known. */
function isSame(home: Uint8Array, here: Uint8Array): boolean {
  const [was, is] = [Buffer.from(home), Buffer.from(here)];
  const bornNs = [was.readBigUInt64BE(8), is.readBigUInt64BE(8)];
  return was.subarray(0, 8).equals(is.subarray(0, 8)) && (bornNs.includes(0n) || bornNs[0] === bornNs[1]);
}
