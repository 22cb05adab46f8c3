import type { Sealer } from "../../../ports/sealer.ts";
import type { Database, Operation } from "./database.ts";
import { keyOf, partsOf, rangeOf } from "./key.ts";

// There is one entry per key that may be in use. Its value is a known text sealed with that key.
const entryOf = (keyId: string) => keyOf("meta", "seal", keyId);
const proof = Buffer.from("sessiond");

/** Result of the check of a store's keys. */
export interface SealKeys {
  /** Operations that record the present key; empty if it is recorded. */
  readonly additions: readonly Operation[];
  /** True if some values may not be sealed with the present key. */
  readonly isOutdated: boolean;
}

/** Key of the entry that names the key with which every value is sealed. */
const completeKey = keyOf("meta", "sealed");

/** Checks that the sealer has every key in use. Throws an Error that names the variable to set. */
export async function checkSealKeys(database: Database, sealer: Sealer | undefined): Promise<SealKeys> {
  const entries = await database.entries(rangeOf("meta", "seal"));
  const ids = entries.map(([key]) => partsOf(key, 2).texts[1] ?? "");
  if (!sealer) {
    if (ids.length > 0) throw new Error("it is encrypted, and SESSIOND_SECRET_KEY is not set");
    return { additions: [], isOutdated: false };
  }
  for (const [index, [key, value]] of entries.entries()) {
    try {
      if (!proof.equals(sealer.open(value, key))) throw new Error("the proof is another");
    } catch (cause) {
      const former =
        ids[index] === sealer.keyId ? "" : " Put a key that was replaced into SESSIOND_SECRET_KEY_PREVIOUS.";
      throw new Error(`it is encrypted with another key than SESSIOND_SECRET_KEY (key id ${ids[index]}).${former}`, {
        cause,
      });
    }
  }
  const key = entryOf(sealer.keyId);
  const isKnown = ids.includes(sealer.keyId);
  const complete = await database.get(completeKey);
  return {
    additions: isKnown ? [] : [{ type: "put", key, value: sealer.seal(proof, key) }],
    isOutdated: ids.some((id) => id !== sealer.keyId) || Buffer.from(complete ?? []).toString() !== sealer.keyId,
  };
}

/** Returns the operations that record that every value is sealed with the present key, and that remove the other keys. */
export async function completeResealing(database: Database, sealer: Sealer): Promise<Operation[]> {
  const keys = await database.keys(rangeOf("meta", "seal")).all();
  const former = keys.filter((key) => partsOf(key, 2).texts[1] !== sealer.keyId);
  return [
    ...former.map((key): Operation => ({ type: "del", key })),
    { type: "put", key: completeKey, value: Buffer.from(sealer.keyId) },
  ];
}
