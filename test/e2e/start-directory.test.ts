import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { isRoot, namelessUid, startMain, temporaryDirectory } from "./start.ts";

const linuxOnly = process.platform !== "linux" && "only Linux has /proc";
const rootOnly = !isRoot && "only root can mount";

/** Mounts an in-memory file system until the test ends. */
async function mounted(t: TestContext, options: string): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "sessiond-start-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "none", path]);
  t.after(async () => {
    execFileSync("umount", [path]);
    await rm(path, { recursive: true });
  });
  return path;
}

async function withMode(path: string, mode: number): Promise<string> {
  await mkdir(path);
  await chmod(path, mode);
  return path;
}

async function fileAt(path: string): Promise<string> {
  await writeFile(path, "");
  return path;
}

interface Case {
  readonly name: string;
  readonly cause: RegExp;
  readonly skip?: string | false;
  /** Returns the value of WAHA_LOCAL_STORE_BASE_DIR. */
  readonly make: (t: TestContext, directory: string) => Promise<string>;
}

const cases: readonly Case[] = [
  { name: "that cannot be written", cause: /EACCES.*chown/, make: (_, at) => withMode(join(at, "a"), 0o555) },
  { name: "that cannot be read", cause: /EACCES.*chown/, make: (_, at) => withMode(join(at, "a"), 0o333) },
  { name: "that cannot be entered", cause: /EACCES.*chown/, make: (_, at) => withMode(join(at, "a"), 0o666) },
  {
    name: "below a read-only directory",
    cause: /EACCES.*chown/,
    make: async (_, at) => join(await withMode(join(at, "a"), 0o555), "b", "c"),
  },
  {
    name: "whose store belongs to another user",
    cause: /permission denied.*chown/i,
    make: async (_, at) => {
      const base = await withMode(join(at, "a"), 0o777);
      await withMode(join(base, "store"), 0o000);
      return base;
    },
  },
  { name: "that is a file", cause: /ENOTDIR.*Remove the file/, make: (_, at) => fileAt(join(at, "a")) },
  { name: "below a file", cause: /ENOTDIR/, make: async (_, at) => join(await fileAt(join(at, "a")), "b") },
  {
    name: "that is a broken link",
    cause: /EEXIST|EACCES/,
    make: async (_, at) => {
      await symlink(join(at, "gone"), join(at, "a"));
      return join(at, "a");
    },
  },
  {
    name: "with a file where the store should be",
    cause: /EEXIST|ENOTDIR/,
    make: async (_, at) => {
      const base = await withMode(join(at, "a"), 0o777);
      await fileAt(join(base, "store"));
      return base;
    },
  },
  { name: "with too long a name", cause: /ENAMETOOLONG.*shorter/, make: async (_, at) => join(at, "a".repeat(300)) },
  { name: "in /proc", cause: /ENOENT|EACCES/, skip: linuxOnly, make: async () => "/proc/x" },
  { name: "deep in /proc", cause: /ENOENT|EACCES/, skip: linuxOnly, make: async () => "/proc/self/x/y" },
  { name: "that is a device", cause: /ENOTDIR/, skip: linuxOnly, make: async () => "/dev/full" },
  {
    name: "on a full disk",
    cause: /ENOSPC.*Make room/,
    skip: rootOnly,
    make: (t) => mounted(t, "size=4k,mode=777"),
  },
  {
    name: "on a read-only disk",
    cause: /EROFS.*writable/,
    skip: rootOnly,
    make: (t) => mounted(t, "ro"),
  },
];

describe("a start on a directory", () => {
  for (const { name, cause, skip = false, make } of cases) {
    it(`${name} ends with one line that says what to do`, { skip }, async (t) => {
      const base = await make(t, await temporaryDirectory(t));
      const { listens, code, output } = await startMain({ WAHA_LOCAL_STORE_BASE_DIR: base }, { uid: namelessUid });
      assert.deepEqual([listens, code], [false, 1], output);
      assert.equal(output.trim().split("\n").length, 1, output);
      assert.ok(output.includes(`the data directory ${base} cannot be used by user id ${namelessUid}: `), output);
      assert.match(output, cause);
    });
  }

  it("that cannot be created also ends a restore", async (t) => {
    const base = join(await temporaryDirectory(t), "a".repeat(300));
    const { code, output } = await startMain({ WAHA_LOCAL_STORE_BASE_DIR: base }, { args: ["restore", "/none"] });
    assert.deepEqual([code, /ENAMETOOLONG/.test(output)], [1, true], output);
  });
});
