import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { describe, it, type TestContext } from "node:test";
import { Client } from "pg";
import { createSealer } from "../../../src/adapters/seal/aes-gcm.ts";
import { SealBroken, type Sealer } from "../../../src/ports/sealer.ts";
import { LeaseLost } from "../../../src/ports/sessions.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { type StoreDatabase, storeDatabase } from "./databases.ts";

const clock = new FakeClock();
const mebibyte = 1024 * 1024;
const [former, present] = [randomBytes(32), randomBytes(32)];
const secret = Buffer.from("a secret of a profile".repeat(100));

async function open(database: StoreDatabase, sealer?: Sealer) {
  const backend = await database.open(clock, { sealer });
  const { profiles = assert.fail() } = backend;
  return { backend, profiles, acquire: (session = "alice") => backend.sessions.acquire(session) };
}

async function openNew(t: TestContext, sealer?: Sealer) {
  const database = await storeDatabase(t);
  return { database, ...(await open(database, sealer)) };
}

async function* piecesOf(...pieces: readonly Uint8Array[]) {
  yield* pieces;
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

/** Returns the stored parts of all archives, in order. */
const partsOf = (database: StoreDatabase) =>
  query<{ session: string; bytes: Buffer }>(
    database,
    "SELECT session, bytes FROM sessiond.profile ORDER BY session, epoch, part",
  );

describe("archives of files in PostgreSQL", () => {
  it("return the bytes in order, in rows of 1 MiB", async (t) => {
    const { database, profiles, acquire } = await openNew(t, createSealer(present, []));
    for (const pieces of [
      [],
      [Buffer.from([7])],
      [randomBytes(mebibyte)],
      [randomBytes(mebibyte - 1), randomBytes(2 * mebibyte + 2), randomBytes(17)],
    ]) {
      const archive = profiles.archive(await acquire());
      const stored = await archive.write(piecesOf(...pieces));
      const whole = Buffer.concat(pieces);
      assert.ok(whole.equals(await buffer(archive.read(stored))));
      assert.equal((await partsOf(database)).length, Math.ceil(whole.length / mebibyte));
    }
  });

  it("are found by later owners of the session only, and by their key", async (t) => {
    const { profiles, acquire } = await openNew(t);
    const stored = await profiles.archive(await acquire()).write(piecesOf(Buffer.from("one")));
    const next = profiles.archive(await acquire());
    assert.equal(String(await buffer(next.read(stored))), "one");
    assert.equal(String(await buffer(next.read(String(BigInt(stored) + 1n)))), "");
    assert.equal(String(await buffer(profiles.archive(await acquire("bob")).read(stored))), "");
  });

  it("replace earlier ones of their session, and are removed by its owner", async (t) => {
    const { database, profiles, acquire } = await openNew(t);
    await profiles.archive(await acquire("bob")).write(piecesOf(Buffer.from("bob")));
    await profiles.archive(await acquire()).write(piecesOf(randomBytes(2 * mebibyte), Buffer.from("old")));
    const archive = profiles.archive(await acquire());
    const stored = await archive.write(piecesOf(Buffer.from("new")));
    assert.equal(String(await buffer(archive.read(stored))), "new");
    assert.equal((await partsOf(database)).length, 2);
    for (const _ of [1, 2]) await archive.remove();
    assert.deepEqual(
      (await partsOf(database)).map(({ session }) => session),
      ["bob"],
    );
  });

  it("are neither changed nor removed by a former owner", async (t) => {
    const { profiles, acquire } = await openNew(t);
    const [old, own] = [profiles.archive(await acquire()), profiles.archive(await acquire())];
    const stored = await own.write(piecesOf(Buffer.from("own")));
    await assert.rejects(old.write(piecesOf(Buffer.from("old"))), LeaseLost);
    await old.remove();
    assert.equal(String(await buffer(own.read(stored))), "own");
  });

  it("are sealed, each part for its place", async (t) => {
    const { database, profiles, acquire } = await openNew(t, createSealer(present, []));
    const archive = profiles.archive(await acquire());
    const stored = await archive.write(piecesOf(Buffer.alloc(mebibyte), secret));
    const parts = await partsOf(database);
    assert.ok(parts.every(({ bytes }) => !bytes.includes("a secret")));
    await query(database, "DELETE FROM sessiond.profile WHERE part = 0");
    await query(database, "UPDATE sessiond.profile SET part = 0");
    await assert.rejects(buffer(archive.read(stored)), SealBroken);
  });

  it("are sealed anew after a change of the key", async (t) => {
    const { database, backend, profiles, acquire } = await openNew(t, createSealer(former, []));
    const whole = randomBytes(5 * mebibyte + 1);
    const stored = await profiles.archive(await acquire()).write(piecesOf(whole));
    await backend.upkeep.close();
    const rotated = await open(database, createSealer(present, [former]));
    await rotated.backend.resealed;
    await rotated.backend.upkeep.close();
    const later = await open(database, createSealer(present, []));
    const archive = later.profiles.archive(await later.acquire());
    assert.ok(whole.equals(await buffer(archive.read(stored))));
  });
});
