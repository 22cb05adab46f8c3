import type { Sealer } from "../../../ports/sealer.ts";
import type { Connection } from "./connection.ts";
import type { Values } from "./values.ts";

const proof = Buffer.from("sessiond");
const contextOf = (keyId: string) => Buffer.from(`sessiond seal ${keyId}`);

/** Result of the check of a store's keys. */
export interface SealKeys {
  /** Records the present key, if it is not recorded. */
  record(): Promise<void>;
  /** True if some values may not be sealed with the present key. */
  readonly isOutdated: boolean;
}

/** Checks that the sealer has every key in use. Throws an Error that names the variable to set. */
export async function checkSealKeys(connection: Connection, { sealer }: Values): Promise<SealKeys> {
  const keys = await connection.query<{ key_id: string; proof: Buffer; is_complete: boolean }>(
    "SELECT key_id, proof, is_complete FROM sessiond.seal",
  );
  if (!sealer) {
    if (keys.length > 0) throw new Error("it is encrypted, and SESSIOND_SECRET_KEY is not set");
    return { record: async () => {}, isOutdated: false };
  }
  for (const key of keys) checkKey(sealer, key.key_id, key.proof);
  const present = keys.find(({ key_id }) => key_id === sealer.keyId);
  return {
    async record() {
      if (present) return;
      const sealed = sealer.seal(proof, contextOf(sealer.keyId));
      await connection.query("INSERT INTO sessiond.seal (key_id, proof) VALUES ($1, $2)", [sealer.keyId, sealed]);
    },
    isOutdated: keys.length > 1 || !present?.is_complete,
  };
}

/** Records that every value is sealed with the present key. */
export async function completeSealing(connection: Pick<Connection, "query">, { keyId }: Sealer): Promise<void> {
  await connection.query(
    "WITH former AS (DELETE FROM sessiond.seal WHERE key_id <> $1) UPDATE sessiond.seal SET is_complete = true WHERE key_id = $1",
    [keyId],
  );
}

function checkKey(sealer: Sealer, keyId: string, sealed: Uint8Array): void {
  try {
    if (!proof.equals(sealer.open(sealed, contextOf(keyId)))) throw new Error("the proof is another");
  } catch (cause) {
    const former = keyId === sealer.keyId ? "" : " Put a key that was replaced into SESSIOND_SECRET_KEY_PREVIOUS.";
    throw new Error(`it is encrypted with another key than SESSIOND_SECRET_KEY (key id ${keyId}).${former}`, { cause });
  }
}
