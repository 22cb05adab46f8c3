import assert from "node:assert/strict";
import { cp, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { it, type TestContext } from "node:test";
import { openLevelBackend } from "../../../src/adapters/level/backend.ts";
import { RestoreRefused, restoreStore } from "../../../src/adapters/level/store/restore.ts";
import type { Backend } from "../../../src/ports/backend.ts";
import type { Lease } from "../../../src/ports/sessions.ts";
import { createSession, history, newEvent, Reader, recordOf, seqOf } from "../../contract/backend-fixtures.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { storeDirectory } from "./store-directory.ts";

const clock = new FakeClock();
const turn = (backend: Backend, lease: Lease, ratchet: string) =>
  backend.engineData.credentials(lease).write(new Map([["ratchet", Buffer.from(ratchet)]]));

async function ratchetIn(backend: Backend): Promise<string> {
  const [value] = await backend.engineData.credentials(await backend.sessions.acquire("alice")).read(["ratchet"]);
  return Buffer.from(value ?? []).toString();
}

/** An open store with a login, and a backup of it. */
async function backedUp(t: TestContext) {
  const store = await storeDirectory(t);
  const backend = await store.open(clock);
  const { lease } = await createSession(backend, "alice", ["one"], 3);
  await turn(backend, lease, "first");
  const backup = `${store.path}-backups/today`;
  return { store, backend, lease, backup, report: await backend.backups.write(backup) };
}

/** Names and bytes of all files. */
async function contents(directory: string): Promise<Map<string, string>> {
  const names = (await readdir(directory)).toSorted();
  const bytes = await Promise.all(names.map((name) => readFile(join(directory, name), "latin1")));
  return new Map(names.map((name, index) => [name, bytes[index] ?? ""]));
}

it("a backup holds the writes before it, only for its owner", async (t) => {
  const { store, backend, lease, backup, report } = await backedUp(t);
  await backend.sessions.commit(lease, { record: recordOf("alice", 2), events: [newEvent("alice", "one")] });
  assert.equal(report.directory, backup);
  assert.ok(report.entries > 0 && report.bytes > 0);
  assert.equal(report.generation.ratchets, 1n);
  assert.equal((await stat(backup)).mode & 0o777, 0o700);
  const before = await contents(backup);

  const directory = `${store.path}-elsewhere`;
  const { generation, replaced } = await restoreStore({ backup, directory, force: false });
  assert.deepEqual(generation, report.generation);
  assert.equal(replaced, undefined);
  const restored = await openLevelBackend({ directory, clock });
  t.after(() => restored.upkeep.close());
  assert.equal((await restored.sessions.get("alice")).record?.revision, 1);
  assert.equal((await history(restored, "alice")).length, 3);
  assert.equal(await ratchetIn(restored), "first");
  const claims = new Reader(restored.outbox.claims(new AbortController().signal));
  assert.equal(seqOf(await claims.next()), 1n);
  assert.deepEqual(await contents(backup), before);
});

it("a backup taken under load is consistent", async (t) => {
  const store = await storeDirectory(t);
  const backend = await store.open(clock);
  const { lease } = await createSession(backend, "alice");
  let [revision, done] = [1, false];
  const load = async () => {
    while (!done) {
      revision += 1;
      await backend.sessions.commit(lease, { record: recordOf("alice", revision), events: [newEvent("alice")] });
    }
  };
  const loading = load();
  const backups = [1, 2, 3].map((n) => `${store.path}-backup-${n}`);
  for (const backup of backups) await backend.backups.write(backup);
  done = true;
  await loading;
  for (const backup of backups) {
    const directory = `${backup}-restored`;
    await restoreStore({ backup, directory, force: false });
    const restored = await openLevelBackend({ directory, clock });
    const { record, seq } = await restored.sessions.get("alice");
    const events = await history(restored, "alice");
    await restored.upkeep.close();
    assert.equal(BigInt(record?.revision ?? 0), seq + 1n);
    assert.equal(BigInt(events.length), seq);
  }
});

it("a backup does not overwrite an existing directory", async (t) => {
  const { backend, backup } = await backedUp(t);
  const before = await contents(backup);
  await assert.rejects(backend.backups.write(backup), /EEXIST/);
  assert.deepEqual(await contents(backup), before);
});

it("a restore that reuses ratchets is refused unless forced, and moves the store aside", async (t) => {
  const { store, backend, lease, backup } = await backedUp(t);
  await turn(backend, lease, "second");
  await turn(backend, lease, "third");
  await backend.upkeep.close();
  const restore = (force: boolean) => restoreStore({ backup, directory: store.path, force });
  await assert.rejects(restore(false), (error: Error) => {
    assert.ok(error instanceof RestoreRefused);
    assert.match(error.message, /credentials 2 times since.*ratchets/);
    return true;
  });
  const untouched = await store.open(clock);
  assert.equal(await ratchetIn(untouched), "third");
  const { epoch } = await untouched.sessions.acquire("alice");
  await createSession(untouched, "bob", [], 5);
  const { seq } = await untouched.sessions.list();
  await untouched.upkeep.close();

  const { replaced } = await restore(true);
  assert.ok(replaced);
  const restored = await store.open(clock);
  assert.equal(await ratchetIn(restored), "first");
  // No epoch and no seq is used twice.
  assert.ok((await restored.sessions.acquire("alice")).epoch > epoch);
  assert.equal((await restored.sessions.list()).seq, seq);
  await restored.upkeep.close();
  const former = await openLevelBackend({ directory: replaced, clock });
  assert.equal(await ratchetIn(former), "third");
  await former.upkeep.close();
  // An older backup remains older.
  await assert.rejects(restore(false), RestoreRefused);
});

it("a backup can be restored if only records and events have changed", async (t) => {
  const { store, backend, lease, backup } = await backedUp(t);
  await backend.sessions.commit(lease, { record: recordOf("alice", 2), events: [newEvent("alice")] });
  await backend.upkeep.close();
  await restoreStore({ backup, directory: store.path, force: false });
  const restored = await store.open(clock);
  assert.equal((await restored.sessions.get("alice")).record?.revision, 1);
});

it("a different store, one in use and an invalid backup are refused unchanged", async (t) => {
  const { store, backend, backup } = await backedUp(t);
  await assert.rejects(restoreStore({ backup, directory: store.path, force: true }), /in use by another sessiond/);
  await backend.upkeep.check();
  const other = `${store.path}-other`;
  await (await openLevelBackend({ directory: other, clock })).upkeep.close();
  await assert.rejects(restoreStore({ backup, directory: other, force: false }), RestoreRefused);
  await assert.rejects(restoreStore({ backup: store.path.slice(0, -1), directory: other, force: true }), /no backup/);
  await (await openLevelBackend({ directory: other, clock })).upkeep.close();
  assert.deepEqual(
    (await readdir(join(store.path, ".."))).filter((name) => /restoring|replaced/.test(name)),
    [],
  );
});

it("a copied backup can be restored", async (t) => {
  const { store, backup } = await backedUp(t);
  await cp(backup, `${store.path}-moved`, { recursive: true });
  const directory = `${store.path}-new`;
  await restoreStore({ backup: `${store.path}-moved`, directory, force: false });
  await (await openLevelBackend({ directory, clock })).upkeep.close();
});
