import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { access, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { openLevelBackend } from "../../src/adapters/level/backend.ts";
import { currentFormat } from "../../src/adapters/level/store/format.ts";
import { openLevelSource } from "../../src/adapters/level/transfer/source.ts";
import { openLevelTarget } from "../../src/adapters/level/transfer/target.ts";
import { openPostgresBackend } from "../../src/adapters/postgres/backend.ts";
import { openPostgresTarget } from "../../src/adapters/postgres/transfer/target.ts";
import { createSealer } from "../../src/adapters/seal/aes-gcm.ts";
import { restore } from "../../src/commands/restore.ts";
import { readConfig } from "../../src/config/config.ts";
import { emptyDatabase } from "../adapters/postgres/databases.ts";
import { createSession } from "../contract/backend-fixtures.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { dataDirectory, makeStore, runMove, sealer, secretKey } from "./moving-store.ts";

const clock = new FakeClock();
const from = { place: "another place", id: "of another" };

async function openPair(t: TestContext) {
  const { base, store } = await dataDirectory(t);
  await makeStore(store, async (backend) => void (await createSession(backend, "alice", [], 1)));
  const { url } = await emptyDatabase(t);
  return { base, store, url };
}

/** Returns the message with which a promise rejects. */
async function refusal(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => assert.fail("it was not refused"),
    (error: Error) => error.message,
  );
}

describe("a move that cannot be made", () => {
  const usages = [
    [],
    ["--to", "level"],
    ["--from", "level"],
    ["--to", "mysql://user:swordfish@host/db"],
    ["--to", "swordfish"],
    ["--to", "postgres://user:sword/fish:swordfish@host/db"],
    ["--to", "postgres"],
    ["--to", "postgres://a/b", "--from", "postgres://user:swordfish@c/d"],
    ["--to", "postgres://a/b", "more"],
    ["--too", "postgres://a/b"],
  ];
  for (const args of usages) {
    it(`is refused for arguments that say nothing clear: ${args.join(" ").replaceAll("swordfish", "…")}`, async (t) => {
      const message = await refusal(runMove(t, "/nonexistent", args));
      assert.match(
        message,
        /usage: move|Unexpected argument|Unknown option|--to must be a URL like|SESSIOND_STORE is not set/,
      );
      assert.ok(!message.includes("swordfish"), "no password is repeated");
    });
  }

  it("is refused without a store to move", async (t) => {
    const { base, store } = await dataDirectory(t);
    const { url } = await emptyDatabase(t);
    assert.equal(await refusal(runMove(t, base, ["--to", url])), `there is no store in ${store}`);
    await assert.rejects(access(store), "nothing was made");
    const there = await refusal(runMove(t, base, ["--from", url.replace(/\w+$/, "postgres")]));
    assert.match(
      there,
      /^the store in PostgreSQL at 127\.0\.0\.1:\d+\/postgres cannot be used: there is no store in it$/,
    );
  });

  it("is refused while a server uses the source", async (t) => {
    const { base, store, url } = await openPair(t);
    const level = await openLevelBackend({ directory: store, clock, sealer });
    t.after(() => level.upkeep.close());
    assert.match(await refusal(runMove(t, base, ["--to", url])), /is in use by another sessiond/);
  });

  it("is refused while a server uses the database", async (t) => {
    const { base, url } = await openPair(t);
    const postgres = await openPostgresBackend({ url, clock, sealer });
    t.after(() => postgres.upkeep.close());
    assert.match(await refusal(runMove(t, base, ["--to", url])), /is in use by another sessiond/);
  });

  const keys: readonly (readonly [name: string, env: Record<string, string>, message: RegExp])[] = [
    ["no key", {}, /it is encrypted, and SESSIOND_SECRET_KEY is not set/],
    [
      "another key",
      { SESSIOND_SECRET_KEY: randomBytes(32).toString("base64") },
      /encrypted with another key than SESSIOND_SECRET_KEY/,
    ],
  ];
  for (const [name, env, message] of keys) {
    it(`is refused for an encrypted store and ${name}`, async (t) => {
      const { base, url } = await openPair(t);
      assert.match(await refusal(runMove(t, base, ["--to", url], env)), message);
      const backend = await openPostgresBackend({ url, clock });
      await backend.upkeep.close();
    });
  }

  it("is refused for a database with sessions, which stay as they are", async (t) => {
    const { base, url } = await openPair(t);
    const former = await openPostgresBackend({ url, clock, sealer });
    await createSession(former, "bob");
    await former.upkeep.close();
    assert.match(await refusal(runMove(t, base, ["--to", url])), /is not empty: choose an empty one/);
    const again = await openPostgresBackend({ url, clock, sealer });
    assert.deepEqual(
      (await again.sessions.list()).records.map(({ name }) => name),
      ["bob"],
    );
    await again.upkeep.close();
  });

  it("is refused for a database whose log went on, though its sessions are deleted", async (t) => {
    const { base, url } = await openPair(t);
    const former = await openPostgresBackend({ url, clock, sealer });
    const { lease } = await createSession(former, "bob", [], 1);
    await former.sessions.remove(lease, []);
    await former.upkeep.close();
    assert.match(await refusal(runMove(t, base, ["--to", url])), /is not empty/);
  });

  it("takes a database whose store was opened while it was empty", async (t) => {
    const { base, url } = await openPair(t);
    for (let starts = 0; starts < 3; starts += 1) {
      await (await openPostgresBackend({ url, clock, sealer })).upkeep.close();
    }
    await runMove(t, base, ["--to", url]);
  });

  it("is refused for a data directory with sessions", async (t) => {
    const { base, url } = await openPair(t);
    await runMove(t, base, ["--to", url]);
    const other = await dataDirectory(t);
    await makeStore(other.store);
    assert.match(await refusal(runMove(t, other.base, ["--from", url])), /is not empty: choose an empty one/);
  });

  it("is refused to a second database", async (t) => {
    const { base, url } = await openPair(t);
    await runMove(t, base, ["--to", url]);
    const { url: other } = await emptyDatabase(t);
    assert.match(await refusal(runMove(t, base, ["--to", other])), /was moved to PostgreSQL at \S+ already/);
  });

  it("is refused into what another store is being moved to", async (t) => {
    const { base, url } = await openPair(t);
    const target = await openPostgresTarget({ url, sealer });
    await target.begin(from, "a command");
    await target.close();
    assert.match(
      await refusal(runMove(t, base, ["--to", url])),
      /is being filled from another place: finish that move/,
    );
  });

  it("names the server and the database, but not the password, if they cannot be reached", async (t) => {
    const { base, store } = await openPair(t);
    const message = await refusal(runMove(t, base, ["--to", "postgres://user:swordfish@127.0.0.1:1/db"]));
    assert.match(
      message,
      /^the store in PostgreSQL at 127\.0\.0\.1:1\/db cannot be used: it cannot be reached \(ECONNREFUSED\)/,
    );
    assert.match(message, /check the host and the port in the database's URL/);
    const level = await openLevelBackend({ directory: store, clock, sealer });
    await level.upkeep.close();
  });

  it("says again that it is done", async (t) => {
    const { base, url } = await openPair(t);
    await runMove(t, base, ["--to", url]);
    assert.ok((await runMove(t, base, ["--to", url])).some((line) => line.startsWith("The store was moved before")));
    await runMove(t, base, ["--from", url]);
    assert.ok((await runMove(t, base, ["--from", url])).some((line) => line.startsWith("The store was moved before")));
  });
});

describe("a store that has moved", () => {
  it("is not opened by a server, which says where it went and how to go back", async (t) => {
    const { base, store, url } = await openPair(t);
    await runMove(t, base, ["--to", url]);
    const place = `127.0.0.1:${new URL(url).port}${new URL(url).pathname}`;
    const message = await refusal(openLevelBackend({ directory: store, clock, sealer, adopt: true }));
    assert.ok(message.includes(`it was moved to PostgreSQL at ${place}, where it goes on`), message);
    assert.ok(message.endsWith(`To move it back, run: npm run move -- --from postgres://…@${place}`), message);
    await runMove(t, base, ["--from", url]);
    const there = await refusal(openPostgresBackend({ url, clock, sealer, adopt: true }));
    assert.ok(there.includes(`it was moved to LevelDB in ${store}, where it goes on`), there);
  });

  it("is not opened by an earlier version either, which knows nothing of moves", async (t) => {
    const { base, store, url } = await openPair(t);
    await runMove(t, base, ["--to", url]);
    const level = await openLevelSource({ directory: store, sealer, adopt: false, version: "1" });
    await level.close();
    const { openRaw } = await import("../../src/adapters/level/store/database.ts");
    const { moveKey } = await import("../../src/adapters/level/store/move-mark.ts");
    const raw = await openRaw(store);
    await raw.batch([{ type: "del", key: moveKey }], { sync: true });
    await raw.close();
    assert.match(
      await refusal(openLevelBackend({ directory: store, clock, sealer })),
      new RegExp(`up to ${currentFormat}`),
    );
  });

  it("is not replaced by a backup, not even by force", async (t) => {
    const { base, store, url } = await openPair(t);
    const level = await openLevelBackend({ directory: store, clock, sealer });
    const { directory: backup } = await level.backups.write(join(base, "backups", "one"));
    await level.upkeep.close();
    await runMove(t, base, ["--to", url]);
    const { config } = await readConfig(() => Promise.reject(new Error("no file")), {
      WAHA_LOCAL_STORE_BASE_DIR: base,
    });
    for (const args of [[backup], ["--force", backup]]) {
      assert.match(
        await refusal(restore(config, args)),
        /cannot be used: it was moved to PostgreSQL at .*npm run move/,
      );
    }
  });

  it("is not restored from, as a backup", async (t) => {
    const { base, store, url } = await openPair(t);
    await runMove(t, base, ["--to", url]);
    const other = await dataDirectory(t);
    const { config } = await readConfig(() => Promise.reject(new Error("no file")), {
      WAHA_LOCAL_STORE_BASE_DIR: other.base,
    });
    assert.match(await refusal(restore(config, [store])), /the backup cannot be used: it was moved to/);
  });

  it("cannot be moved to again in the database until it is dropped", async (t) => {
    const { base, url } = await openPair(t);
    await runMove(t, base, ["--to", url]);
    await runMove(t, base, ["--from", url]);
    assert.match(await refusal(runMove(t, base, ["--to", url])), /drop it \(DROP SCHEMA sessiond CASCADE\)/);
  });
});

describe("a store that a move has begun to fill", () => {
  it("is not opened by a server, which says how to finish", async (t) => {
    const { store, url } = await openPair(t);
    const target = await openPostgresTarget({ url, sealer });
    await target.begin(from, "npm run move -- --to this");
    await target.close();
    const message = "a move into it from another place was not finished. To finish it, run: npm run move -- --to this";
    assert.ok((await refusal(openPostgresBackend({ url, clock, sealer }))).endsWith(message));

    const level = await openLevelTarget({
      directory: `${store}-2`,
      sealer,
      adopt: false,
      version: "1",
      mayPutAside: true,
    });
    await level.begin(from, "npm run move -- --to this");
    await level.close();
    assert.ok((await refusal(openLevelBackend({ directory: `${store}-2`, clock, sealer }))).endsWith(message));
  });

  it("is no source of another move", async (t) => {
    const { base, url } = await openPair(t);
    const target = await openPostgresTarget({ url, sealer });
    await target.begin(from, "a command");
    await target.close();
    const { base: other } = await dataDirectory(t);
    assert.match(await refusal(runMove(t, other, ["--from", url])), /was not finished/);
    assert.ok(base !== other);
  });
});

describe("the data directory after a move", () => {
  it("keeps the profiles of browsers, as the output says", async (t) => {
    const { base, url } = await openPair(t);
    await mkdir(join(base, "webjs", "alice"), { recursive: true });
    await writeFile(join(base, "webjs", "alice", "file"), "profile");
    const lines = await runMove(t, base, ["--to", url]);
    assert.ok(lines.some((line) => line.includes(`the profiles of WEBJS browsers (${base}/webjs)`)));
    await access(join(base, "webjs", "alice", "file"));
  });

  it("moves a store without a key, and seals one that gets a key with the move", async (t) => {
    const { base, store } = await dataDirectory(t);
    const level = await openLevelBackend({ directory: store, clock });
    await createSession(level, "alice", [], 1);
    await level.upkeep.close();
    const { url } = await emptyDatabase(t);
    await runMove(t, base, ["--to", url], { SESSIOND_SECRET_KEY: secretKey });
    assert.match(await refusal(openPostgresBackend({ url, clock })), /it is encrypted/);
    const other = createSealer(randomBytes(32));
    assert.match(await refusal(openPostgresBackend({ url, clock, sealer: other })), /another key/);
    await runMove(t, base, ["--from", url], { SESSIOND_SECRET_KEY: secretKey });
    const back = await openLevelBackend({ directory: store, clock, sealer });
    assert.equal((await back.sessions.list()).records.length, 1);
    await back.upkeep.close();
  });
});
