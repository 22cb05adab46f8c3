import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { createInterface } from "node:readline";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { openLevelBackend } from "../../../src/adapters/level/backend.ts";
import { DirectoryLock } from "../../../src/adapters/level/store/directory-lock.ts";
import { StoreUnavailable } from "../../../src/domain/errors.ts";
import { createSession, history, recordOf } from "../../contract/backend-fixtures.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { storeDirectory } from "./store-directory.ts";

const holder = fileURLToPath(new URL("store-holder.ts", import.meta.url));
const copy = (from: string, to: string) => promisify(execFile)("cp", ["-r", from, to]);

/** Starts another process on a directory, and returns its first line. */
async function start(t: TestContext, directory: string, cwd = "/"): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, [holder, directory], { cwd, stdio: ["pipe", "pipe", "inherit"] });
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  return { child, line: String(line) };
}

/** A store held by another process, which has read its LOCK file. */
async function held(t: TestContext) {
  const store = await storeDirectory(t);
  const { child, line } = await start(t, store.path);
  assert.equal(line, "open");
  return { store, child };
}

const inUse = /in use by another sessiond/;
const open = (directory: string, adopt = false) => openLevelBackend({ directory, clock: new FakeClock(), adopt });

describe("a store in use is locked for a second process", () => {
  it("on the same directory, even after the first process has read LOCK", async (t) => {
    const { store } = await held(t);
    await assert.rejects(open(store.path), inUse);
    const { line } = await start(t, store.path);
    assert.match(line, /^refused: .*in use by another sessiond/);
    assert.ok(line.includes(store.path));
  });

  it("through a symbolic link", async (t) => {
    const { store } = await held(t);
    await symlink(store.path, `${store.path}-link`);
    await assert.rejects(open(`${store.path}-link`), inUse);
  });

  it("by a relative path", async (t) => {
    const { store } = await held(t);
    await assert.rejects(open(relative(process.cwd(), store.path)), inUse);
    assert.match((await start(t, "store", dirname(store.path))).line, inUse);
  });

  it("after LOCK was deleted", async (t) => {
    const { store } = await held(t);
    await rm(join(store.path, "LOCK"));
    await assert.rejects(open(store.path), inUse);
    assert.match((await start(t, store.path)).line, inUse);
  });

  it("after every file of the lock was deleted", {
    skip: process.platform !== "linux" && "no abstract sockets here",
  }, async (t) => {
    const { store } = await held(t);
    for (const name of ["LOCK", "owner.sock", "owner.json"]) await rm(join(store.path, name));
    await assert.rejects(open(store.path), inUse);
  });

  it("on a copy, while the first process runs and afterwards", async (t) => {
    const { store, child } = await held(t);
    await copy(store.path, `${store.path}-copy`);
    await assert.rejects(open(`${store.path}-copy`), /it is a copy.*SESSIOND_ADOPT_STORE/);
    const ended = once(child, "exit");
    child.stdin?.end();
    await ended;
    await copy(store.path, `${store.path}-later`);
    await assert.rejects(open(`${store.path}-later`), /it is a copy/);
  });
});

it("one process cannot open a store twice under any name", async (t) => {
  const store = await storeDirectory(t);
  const first = await store.open(new FakeClock());
  await symlink(store.path, `${store.path}-link`);
  for (const name of [store.path, `${store.path}-link`, relative(process.cwd(), store.path)]) {
    await assert.rejects(open(name), inUse);
  }
  await first.upkeep.check();
});

it("a killed process leaves no lock", async (t) => {
  const { store, child } = await held(t);
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
  assert.ok((await readdir(store.path)).includes("owner.sock"));
  const backend = await store.open(new FakeClock());
  assert.equal((await history(backend)).length, 3);
});

it("an adopted copy opens, and later without adopting", async (t) => {
  const store = await storeDirectory(t);
  const first = await store.open(new FakeClock());
  await createSession(first, "alice");
  await first.upkeep.close();
  await copy(store.path, `${store.path}-copy`);
  await (await open(`${store.path}-copy`, true)).upkeep.close();
  const again = await open(`${store.path}-copy`);
  assert.ok((await again.sessions.get("alice")).record);
  await again.upkeep.close();
  // The original has not moved.
  await store.open(new FakeClock());
});

it("a moved directory is not a copy", async (t) => {
  const store = await storeDirectory(t);
  await (await store.open(new FakeClock())).upkeep.close();
  await rename(store.path, `${store.path}-moved`);
  await (await open(`${store.path}-moved`)).upkeep.close();
});

it("an owner whose mark is gone stops writing", async (t) => {
  const store = await storeDirectory(t);
  const clock = new FakeClock();
  const backend = await store.open(clock);
  const { lease } = await createSession(backend, "alice");
  const mark = join(store.path, "owner.json");
  const { host } = JSON.parse(await readFile(mark, "utf8"));
  await writeFile(mark, JSON.stringify({ host, pid: 1 }));
  await utimes(mark, 1, 1);
  await assert.rejects(backend.sessions.commit(lease, { record: recordOf("alice", 2), events: [] }), StoreUnavailable);
  clock.advance(60_000);
  await assert.rejects(backend.upkeep.check(), StoreUnavailable);
  assert.equal((await backend.sessions.get("alice")).record?.revision, 1);
});

it("no write is acknowledged once the directory was replaced", async (t) => {
  const store = await storeDirectory(t);
  const backend = await store.open(new FakeClock());
  await backend.upkeep.check();
  await rename(store.path, `${store.path}-gone`);
  await mkdir(store.path);
  await assert.rejects(backend.upkeep.check(), StoreUnavailable);
});

it("a path longer than a socket's address can be locked", async (t) => {
  const store = await storeDirectory(t);
  const directory = join(store.path, "x".repeat(120), "y".repeat(120));
  const guard = await DirectoryLock.acquire(directory);
  await assert.rejects(DirectoryLock.acquire(directory), inUse);
  assert.ok((await readdir(directory)).includes("owner.sock"));
  await guard.release();
  await guard.release();
  assert.deepEqual(await readdir(directory), []);
});
