import assert from "node:assert/strict";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { openLevelBackend } from "../../src/adapters/level/backend.ts";
import { openLevelSource } from "../../src/adapters/level/transfer/source.ts";
import { hashedKey, readStoredKey } from "../../src/adapters/node/api-key.ts";
import { openPostgresBackend } from "../../src/adapters/postgres/backend.ts";
import { openPostgresSource } from "../../src/adapters/postgres/transfer/source.ts";
import { sessionDirectory } from "../../src/adapters/wwebjs/profile.ts";
import { digestsOf } from "../../src/commands/move/move-store.ts";
import type { StoreSource } from "../../src/ports/transfer.ts";
import { emptyDatabase } from "../adapters/postgres/databases.ts";
import { createSession, recordOf } from "../contract/backend-fixtures.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { contentsOf, dataDirectory, makeStore, runMove, sealer, secretKey } from "./moving-store.ts";

const levelOptions = (directory: string) => ({ directory, sealer, adopt: false, version: "1" });

/** Returns counts and digests of a store's entries, and closes it. */
async function digests(source: StoreSource) {
  try {
    return await digestsOf(source);
  } finally {
    await source.close();
  }
}

/** A full store in a directory, and an empty database. */
async function openPair(t: TestContext) {
  const { base, store } = await dataDirectory(t);
  await makeStore(store);
  const { url } = await emptyDatabase(t);
  return { base, store, url };
}

describe("npm run move", () => {
  it("takes every entry to PostgreSQL and back", async (t) => {
    const { base, store, url } = await openPair(t);
    const before = await digests(await openLevelSource(levelOptions(store)));
    for (const [family, { count }] of Object.entries(before)) assert.ok(count > 0, `there are entries of ${family}`);
    await runMove(t, base, ["--to", url]);
    assert.deepEqual(await digests(await openPostgresSource({ url, sealer })), before);
    await runMove(t, base, ["--from", url]);
    assert.deepEqual(await digests(await openLevelSource(levelOptions(store))), before);
    assert.deepEqual((await readdir(base)).sort(), ["store", "store.moved-1"]);
  });

  it("gives servers the same contents on either side, and counters that go on", async (t) => {
    const { base, store, url } = await openPair(t);
    const clock = new FakeClock();
    const open = () => openLevelBackend({ directory: store, clock, sealer });
    const level = await open();
    const [before, lease] = [await contentsOf(level), await level.sessions.acquire("alice")];
    const { lastWrittenMs } = level;
    const lastSeq = await level.log.lastSeq();
    await level.upkeep.close();

    await runMove(t, base, ["--to", url]);
    const postgres = await openPostgresBackend({ url, clock: new FakeClock(), sealer });
    assert.deepEqual(await contentsOf(postgres), before);
    assert.equal(postgres.lastWrittenMs, lastWrittenMs);
    const there = await postgres.sessions.acquire("alice");
    assert.ok(there.epoch > lease.epoch, "no epoch is used again");
    const { events } = await createSession(postgres, "later", [], 1);
    assert.equal(events[0]?.seq, lastSeq + 1n);
    await postgres.upkeep.close();

    await runMove(t, base, ["--from", url]);
    const again = await open();
    const back = await again.sessions.acquire("alice");
    assert.ok(back.epoch > there.epoch, "no epoch is used again");
    assert.equal((await createSession(again, "later", [], 1)).events[0]?.seq, lastSeq + 2n);
    await again.upkeep.close();
  });

  it("takes the database from SESSIOND_STORE, so that no password is in a command line", async (t) => {
    const { base, url } = await openPair(t);
    const env = { SESSIOND_SECRET_KEY: secretKey, SESSIOND_STORE: url };
    assert.ok((await runMove(t, base, ["--to", "postgres"], env)).some((line) => line.startsWith("Moved")));
    assert.ok((await runMove(t, base, ["--from", "postgres"], env)).some((line) => line.startsWith("Moved")));
  });

  it("tells what it does, and what to do next, without the password", async (t) => {
    const { base, url } = await openPair(t);
    const lines = await runMove(t, base, ["--to", url]);
    const { port, pathname, password } = new URL(url);
    const text = lines.join("\n");
    const place = `127.0.0.1:${port}${pathname}`;
    assert.match(text, new RegExp(`to PostgreSQL at ${place}`));
    assert.match(text, / 3 {2}sessions\n/);
    assert.match(text, /start sessiond with SESSIOND_STORE/);
    assert.ok(text.includes(`To move back, run: npm run move -- --from postgres://…@${place}`));
    assert.ok(!text.includes(password) && !text.includes(decodeURIComponent(password)));
  });
});

describe("what a database has beside its entries", () => {
  const openStore = (url: string) =>
    openPostgresBackend({ url, clock: new FakeClock(), sealer, node: { name: "far" } });
  const id = "00000000-0000-4000-8000-000000000000";
  const marker = (more: object) => Buffer.from(JSON.stringify({ id, state: "paired", ...more }));

  it("keeps a store whose browser profiles are in archives, as a directory has none", async (t) => {
    const { base, url } = await openPair(t);
    await runMove(t, base, ["--to", url]);
    const write = async (more: object) => {
      const backend = await openStore(url);
      const credentials = backend.engineData.credentials(await backend.sessions.acquire("alice"));
      await credentials.write(new Map([["profile", marker(more)]]));
      await backend.upkeep.close();
    };
    await write({ archived: { key: "7", sha256: "", bytes: 1 } });
    await assert.rejects(runMove(t, base, ["--from", url]), /alice.*wait until they are WORKING.*Nothing has changed/s);
    await write({});
    assert.ok((await runMove(t, base, ["--from", url])).some((line) => line.startsWith("Moved")));
  });

  it("names the browser profiles that are on other machines, and where to copy them", async (t) => {
    const { base, url } = await openPair(t);
    await runMove(t, base, ["--to", url]);
    const backend = await openStore(url);
    for (const name of ["alice", "bob"]) {
      const lease = await backend.sessions.acquire(name);
      await backend.sessions.commit(lease, { record: recordOf(name), events: [], isBound: true });
    }
    await backend.upkeep.close();
    await mkdir(sessionDirectory(join(base, "webjs"), "bob"), { recursive: true });
    const lines = await runMove(t, base, ["--from", url]);
    const line = lines.find((one) => one.startsWith("Browser profiles")) ?? "";
    assert.match(line, /alice \(node far, webjs\/[0-9a-f]{32}\)$/);
    assert.ok(!line.includes("bob"));
  });

  for (const [what, own] of [
    ["is taken along, once", undefined],
    ["does not replace one of the directory", hashedKey("own")],
  ] as const) {
    it(`the hash of a key that the cluster made ${what}`, async (t) => {
      const { base, url } = await openPair(t);
      await runMove(t, base, ["--to", url]);
      const backend = await openStore(url);
      await backend.cluster?.values.add("api-key.sha512", Buffer.from(hashedKey("shared")));
      await backend.upkeep.close();
      const path = join(base, "api-key.sha512");
      if (own !== undefined) await writeFile(path, own);
      const lines = [await runMove(t, base, ["--from", url]), await runMove(t, base, ["--from", url])];
      assert.equal(await readStoredKey(path), own ?? hashedKey("shared"));
      const told = lines.map((some) => some.filter((line) => line.startsWith("The API key")).length);
      assert.deepEqual(told, own === undefined ? [1, 0] : [1, 1]);
    });
  }
});
