import assert from "node:assert/strict";
import { Client } from "pg";
import { credsKey, decodeCreds, formerCredsKey } from "../../src/adapters/baileys/login.ts";
import { type PostgresServer, startPostgres } from "../support/postgres-server.ts";
import { assertWhole } from "./stored-values.ts";

/** A kind of store that a server can run on. */
export interface TestStore {
  /** The variables that name it. */
  readonly env: Readonly<Record<string, string>>;
  /** Its server; undefined for a store in the data directory. */
  readonly postgres: PostgresServer | undefined;
  /** Asserts that every credential can be read. No server may have the store open. */
  assertWhole(directory: string): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Opens a new store of each kind. The caller disposes it. */
export const testStores: Readonly<Record<"level" | "postgres", () => Promise<TestStore>>> = {
  level: async () => ({
    env: {},
    postgres: undefined,
    assertWhole: (directory) => assertWhole(`${directory}/sessions/store`),
    [Symbol.asyncDispose]: async () => {},
  }),
  async postgres() {
    const postgres = await startPostgres();
    const url = await postgres.createDatabase();
    return {
      env: { SESSIOND_STORE: url },
      postgres,
      assertWhole: () => assertCredentials(url),
      [Symbol.asyncDispose]: () => postgres.close(),
    };
  },
};

/** Asserts that every credential in a database can be read. The store must not be sealed. */
async function assertCredentials(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ key: string; value: string }>(
      "SELECT key, encode(value, 'hex') AS value FROM sessiond.credential",
    );
    for (const { key, value } of rows) {
      if (value === "" || /inbox:\d/.test(key)) continue;
      const bytes = Buffer.from(value, "hex");
      assert.doesNotThrow(() => JSON.parse(bytes.toString()), key);
      if (key === credsKey || key.startsWith(formerCredsKey)) decodeCreds(bytes);
    }
    assert.ok(rows.length > 0);
  } finally {
    await client.end();
  }
}
