import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { Client } from "pg";
import { createSealer } from "../../../src/adapters/seal/aes-gcm.ts";
import type { Backend } from "../../../src/ports/backend.ts";
import { SealBroken, type Sealer } from "../../../src/ports/sealer.ts";
import { createSession, history, newEvent, recordOf } from "../../contract/backend-fixtures.ts";
import { assertPlanted, plant, planted } from "../../contract/planted-secrets.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { type StoreDatabase, storeDatabase } from "./databases.ts";

const clock = new FakeClock();
const [before, now] = [randomBytes(32), randomBytes(32)];
const nothing = async () => {};

/** Opens a store, runs `action` and closes it. */
async function opened(
  database: StoreDatabase,
  sealer: Sealer | undefined,
  action: (backend: Backend) => Promise<void>,
) {
  const backend = await database.open(clock, { sealer });
  await backend.resealed;
  await action(backend);
  await backend.upkeep.close();
}

async function query<R extends object>({ url }: StoreDatabase, text: string): Promise<R[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<R>(text)).rows;
  } finally {
    await client.end();
  }
}

/** Returns all values of a database. */
async function valuesIn(database: StoreDatabase): Promise<Buffer[]> {
  const columns = await query<{ name: string; place: string }>(
    database,
    `SELECT format('sessiond.%I', relname) AS place, attname AS name FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid
    WHERE relnamespace = 'sessiond'::regnamespace AND relkind = 'r' AND atttypid = 'bytea'::regtype
      AND relname <> 'seal' AND attname <> 'creation_key'`,
  );
  const values: Buffer[] = [];
  for (const { name, place } of columns) {
    const rows = await query<{ value: Buffer }>(
      database,
      `SELECT ${name} AS value FROM ${place} WHERE length(${name}) > 0`,
    );
    values.push(...rows.map(({ value }) => value));
  }
  return values;
}

/** Returns the secrets found in clear text in a database. */
async function found(database: StoreDatabase): Promise<string[]> {
  const values = await valuesIn(database);
  return Object.entries(planted).flatMap(([name, text]) =>
    values.some((value) => value.includes(text)) ? [name] : [],
  );
}

describe("keys of a store in PostgreSQL", () => {
  it("a first key seals what is there", async (t) => {
    const database = await storeDatabase(t);
    await opened(database, undefined, plant);
    assert.deepEqual(await found(database), Object.keys(planted), "the test can find them");
    await opened(database, createSealer(now), assertPlanted);
    assert.deepEqual(await found(database), []);
    await opened(database, createSealer(now), assertPlanted);
  });

  it("a new key replaces the former one while the store is in use", async (t) => {
    const database = await storeDatabase(t);
    await opened(database, createSealer(before), async (backend) => {
      await plant(backend);
      const { lease } = await createSession(backend, "bob", ["hook"]);
      for (let n = 0; n < 5; n += 1) {
        const events = Array.from({ length: 60 }, () => newEvent("bob", "hook"));
        await backend.sessions.commit(lease, { record: recordOf("bob"), events });
      }
    });
    const sealer = createSealer(now, [before]);
    const rotating = await database.open(clock, { sealer });
    const { lease } = await createSession(rotating, "carol");
    for (let revision = 1; revision <= 50; revision += 1) {
      await rotating.sessions.commit(lease, { record: recordOf("carol", revision), events: [newEvent("carol")] });
    }
    await rotating.resealed;
    assert.equal((await rotating.sessions.get("carol")).record?.revision, 50);
    await rotating.upkeep.close();
    const ids = new Set((await valuesIn(database)).map((value) => sealer.keyIdOf(value)));
    assert.deepEqual(ids, new Set([sealer.keyId]));
    await opened(database, createSealer(now), async (backend) => {
      assert.equal((await backend.sessions.get("carol")).record?.revision, 50);
      assert.equal((await history(backend, "bob")).length, 300);
      await assertPlanted(backend);
    });
  });

  it("an unfinished rotation needs both keys and continues with them", async (t) => {
    const database = await storeDatabase(t);
    await opened(database, createSealer(before), plant);
    const interrupted = await database.open(clock, { sealer: createSealer(now, [before]) });
    await interrupted.upkeep.close();
    await assert.rejects(database.open(clock, { sealer: createSealer(now) }), /SESSIOND_SECRET_KEY_PREVIOUS/);
    await opened(database, createSealer(now, [before]), nothing);
    await opened(database, createSealer(now), assertPlanted);
  });

  it("a sealed value in another's place is an error, not another login", async (t) => {
    const database = await storeDatabase(t);
    const sealer = createSealer(now);
    await opened(database, sealer, async (backend) => {
      for (const name of ["alice", "bob"]) {
        const { lease } = await createSession(backend, name);
        await backend.engineData.credentials(lease).write(new Map([["creds", Buffer.from(name)]]));
      }
    });
    await query(
      database,
      `UPDATE sessiond.credential SET value = (SELECT value FROM sessiond.credential WHERE session = 'bob') WHERE session = 'alice'`,
    );
    const backend = await database.open(clock, { sealer });
    const read = async (name: string) =>
      backend.engineData.credentials(await backend.sessions.acquire(name)).read(["creds"]);
    await assert.rejects(read("alice"), SealBroken);
    assert.deepEqual(Buffer.from((await read("bob"))[0] ?? []).toString(), "bob");
  });
});
