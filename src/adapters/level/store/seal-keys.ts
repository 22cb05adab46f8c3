import type { Sealer } from "../../../ports/sealer.ts";
import type { Database, Operation } from "./database.ts";
import { keyOf, partsOf, rangeOf } from "./key.ts";

// One entry for each key that something may be sealed with: a text sealed with it.
const entryOf = (keyId: string) => keyOf("meta", "seal", keyId);
const proof = Buffer.from("sessiond");

/** Which keys a store needs. */
export interface SealKeys {
  /** Says that the present key is in use; empty if it is known already. */
  readonly additions: readonly Operation[];
  /** Something may not be sealed with the present key. */
  readonly outdated: boolean;
}

/** The entry that says that everything is sealed with the present key. */
const completeKey = keyOf("meta", "sealed");

/** Checks that all keys are there that the store is sealed with. Throws, naming what to set. */
export async function checkSealKeys(database: Database, sealer: Sealer | undefined): Promise<SealKeys> {
  const entries = await database.entries(rangeOf("meta", "seal"));
  const ids = entries.map(([key]) => partsOf(key, 2).texts[1] ?? "");
  if (!sealer) {
    if (ids.length > 0) throw new Error("it is encrypted, and SESSIOND_SECRET_KEY is not set");
    return { additions: [], outdated: false };
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
  const known = ids.includes(sealer.keyId);
  const complete = await database.get(completeKey);
  return {
    additions: known ? [] : [{ type: "put", key, value: sealer.seal(proof, key) }],
    outdated: ids.some((id) => id !== sealer.keyId) || Buffer.from(complete ?? []).toString() !== sealer.keyId,
  };
}

/** What records that everything is sealed with the present key, and that no other is needed any more. */
export async function sealedThrough(database: Database, sealer: Sealer): Promise<Operation[]> {
  const keys = await database.keys(rangeOf("meta", "seal")).all();
  const former = keys.filter((key) => partsOf(key, 2).texts[1] !== sealer.keyId);
  return [
    ...former.map((key): Operation => ({ type: "del", key })),
    { type: "put", key: completeKey, value: Buffer.from(sealer.keyId) },
  ];
}
