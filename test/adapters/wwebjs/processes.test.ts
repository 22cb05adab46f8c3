import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { sandboxObstacle } from "../../../src/adapters/wwebjs/chrome.ts";
import { haveEnded, processesUsing, treeOf } from "../../../src/adapters/wwebjs/processes.ts";
import { temporaryDirectoryOf } from "../../../src/adapters/wwebjs/profile.ts";
import { WebjsFixture, type WebjsSession } from "./webjs-fixture.ts";

const endLimitMs = 10_000;

describe("the browsers of WEBJS engines", () => {
  let fixture: WebjsFixture;
  let shared: WebjsSession;

  /** The first process of the session's browser. */
  const browserOf = async (session: WebjsSession): Promise<number> => {
    for (const pid of await session.processes()) {
      if ((await treeOf(pid)).length > 1) return pid;
    }
    throw new Error("no browser runs");
  };
  const commandLine = (pid: number) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");

  before(async () => {
    fixture = await WebjsFixture.start();
    shared = fixture.session();
    await (await shared.working()).engine.close();
  });
  after(() => fixture.close());

  it("leave no process and no temporary file behind", async () => {
    const session = fixture.session();
    const engine = await session.working();
    const tree = await treeOf(await browserOf(session));
    const [profile = ""] = await session.profiles();
    assert.ok((await stat(temporaryDirectoryOf(profile))).isDirectory());
    await engine.engine.close();
    assert.ok(tree.length > 1);
    assert.ok(await haveEnded(tree, 0));
    assert.deepEqual(await processesUsing(profile), []);
    await assert.rejects(stat(temporaryDirectoryOf(profile)), { code: "ENOENT" });
  });

  it("get nothing of this process's environment", async () => {
    process.env.SESSIOND_TEST_SECRET = "do not tell";
    const engine = shared.open();
    await engine.until("opened");
    const environment = await readFile(`/proc/${await browserOf(shared)}/environ`, "utf8");
    delete process.env.SESSIOND_TEST_SECRET;
    await engine.engine.close();
    assert.match(environment, /TMPDIR=/);
    assert.doesNotMatch(environment, /SESSIOND_TEST_SECRET|do not tell/);
  });

  it("use the sandbox where it works, and Chromium's safety rules everywhere", async () => {
    const engine = shared.open();
    await engine.until("opened");
    const line = await commandLine(await browserOf(shared));
    await engine.engine.close();
    assert.equal(line.includes("--no-sandbox"), (await sandboxObstacle()) !== undefined);
    assert.doesNotMatch(
      line,
      /--disable-web-security|--ignore-certificate-errors(?!-spki-list)|--remote-debugging-port/,
    );
  });

  for (const victim of ["page", "browser"] as const) {
    it(`end the engine when the ${victim} is killed, and the next one needs no code`, async () => {
      const engine = shared.open();
      await engine.until("opened");
      const browser = await browserOf(shared);
      let [target] = [browser];
      if (victim === "page") {
        for (const pid of await treeOf(browser)) if ((await commandLine(pid)).includes("--type=renderer")) target = pid;
        assert.notEqual(target, browser);
      }
      process.kill(target, "SIGKILL");
      const closed = await engine.until("closed");
      assert.equal(closed.cause, "engine_crashed");
      assert.match(closed.message, victim === "page" ? /page crashed/ : /browser ended/);
      const next = shared.open();
      await next.until("opened");
      assert.equal(next.seen.length, 1);
      await next.engine.close();
    });
  }

  it("get over the loss of the process that draws", async (t) => {
    const engine = shared.open();
    await engine.until("opened");
    const tree = await treeOf(await browserOf(shared));
    const lines = await Promise.all(tree.map(async (pid) => [pid, await commandLine(pid)] as const));
    const [drawing] = lines.find(([, line]) => line.includes("--type=gpu-process")) ?? [];
    if (drawing === undefined) return t.skip("there is none");
    process.kill(drawing, "SIGKILL");
    await haveEnded([drawing], endLimitMs);
    await fixture.whatsapp.phone().sendTextTo(shared.phone, "still there?");
    assert.equal((await engine.until("message")).message.body, "still there?");
    assert.ok((await engine.takeScreenshot()).length > 0);
    await engine.engine.close();
  });

  it("are ended by force when they no longer react", async () => {
    const engine = shared.openWith({ heartbeatIntervalMs: 100, answerTimeoutMs: 1_000 });
    await engine.until("opened");
    const browser = await browserOf(shared);
    const tree = await treeOf(browser);
    process.kill(browser, "SIGSTOP");
    const closed = await engine.until("closed");
    assert.equal(closed.cause, "engine_crashed");
    assert.match(closed.message, /does not answer/);
    assert.ok(await haveEnded(tree, 0));
  });

  it("end with the process that started them, however it ends, and the login survives", async () => {
    const session = fixture.session();
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, "lone-engine.ts"), session.options.profilesDirectory, ...fixture.whatsapp.chromeArgs],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const lines = createInterface({ input: child.stdout });
    const next = async () => String((await once(lines, "line"))[0]);
    await session.phone.scan(await next());
    const marker = await next();
    const tree = await treeOf(await browserOf(session));
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.ok(await haveEnded(tree, endLimitMs));

    session.credentials.values.set("profile", Buffer.from(marker, "base64"));
    const engine = session.open();
    await engine.until("opened");
    assert.equal(engine.seen.length, 1);
  });

  it("are not put into a profile that another one uses: that one is ended", async () => {
    const [profile = ""] = await shared.profiles();
    const squatter = sleeper(`--user-data-dir=${profile}`);
    const exited = once(squatter, "exit");
    await once(squatter, "spawn");
    const engine = shared.open();
    await engine.until("opened");
    assert.deepEqual((await exited)[1], "SIGKILL");
    await engine.engine.close();
  });

  it("wait until the one before has left the profile", async () => {
    const first = shared.open();
    await first.until("opened");
    const closing = first.engine.close();
    const second = shared.open();
    await second.until("opened");
    await closing;
    await second.engine.close();
    assert.equal((await first.rest()).at(-1)?.type, "closed");
  });

  it("do not take the lock of a host that is no more for a live one's", async () => {
    const [profile = ""] = await shared.profiles();
    const links = { SingletonLock: "oldcontainer-123", SingletonSocket: "/nowhere/SingletonSocket" };
    for (const [name, target] of Object.entries(links)) {
      await rm(join(profile, name), { force: true });
      await symlink(target, join(profile, name));
    }
    const engine = shared.open();
    await engine.until("opened");
    const found = await Promise.all(Object.keys(links).map((name) => readlink(join(profile, name)).catch(() => "")));
    await engine.engine.close();
    // A full Chromium has made its own by now, a headless shell makes none.
    assert.ok(found.every((target) => !Object.values(links).includes(target)));
  });

  const broken: [string, string, RegExp][] = [
    ["ends at once", "exit 1", /could not be started/],
    ["never says a word", "exec sleep 60", /did not start in time|could not be started|in time/],
    ["ends after a while", "sleep 0.2; exit 3", /could not be started|ended/],
  ];
  for (const [what, script, message] of broken) {
    it(`are reported when one ${what}`, async () => {
      const session = fixture.session({ launchTimeoutMs: 1_000 });
      const { profilesDirectory } = session.options;
      const chromePath = join(profilesDirectory, "chrome");
      await mkdir(profilesDirectory, { recursive: true });
      await writeFile(chromePath, `#!/bin/sh\n${script}\n`);
      await chmod(chromePath, 0o700);
      const closed = await session.openWith({ chromePath }).until("closed");
      assert.equal(closed.cause, "engine_crashed");
      assert.match(closed.message, message);
      await rm(chromePath);
      assert.deepEqual(await session.processes(), []);
    });
  }

  it("end the engine with a clear message when there is no browser", async () => {
    const closed = await fixture.session({ chromePath: "/nope" }).open().until("closed");
    assert.equal(closed.cause, "engine_crashed");
    assert.match(closed.message, /WEBJS.*SESSIOND_CHROME_PATH is \/nope.*system.*@sparticuz\/chromium/);
  });
});

/** A process that does nothing but have this argument. */
const sleeper = (argument: string): ChildProcess =>
  spawn(process.execPath, ["-e", "setInterval(() => {}, 1e6)", "--", argument], { stdio: "ignore" });
