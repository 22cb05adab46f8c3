import assert from "node:assert/strict";
import { cp, mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { openLevelBackend } from "../../../src/adapters/level/backend.ts";
import { openRaw } from "../../../src/adapters/level/store/database.ts";
import { currentFormat, formatKey } from "../../../src/adapters/level/store/format.ts";
import { numberBytes, numberOf } from "../../../src/adapters/level/store/key.ts";
import { restoreStore } from "../../../src/adapters/level/store/restore.ts";
import { createSession, recordOf } from "../../contract/backend-fixtures.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { storeDirectory } from "./store-directory.ts";

const older = { version: "0.9.0", format: currentFormat };
const newer = { version: "1.1.0", format: currentFormat + 1n };
const open = (directory: string, program: typeof older) =>
  openLevelBackend({ directory, clock: new FakeClock(), program });

/** A store made by the older program, with a session, and the directory of its backups. */
async function olderStore(t: TestContext) {
  const { path } = await storeDirectory(t);
  const backend = await open(path, older);
  await createSession(backend, "alice");
  await backend.upkeep.close();
  return { path, backups: join(dirname(path), "backups") };
}

async function formatIn(path: string): Promise<bigint> {
  const level = await openRaw(path);
  const format = numberOf((await level.get(formatKey)) ?? numberBytes(0n));
  await level.close();
  return format;
}

/** Opens and changes the store with the newer program. Returns the backup it made. */
async function upgraded(path: string, backups: string): Promise<string> {
  const backend = await open(path, newer);
  const lease = await backend.sessions.acquire("alice");
  await backend.sessions.commit(lease, { record: recordOf("alice", 2), events: [] });
  await backend.upkeep.close();
  const [name = "", ...more] = await readdir(backups);
  assert.deepEqual(more, []);
  return join(backups, name);
}

describe("a store of an earlier format", () => {
  it("is backed up once, before the newer program's first write", async (t) => {
    const { path, backups } = await olderStore(t);
    const backup = await upgraded(path, backups);
    await upgraded(path, backups);
    assert.equal(await formatIn(path), newer.format);
    // A copy, since opening changes it.
    await cp(backup, `${path}-seen`, { recursive: true });
    assert.equal(await formatIn(`${path}-seen`), older.format);
  });

  it("is not changed if the backup fails", async (t) => {
    const { path, backups } = await olderStore(t);
    await writeFile(backups, "a file where the backups belong");
    await assert.rejects(open(path, newer), (error: Error) => error.message.includes(path));
    assert.equal(await formatIn(path), older.format);
    const backend = await open(path, older);
    assert.equal((await backend.sessions.get("alice")).record?.revision, 1);
    await backend.upkeep.close();
  });

  it("is not backed up if it is new or its format is current", async (t) => {
    const { path, backups } = await olderStore(t);
    await (await open(path, { ...older, version: "0.9.1" })).upkeep.close();
    await (await open(`${path}-new`, newer)).upkeep.close();
    await assert.rejects(readdir(backups), { code: "ENOENT" });
  });
});

describe("a store of a later format", () => {
  it("is refused unchanged, with both versions and the backup named", async (t) => {
    const { path, backups } = await olderStore(t);
    const backup = await upgraded(path, backups);
    const before = await contents(path);
    await assert.rejects(open(path, older), (error: Error) => {
      for (const part of [path, "sessiond 1.1.0", "sessiond 0.9.0", `npm run restore -- ${backup}`]) {
        assert.ok(error.message.includes(part), error.message);
      }
      return true;
    });
    assert.deepEqual(await contents(path), before);
    const backend = await open(path, newer);
    assert.equal((await backend.sessions.get("alice")).record?.revision, 2);
    await backend.upkeep.close();
  });

  it("can be replaced with its backup by a restore", async (t) => {
    const { path, backups } = await olderStore(t);
    const backup = await upgraded(path, backups);
    await restoreStore({ backup, directory: path, force: false });
    const backend = await open(path, older);
    assert.equal((await backend.sessions.get("alice")).record?.revision, 1);
    await backend.upkeep.close();
  });

  it("is refused without a backup to name if it was created in it", async (t) => {
    const { path } = await olderStore(t);
    await (await open(`${path}-new`, newer)).upkeep.close();
    await assert.rejects(open(`${path}-new`, older), /sessiond 1\.1\.0.*sessiond 0\.9\.0.*There is no backup/);
  });

  it("is refused even if its program left no version", async (t) => {
    const { path } = await olderStore(t);
    const level = await openRaw(path);
    await level.put(formatKey, numberBytes(99n));
    await level.close();
    const backend = openLevelBackend({ directory: path, clock: new FakeClock() });
    await assert.rejects(backend, /its format is 99.*this is sessiond/);
  });
});

it("a directory with another program's database is refused", async (t) => {
  const { path } = await storeDirectory(t);
  await mkdir(path, { recursive: true });
  const level = await openRaw(path);
  await level.put(Buffer.from("key"), Buffer.from("value"));
  await level.close();
  await assert.rejects(open(path, older), /it was not made by sessiond/);
});

/** All entries of a store. */
async function contents(directory: string): Promise<Map<string, string>> {
  const level = await openRaw(directory);
  const entries = await level.iterator().all();
  await level.close();
  return new Map(entries.map(([key, value]) => [hex(key), hex(value)]));
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
