import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { openLevelBackend } from "../../../src/adapters/level/backend.ts";
import { openRaw } from "../../../src/adapters/level/store/database.ts";
import { anchorFile, homeKey } from "../../../src/adapters/level/store/identity.ts";
import { createSession, recordOf } from "../../contract/backend-fixtures.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { storeDirectory } from "./store-directory.ts";

const run = promisify(execFile);
const open = (directory: string) => openLevelBackend({ directory, clock: new FakeClock() });
const isCopy = /it is a copy.*SESSIOND_ADOPT_STORE/;

/** A closed store with a session. */
async function closedStore(t: TestContext): Promise<string> {
  const store = await storeDirectory(t);
  const backend = await store.open(new FakeClock());
  await createSession(backend, "alice");
  await backend.upkeep.close();
  return store.path;
}

/** Changes the recorded facts of the directory, as if the file system had assigned a new inode. */
async function forgetInode(path: string, length = 24): Promise<void> {
  const level = await openRaw(path);
  const home = Buffer.from((await level.get(homeKey)) ?? []);
  home.writeBigUInt64BE(home.readBigUInt64BE(0) + 7n, 0);
  await level.put(homeKey, home.subarray(0, length));
  await level.close();
}

describe("a directory with a new inode number", () => {
  it("is not a copy while its files are the same", async (t) => {
    const path = await closedStore(t);
    for (let mount = 1; mount <= 3; mount += 1) {
      await forgetInode(path);
      const backend = await open(path);
      assert.ok((await backend.sessions.get("alice")).record);
      await backend.upkeep.close();
    }
  });

  it("is a copy if its anchor is missing or was changed", async (t) => {
    const path = await closedStore(t);
    await forgetInode(path);
    await chmod(join(path, anchorFile), 0o640);
    await assert.rejects(open(path), isCopy);
    await rm(join(path, anchorFile));
    await assert.rejects(open(path), isCopy);
    await writeFile(join(path, anchorFile), "");
    await assert.rejects(open(path), isCopy);
  });

  it("is a copy for a store of an earlier version, which has no anchor", async (t) => {
    const path = await closedStore(t);
    await forgetInode(path, 16);
    await assert.rejects(open(path), isCopy);
  });

  it("on every stat, as on virtual mounts, can be written to and reopened", async (t) => {
    const path = await closedStore(t);
    const [holder, preload] = ["store-holder.ts", "shifting-inodes.ts"].map((name) =>
      fileURLToPath(new URL(name, import.meta.url)),
    );
    for (let start = 1; start <= 2; start += 1) {
      const child = spawn(process.execPath, ["--import", preload ?? "", holder ?? "", path], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      const ended = once(child, "exit");
      const [line] = await once(createInterface({ input: child.stdout }), "line");
      assert.equal(line, "open");
      child.stdin.end();
      assert.deepEqual(await ended, [0, null]);
    }
  });
});

describe("a copy of a directory", () => {
  const copies: readonly (readonly [name: string, command: string])[] = [
    ["cp -a", 'cp -a "$1" "$2"'],
    ["cp -al, which shares the files", 'cp -al "$1" "$2"'],
    ["cp -r", 'cp -r "$1" "$2"'],
    ["tar", 'mkdir "$2" && tar -C "$1" -cpf - --exclude=owner.sock . | tar -C "$2" -xpf -'],
  ];
  for (const [name, command] of copies) {
    const skip = process.platform !== "linux" && "for the tools of Linux";
    it(`by ${name} is refused while the original runs and afterwards`, { skip }, async (t) => {
      const store = await storeDirectory(t);
      const backend = await store.open(new FakeClock());
      await createSession(backend, "alice");
      await run("sh", ["-c", command, "sh", store.path, `${store.path}-copy`]);
      // A shared socket is answered by the original.
      await assert.rejects(open(`${store.path}-copy`), /it is a copy|in use by another sessiond/);
      await backend.upkeep.close();
      await run("sh", ["-c", command, "sh", store.path, `${store.path}-later`]);
      await assert.rejects(open(`${store.path}-later`), isCopy);
      await (await open(store.path)).upkeep.close();
    });

    it(`by ${name} is refused in the place of the original`, { skip }, async (t) => {
      const path = await closedStore(t);
      await rename(path, `${path}-gone`);
      await run("sh", ["-c", command, "sh", `${path}-gone`, path]);
      await assert.rejects(open(path), isCopy);
    });
  }

  it("in the place of a running store receives none of its writes", async (t) => {
    const store = await storeDirectory(t);
    const backend = await store.open(new FakeClock());
    const { lease } = await createSession(backend, "alice");
    await rename(store.path, `${store.path}-gone`);
    await run("cp", ["-a", `${store.path}-gone`, store.path]);
    await assert.rejects(
      backend.sessions.commit(lease, { record: recordOf("alice", 2), events: [] }),
      /store cannot be written/,
    );
  });

  it("is refused unchanged", async (t) => {
    const path = await closedStore(t);
    await run("cp", ["-r", path, `${path}-copy`]);
    await rm(join(`${path}-copy`, anchorFile));
    await assert.rejects(open(`${path}-copy`), isCopy);
    assert.equal((await readdir(`${path}-copy`)).includes(anchorFile), false);
  });
});
