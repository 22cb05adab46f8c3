import assert from "node:assert/strict";
import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { it } from "node:test";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Level } from "level";
import { openLevelBackend } from "../../../src/adapters/level/backend.ts";
import {
  createSession,
  endpointOf,
  history,
  newEvent,
  pairingOf,
  quiet,
  Reader,
  recordOf,
  seqOf,
} from "../../contract/backend-fixtures.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { storeDirectory } from "./store-directory.ts";

const never = new AbortController().signal;

it("records, events and engine data survive a restart, a pairing does not", async (t) => {
  const store = await storeDirectory(t);
  const first = await store.open(new FakeClock());
  const { lease, events } = await createSession(first, "alice", [], 3);
  await first.engineData.credentials(lease).write(new Map([["creds", Buffer.from("secret")]]));
  await first.engineData.chats(lease).write(new Map([["chat", Buffer.from("hello")]]));
  await first.sessions.commit(lease, { record: recordOf("alice", 2), events: [], pairing: pairingOf("code") });
  await first.upkeep.close();
  const second = await store.open(new FakeClock());
  assert.deepEqual(await second.sessions.get("alice"), { record: recordOf("alice", 2), pairing: undefined, seq: 3n });
  assert.deepEqual(await new Reader(second.log.events("alice", 0n, never)).take(3), events);
  const later = await second.sessions.acquire("alice");
  assert.ok(later.epoch > lease.epoch);
  assert.deepEqual(await second.engineData.credentials(later).read(["creds"]), [Buffer.from("secret")]);
  assert.deepEqual(await second.engineData.chats(later).read(["chat"]), [Buffer.from("hello")]);
});

it("a lease of an earlier life is lost, and epochs never repeat", async (t) => {
  const store = await storeDirectory(t);
  let former = 0n;
  for (let life = 0; life < 3; life += 1) {
    const backend = await store.open(new FakeClock());
    if (former)
      await assert.rejects(
        backend.sessions.remove({ session: "alice", epoch: former, lost: new AbortController().signal }, []),
      );
    const { epoch } = await backend.sessions.acquire("alice");
    assert.ok(epoch > former);
    former = epoch;
    await backend.upkeep.close();
  }
});

it("no seq is used twice, even after its events are gone", async (t) => {
  const store = await storeDirectory(t);
  const first = await store.open(new FakeClock());
  const { lease } = await createSession(first, "alice", [], 4);
  await first.sessions.remove(lease, []);
  await first.upkeep.close();
  const second = await store.open(new FakeClock());
  assert.equal((await second.sessions.list()).seq, 4n);
  const { events } = await createSession(second, "alice", [], 1);
  assert.equal(events[0]?.seq, 5n);
});

it("unsettled deliveries are due again, first attempts in order, retries on time", async (t) => {
  const store = await storeDirectory(t);
  const clock = new FakeClock();
  const first = await store.open(clock);
  await createSession(first, "alice", ["one", "two"], 10);
  const claims = new Reader(first.outbox.claims(never));
  const settled: string[] = [];
  for (const claim of await claims.take(2)) {
    if (claim.endpoint.id === "one") await claim.retry(5000);
    else await claim.done();
    settled.push(claim.delivery.id);
  }
  await claims.take(2);
  await first.upkeep.close();
  clock.advance(4999);
  const second = await store.open(clock);
  const again = new Reader(second.outbox.claims(never));
  for (let seq = 2n; seq <= 10n; seq += 1n) {
    const pair = await again.take(2);
    assert.deepEqual(pair.map(seqOf), [seq, seq]);
    assert.deepEqual(pair.map((claim) => claim.endpoint.id).toSorted(), ["one", "two"]);
    for (const claim of pair) await claim.done();
  }
  const retried = again.next();
  await quiet(second);
  clock.advance(1);
  const { delivery } = await retried;
  assert.equal(
    delivery.id,
    settled.find((id) => id.endsWith("one")),
  );
  assert.equal(delivery.attempts, 1);
  assert.equal(delivery.dueAt && timestampMs(delivery.dueAt), clock.nowMs());
});

it("deliveries and endpoints of a removed session survive a restart", async (t) => {
  const store = await storeDirectory(t);
  const first = await store.open(new FakeClock());
  const { lease } = await createSession(first, "alice", ["one", "idle"], 0);
  await first.sessions.commit(lease, { record: recordOf("alice"), events: [newEvent("alice", "one")] });
  await first.sessions.remove(lease, [newEvent("alice", "one")]);
  await first.upkeep.close();
  const second = await store.open(new FakeClock());
  const claims = new Reader(second.outbox.claims(never));
  for (const seq of [1n, 2n]) {
    const claim = await claims.next();
    assert.equal(seqOf(claim), seq);
    assert.deepEqual(claim.endpoint, { ...endpointOf("one"), removed: true });
    await claim.done();
  }
  await second.upkeep.close();
  const database = new Level(store.path);
  const keys = await database.keys({ keyEncoding: "buffer" }).all();
  await database.close();
  // Only metadata, and the last event with its index entry.
  assert.deepEqual(new Set(keys.map((key) => Buffer.from(key)[0])), new Set([1, 3, 4]));
  assert.equal(keys.filter((key) => Buffer.from(key)[0] !== 1).length, 2);
});

it("a reader far behind reads from disk the events that left memory", async (t) => {
  const store = await storeDirectory(t);
  const backend = await store.open(new FakeClock());
  const alice = await createSession(backend, "alice", [], 5);
  const bob = await createSession(backend, "bob");
  const behind = new Reader(backend.log.events("alice", 0n, never));
  assert.equal((await behind.next()).seq, 1n);
  for (let n = 0; n < 30; n += 1) {
    const events = Array.from({ length: 100 }, () => newEvent("bob"));
    await backend.sessions.commit(bob.lease, { record: recordOf("bob"), events });
  }
  await backend.sessions.commit(alice.lease, { record: recordOf("alice"), events: [newEvent("alice")] });
  assert.deepEqual(
    (await behind.take(5)).map((event) => event.seq),
    [2n, 3n, 4n, 5n, 3006n],
  );
  assert.equal((await history(backend)).length, 3006);
});

it("a directory in use is refused by name and free after close", async (t) => {
  const store = await storeDirectory(t);
  const first = await store.open(new FakeClock());
  await assert.rejects(store.open(new FakeClock()), (error: Error) => {
    assert.match(error.message, /in use by another sessiond/);
    assert.ok(error.message.includes(store.path));
    return true;
  });
  await first.upkeep.close();
  await store.open(new FakeClock());
});

it("a missing directory is created for its owner only", async (t) => {
  const store = await storeDirectory(t);
  const directory = join(store.path, "new", "data");
  const backend = await openLevelBackend({ directory, clock: new FakeClock() });
  await backend.upkeep.close();
  assert.equal((await stat(directory)).mode & 0o777, 0o700);
});

it("a damaged store is refused by name", async (t) => {
  const store = await storeDirectory(t);
  const first = await store.open(new FakeClock());
  await createSession(first, "alice", [], 3);
  await first.upkeep.close();
  const manifest = (await readdir(store.path)).find((name) => name.startsWith("MANIFEST"));
  await writeFile(join(store.path, manifest ?? ""), "this is no manifest");
  await assert.rejects(store.open(new FakeClock()), (error: Error) => {
    assert.match(error.message, /damaged/);
    assert.ok(error.message.includes(store.path));
    return true;
  });
});

it("a foreign database or another format is refused unchanged", async (t) => {
  const store = await storeDirectory(t);
  const foreign = new Level(join(store.path, "foreign"));
  await foreign.put("key", "value");
  await foreign.close();
  const clock = new FakeClock();
  const opening = openLevelBackend({ directory: join(store.path, "foreign"), clock });
  await assert.rejects(opening, /foreign cannot be used: it was not made by sessiond/);

  const newer = join(store.path, "newer");
  await (await openLevelBackend({ directory: newer, clock })).upkeep.close();
  const database = new Level<Uint8Array, Uint8Array>(newer, { keyEncoding: "view", valueEncoding: "view" });
  const [format] = await database.keys({ limit: 1 }).all();
  assert.ok(format);
  await database.put(format, Buffer.of(0, 0, 0, 0, 0, 0, 0, 99));
  await database.close();
  await assert.rejects(openLevelBackend({ directory: newer, clock }), /format is 99/);

  const file = join(store.path, "file");
  await writeFile(file, "");
  await assert.rejects(openLevelBackend({ directory: file, clock }), /file/);
  await mkdir(join(store.path, "empty"));
  await (await openLevelBackend({ directory: join(store.path, "empty"), clock })).upkeep.close();
});
