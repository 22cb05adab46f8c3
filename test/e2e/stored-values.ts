import assert from "node:assert/strict";
import { Level } from "level";
import { credsKey, decodeCreds, formerCredsKey } from "../../src/adapters/baileys/login.ts";
import { rangeOf } from "../../src/adapters/level/store/key.ts";

/**
 * Asserts that every credential in a store can be read, so that no value is torn. The store must be closed and not
 * sealed.
 */
export async function assertWhole(directory: string): Promise<void> {
  const level = new Level<Uint8Array, Uint8Array>(directory, { keyEncoding: "view", valueEncoding: "view" });
  try {
    let count = 0;
    for await (const [key, value] of level.iterator(rangeOf("credentials"))) {
      count += 1;
      const name = Buffer.from(key).toString();
      if (value.length === 0 || /inbox:\d/.test(name)) continue;
      assert.doesNotThrow(() => JSON.parse(Buffer.from(value).toString()), name);
      if (name.includes(`${credsKey}\0`) || name.includes(formerCredsKey)) decodeCreds(value);
    }
    assert.ok(count > 0);
  } finally {
    await level.close();
  }
}
