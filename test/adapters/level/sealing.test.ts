import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { it } from "node:test";
import { openRaw } from "../../../src/adapters/level/store/database.ts";
import { keyOf, rangeOf } from "../../../src/adapters/level/store/key.ts";
import { createSealer } from "../../../src/adapters/seal/aes-gcm.ts";
import type { Backend } from "../../../src/ports/backend.ts";
import { SealBroken, type Sealer } from "../../../src/ports/sealer.ts";
import { createSession, history, newEvent, recordOf } from "../../contract/backend-fixtures.ts";
import { assertPlanted, plant, planted } from "../../contract/planted-secrets.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { type StoreDirectory, storeDirectory } from "./store-directory.ts";

const clock = new FakeClock();
const [before, now] = [randomBytes(32), randomBytes(32)];
/** Secrets found in clear text in the files of a directory. */
async function found(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  const files = await Promise.all(names.map((name) => readFile(join(directory, name)).catch(() => Buffer.of())));
  return Object.entries(planted).flatMap(([name, text]) => (files.some((file) => file.includes(text)) ? [name] : []));
}

/** Opens a store, runs `use` and closes it. */
async function opened(store: StoreDirectory, sealer: Sealer | undefined, action: (backend: Backend) => Promise<void>) {
  const backend = await store.open(clock, { sealer });
  await backend.resealed;
  await action(backend);
  await backend.upkeep.close();
}

const nothing = async () => {};

it("with a key, no file contains a secret, and all can be read", async (t) => {
  const store = await storeDirectory(t);
  const sealer = createSealer(now);
  const backend = await store.open(clock, { sealer });
  await plant(backend);
  assert.deepEqual(await found(store.path), []);
  const backup = `${store.path}-backup`;
  await backend.backups.write(backup);
  assert.deepEqual(await found(backup), []);
  await backend.upkeep.close();
  await opened(store, createSealer(now), assertPlanted);
  assert.deepEqual(await found(store.path), []);
});

it("without a key, files contain secrets, and a first key removes them", async (t) => {
  const store = await storeDirectory(t);
  await opened(store, undefined, plant);
  // Shows that the test can find them.
  assert.deepEqual(await found(store.path), Object.keys(planted));
  await opened(store, createSealer(now), async (backend) => {
    assert.deepEqual(await found(store.path), []);
    await assertPlanted(backend);
  });
  await opened(store, createSealer(now), assertPlanted);
  assert.deepEqual(await found(store.path), []);
});

it("a wrong or missing key stops the start with the variable's name", async (t) => {
  const store = await storeDirectory(t);
  await opened(store, createSealer(before), nothing);
  await assert.rejects(store.open(clock), /is encrypted, and SESSIOND_SECRET_KEY is not set/);
  const wrong = store.open(clock, { sealer: createSealer(now) });
  await assert.rejects(wrong, (error: Error) => {
    assert.match(error.message, /another key than SESSIOND_SECRET_KEY.*SESSIOND_SECRET_KEY_PREVIOUS/);
    assert.ok(error.message.includes(store.path));
    assert.ok(!error.message.includes(now.toString("hex")));
    return true;
  });
  await opened(store, createSealer(before), nothing);
});

it("a new key replaces the former one while the store is in use", async (t) => {
  const store = await storeDirectory(t);
  await opened(store, createSealer(before), async (backend) => {
    await plant(backend);
    const bob = await createSession(backend, "bob");
    for (let n = 0; n < 10; n += 1) {
      const events = Array.from({ length: 100 }, () => newEvent("bob"));
      await backend.sessions.commit(bob.lease, { record: recordOf("bob"), events });
    }
  });
  const sealer = createSealer(now, [before]);
  const rotating = await store.open(clock, { sealer });
  const { lease } = await createSession(rotating, "carol");
  // Other writes continue meanwhile.
  for (let revision = 1; revision <= 50; revision += 1) {
    await rotating.sessions.commit(lease, { record: recordOf("carol", revision), events: [newEvent("carol")] });
  }
  await rotating.resealed;
  assert.equal((await rotating.sessions.get("carol")).record?.revision, 50);
  await rotating.upkeep.close();
  await opened(store, createSealer(now), async (backend) => {
    assert.equal((await backend.sessions.get("carol")).record?.revision, 50);
    assert.equal((await history(backend, "bob")).length, 1000);
    await assertPlanted(backend);
  });
  const level = await openRaw(store.path);
  const values = await level.values({ gte: rangeOf("meta").lt }).all();
  await level.close();
  const ids = new Set(values.filter((value) => value.length > 0).map((value) => sealer.keyIdOf(value)));
  assert.deepEqual(ids, new Set([sealer.keyId]));
});

it("an unfinished rotation needs both keys and continues with them", async (t) => {
  const store = await storeDirectory(t);
  await opened(store, createSealer(before), plant);
  const interrupted = await store.open(clock, { sealer: createSealer(now, [before]) });
  await interrupted.upkeep.close();
  await assert.rejects(store.open(clock, { sealer: createSealer(now) }), /SESSIOND_SECRET_KEY_PREVIOUS/);
  await opened(store, createSealer(now, [before]), nothing);
  await opened(store, createSealer(now), assertPlanted);
});

it("a sealed value in another's place is an error, not another login", async (t) => {
  const store = await storeDirectory(t);
  const sealer = createSealer(now);
  await opened(store, sealer, async (backend) => {
    for (const name of ["alice", "bob"]) {
      const { lease } = await createSession(backend, name);
      await backend.engineData.credentials(lease).write(new Map([["creds", Buffer.from(name)]]));
    }
  });
  const level = await openRaw(store.path);
  const stolen: Uint8Array | undefined = await level.get(keyOf("credentials", "bob", "creds"));
  assert.ok(stolen);
  await level.put(keyOf("credentials", "alice", "creds"), stolen);
  await level.close();
  const backend = await store.open(clock, { sealer });
  await assert.rejects(
    backend.engineData.credentials(await backend.sessions.acquire("alice")).read(["creds"]),
    SealBroken,
  );
  const [bob] = await backend.engineData.credentials(await backend.sessions.acquire("bob")).read(["creds"]);
  assert.deepEqual(bob, Buffer.from("bob"));
});
