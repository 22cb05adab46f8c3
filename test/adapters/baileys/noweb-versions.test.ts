import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { DEFAULT_CONNECTION_CONFIG } from "@whiskeysockets/baileys";
import { builtInVersion, compareVersions } from "../../../src/adapters/baileys/client-version.ts";
import { NowebVersions, type VersionOptions } from "../../../src/adapters/baileys/noweb-versions.ts";
import type { Logger } from "../../../src/ports/system.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { startVersionServer } from "./version-server.ts";

const hourMs = 3_600_000;
const revision = Number(builtInVersion.split(".").at(-1));
const newer = (by: number) => `2.3000.${revision + by}`;

/** A directory, a clock, a log and a server of versions; opens NowebVersions on them, again and again as new processes would. */
async function openFixture(t: TestContext) {
  const server = await startVersionServer();
  const directory = await mkdtemp(join(tmpdir(), "sessiond-versions-"));
  const file = join(directory, "noweb-version.json");
  const clock = new FakeClock();
  const log: string[] = [];
  const line = (fields: object, message: string) => void log.push(`${message} ${JSON.stringify(fields)}`);
  const logger: Logger = { debug: () => {}, info: () => {}, warn: line, error: line, child: () => logger };
  const opened: NowebVersions[] = [];
  t.after(async () => {
    for (const versions of opened) versions.close();
    await server.close();
    await rm(directory, { recursive: true, force: true });
  });
  return {
    server,
    file,
    clock,
    log,
    async open(setting: string | undefined, more: Partial<VersionOptions> = {}) {
      for (const versions of opened) versions.close();
      const versions = await NowebVersions.open({
        setting,
        url: server.url,
        unasked: true,
        file,
        clock,
        logger,
        ...more,
      });
      opened.push(versions);
      // The first look-up does not slow the start down.
      clock.advance(1_000);
      return versions;
    },
  };
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await nextTurn();
}
const stored = (file: string) => readFile(file, "utf8").catch(() => "");

describe("NOWEB's client version", () => {
  it("is known without Baileys, and is the one that Baileys ships with", () => {
    assert.equal(builtInVersion, DEFAULT_CONNECTION_CONFIG.version.join("."));
  });

  for (const setting of ["2.3000.1023456789", "2.3000.4294967295"]) {
    it(`is the one that is set, and nothing is looked up: ${setting}`, async (t) => {
      const { server, open, log } = await openFixture(t);
      const versions = await open(setting);
      assert.equal(versions.current, setting);
      versions.refused(setting);
      versions.refused(setting);
      assert.equal(versions.current, setting);
      assert.equal(server.asked, 0);
      assert.equal(log.filter((line) => line.includes("no longer accepts")).length, 1);
      assert.ok(log.some((line) => line.includes(setting) && line.includes("SESSIOND_NOWEB_VERSION")));
      assert.equal(
        log.some((line) => line.includes("older than the one built in")),
        compareVersions(setting, builtInVersion) < 0,
      );
    });
  }

  it("is Baileys' own where none is set, until WhatsApp refuses it: then it is looked up", async (t) => {
    const { server, open } = await openFixture(t);
    server.publish(revision + 5);
    const versions = await open(undefined);
    assert.deepEqual([versions.current, server.asked], [builtInVersion, 0]);
    const changed = new Promise<string>((resolve) => versions.onChange(resolve));
    versions.refused(builtInVersion);
    assert.equal(await changed, newer(5));
    assert.equal(versions.current, newer(5));
  });

  it("is not looked up unasked for a WhatsApp that is elsewhere", async (t) => {
    const { server, open } = await openFixture(t);
    const versions = await open(undefined, { unasked: false });
    versions.refused(builtInVersion);
    await nextTurn();
    assert.deepEqual([versions.current, server.asked], [builtInVersion, 0]);
  });

  const answers: [what: string, setting: string, body: string][] = [
    ["WhatsApp Web's service worker", "auto-web", `x={"client_revision": ${revision + 7},"y":1}`],
    ["an escaped one", "auto-web", `JSON.parse("{\\"client_revision\\":${revision + 7}}")`],
    ["Baileys' source", "auto-baileys", `// some lines\n\nconst version = [2, 3000, ${revision + 7}];\n`],
  ];
  for (const [what, setting, body] of answers) {
    it(`is read from ${what}`, async (t) => {
      const { server, open, file } = await openFixture(t);
      server.answer = (response) => response.end(body);
      const versions = await open(setting);
      await until(() => versions.current === newer(7));
      await until(async () => (await stored(file)).includes(newer(7)));
    });
  }

  const useless: [what: string, answer: (response: ServerResponse) => void][] = [
    ["an error", (response) => response.writeHead(400).end('"client_revision":1999999999')],
    ["a page without a version", (response) => response.end("<html>login</html>")],
    ["a version that is no 32-bit number", (response) => response.end('"client_revision":99999999999')],
    ["a version of 0", (response) => response.end('"client_revision":0')],
    ["an answer that is cut off", (response) => void response.write("x", () => response.destroy())],
    ["more than a service worker can be", (response) => response.end(Buffer.alloc(9 * 1024 * 1024, "x"))],
  ];
  for (const [what, answer] of useless) {
    it(`stays as it is if the look-up brings ${what}, which is logged`, async (t) => {
      const { server, open, log, clock } = await openFixture(t);
      server.answer = answer;
      const versions = await open("auto-web");
      await until(() => log.length > 0);
      assert.match(log[0] ?? "", /could not look up/);
      assert.equal(versions.current, builtInVersion);
      server.publish(revision + 1);
      clock.advance(60_000);
      await until(() => versions.current === newer(1));
    });
  }

  it("is the one looked up last where a start finds no network", async (t) => {
    const { server, open, file, clock } = await openFixture(t);
    server.publish(revision + 3);
    await open("auto-web");
    await until(async () => (await stored(file)).includes(newer(3)));
    clock.advance(2 * hourMs);
    server.answer = (response) => response.destroy();
    assert.equal((await open("auto-web")).current, newer(3));
    assert.equal((await open("auto-baileys")).current, builtInVersion, "another source has not been asked yet");
    assert.equal((await open("2.3000.9")).current, "2.3000.9");
  });

  it("is looked up at most hourly while it is accepted, over restarts too", async (t) => {
    const { server, open, file, clock } = await openFixture(t);
    server.publish(revision + 3);
    await open("auto-web");
    await until(async () => (await stored(file)).includes(newer(3)));
    const versions = await open("auto-web");
    server.publish(revision + 4);
    clock.advance(hourMs - 1_001);
    await nextTurn();
    assert.deepEqual([versions.current, server.asked], [newer(3), 1]);
    clock.advance(1);
    await until(() => versions.current === newer(4));
  });

  for (const content of ["", "{", "[]", '{"setting":"auto-web","version":"a.b.c","atMs":1}', '{"version":7}']) {
    it(`is Baileys' own if the stored one cannot be read: ${content}`, async (t) => {
      const { server, open, file } = await openFixture(t);
      await writeFile(file, content);
      const versions = await open("auto-web");
      assert.equal(versions.current, builtInVersion);
      await until(() => server.asked === 1);
    });
  }

  it("is the newer of the stored and the built-in one, after an upgrade too", async (t) => {
    const { open, file, clock } = await openFixture(t);
    for (const [version, expected] of [
      [newer(1), newer(1)],
      [newer(-1), builtInVersion],
    ]) {
      await writeFile(file, JSON.stringify({ setting: "auto-web", version, atMs: clock.nowMs() }));
      assert.equal((await open("auto-web")).current, expected);
    }
  });

  it("never is one that WhatsApp has refused, and is looked up until there is another", async (t) => {
    const { server, open, clock } = await openFixture(t);
    server.publish(revision + 1);
    const versions = await open("auto-web");
    await until(() => versions.current === newer(1));
    versions.refused(builtInVersion);
    const changes: string[] = [];
    versions.onChange((version) => changes.push(version));
    versions.refused(newer(1));
    versions.refused(newer(1));
    await until(() => server.asked === 2);
    // Once for both refusals; then after a minute, two, four and so on, and no oftener.
    for (const [waitMs, asked] of [
      [60_000, 3],
      [120_000, 4],
      [240_000, 5],
    ] as const) {
      // The last look-up has ended once the next one is planned.
      await until(() => clock.pending > 1);
      clock.advance(waitMs - 1);
      await nextTurn();
      assert.equal(server.asked, asked - 1);
      clock.advance(1);
      await until(() => server.asked === asked);
    }
    assert.deepEqual(changes, []);
    server.publish(revision + 2);
    await until(() => clock.pending > 1);
    clock.advance(480_000);
    await until(() => changes.length > 0);
    assert.deepEqual(changes, [newer(2)]);
  });

  it("is not looked up again for a second refusal within a minute", async (t) => {
    const { server, open, clock } = await openFixture(t);
    server.publish(revision);
    const versions = await open(undefined);
    versions.refused(builtInVersion);
    await until(() => server.asked === 1 && clock.pending > 1);
    versions.refused(builtInVersion);
    await nextTurn();
    assert.equal(server.asked, 1);
  });
});
