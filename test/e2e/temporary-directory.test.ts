import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { packedChrome } from "../../src/adapters/wwebjs/packed-chrome.ts";
import { openHarness } from "./harness.ts";

describe("without a usable temporary directory", () => {
  let directory = "";
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "sessiond-tmp-"));
    await writeFile(join(directory, "file"), "");
  });
  after(() => rm(directory, { recursive: true }));

  for (const [name, place] of [
    ["that is missing", "missing"],
    ["that is a file", "file"],
  ] as const) {
    it(`${name} NOWEB works, and WEBJS says TMPDIR`, async () => {
      const TMPDIR = join(directory, place);
      await using it = await openHarness({ TMPDIR, SESSIOND_STREAM_HEARTBEAT_SECONDS: "0.2" });
      const { rest } = it;
      assert.equal((await rest.post("/api/sessions", { name: "lean" })).status, 201);
      await rest.untilStatus("lean", "SCAN_QR_CODE");
      assert.equal((await rest.post("/api/sessions", { name: "page", engine: "WEBJS" })).status, 201);
      const pattern = new RegExp(`temporary directory ${TMPDIR} cannot be used by user id \\d+: E\\w+.*Set TMPDIR`);
      let reason = "";
      // A quiet stream yields at each heartbeat.
      for await (const _ of rest.stream("/api/sessions/page/status-stream")) {
        reason = String((await rest.get("/api/sessions/page")).body.statusMessage);
        if (reason.includes("TMPDIR")) break;
      }
      assert.match(reason, pattern);
      assert.equal((await rest.get("/api/sessions/lean")).body.status, "SCAN_QR_CODE");
    });
  }

  it("a browser from npm is not unpacked where programs cannot run", {
    skip: process.getuid?.() !== 0 && "only root can mount",
  }, async (t) => {
    const mount = await mkdtemp(join(tmpdir(), "sessiond-noexec-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "noexec", "none", mount]);
    t.after(async () => {
      execFileSync("umount", [mount]);
      await rm(mount, { recursive: true });
    });
    const chrome = await packedChrome(join(mount, "cache"));
    if (!chrome) return t.skip("there is none for this system");
    await assert.rejects(chrome.ready(), /no program there can be run.*Set TMPDIR/);
  });
});
