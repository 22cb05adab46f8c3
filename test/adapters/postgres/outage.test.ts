import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { PostgresOptions, PostgresStore } from "../../../src/adapters/postgres/postgres-store.ts";
import { StoreUnavailable } from "../../../src/domain/errors.ts";
import { createSession, history, newEvent, recordOf } from "../../contract/backend-fixtures.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { openLink, type TcpLink } from "../../support/tcp-link.ts";
import { postgresServer, storeDatabase } from "./databases.ts";

/** Set SESSIOND_TEST_CUTS=1 to cut at every byte. */
const step = Number(process.env.SESSIOND_TEST_CUTS ?? 7);
const clock = new FakeClock();
const patienceMs = 400;

/** Opens a store behind a link. `login`: the URL of a database, with a login that is not the owner's. */
async function openLinked(t: TestContext, options: Partial<PostgresOptions> = {}, login?: string) {
  const link = await openLink((await postgresServer()).port);
  t.after(() => link.close());
  const database = await storeDatabase(t);
  const url = Object.assign(new URL(login ?? database.url), { port: String(link.port) }).href;
  const backend = await database.open(clock, { url, patienceMs, ...options });
  return { link, backend, database };
}

/** Commits an event and a new revision of alice's record. */
async function commit(
  backend: PostgresStore,
  lease: Awaited<ReturnType<typeof createSession>>["lease"],
  revision: number,
) {
  const [event] = await backend.sessions.commit(lease, {
    record: recordOf("alice", revision),
    events: [newEvent("alice")],
  });
  return event ?? assert.fail();
}

/** Resolves when the store has not answered for long. */
const isLong = (backend: PostgresStore) => new Promise<void>((resolve) => backend.upkeep.onOutage?.(resolve));

describe("a group whose connection is cut", () => {
  for (const direction of ["forth", "back"] as const) {
    it(`is written exactly once, wherever its bytes are cut on their way ${direction}`, {
      timeout: 120_000,
    }, async (t) => {
      const { link, backend } = await openLinked(t);
      const { lease, events } = await createSession(backend, "alice");
      const ids = events.map(({ id }) => id);
      let cuts = 0;
      for (let bytes = 0; ; bytes += step) {
        link.cutAfter(bytes, direction);
        const event = await commit(backend, lease, bytes);
        ids.push(event.id);
        // Not by the number of connections: a beat may have been cut in place of the commit.
        if (link.willCut) break;
        cuts += 1;
      }
      t.diagnostic(`${cuts} cuts`);
      assert.ok(cuts > 5);
      const found = await history(backend, "alice");
      assert.deepEqual(
        found.map(({ id }) => id),
        ids,
      );
      assert.deepEqual(
        found.map(({ seq }) => seq),
        found.map((_, index) => (found[0]?.seq ?? 0n) + BigInt(index)),
      );
    });
  }
});

describe("PostgreSQL that does not answer", () => {
  const faults: readonly { readonly name: string; begin(link: TcpLink): void }[] = [
    { name: "takes nothing", begin: (link) => link.hold() },
    { name: "takes all and answers nothing", begin: (link) => link.hold("back") },
    { name: "is cut off", begin: (link) => link.cut() },
  ];
  for (const { name, begin } of faults) {
    it(`and ${name}: the write under way is done once it answers, others are refused`, async (t) => {
      const { link, backend } = await openLinked(t);
      const { lease } = await createSession(backend, "alice");
      const { lease: bob } = await createSession(backend, "bob");
      const credentials = backend.engineData.credentials(lease);
      begin(link);
      const under = commit(backend, lease, 7).then(
        (event) => event,
        (error: unknown) => error,
      );
      const kept = credentials.write(new Map([["creds", Uint8Array.of(1)]]));
      await isLong(backend);
      await assert.rejects(
        backend.sessions.commit(bob, { record: recordOf("bob", 9), events: [newEvent("bob")] }),
        StoreUnavailable,
      );
      assert.equal(
        (await backend.sessions.get("bob")).record?.revision,
        recordOf("bob").revision,
        "reads need no server",
      );
      link.pass();
      const event = await under;
      await kept;
      assert.deepEqual(await credentials.read(["creds"]), [Uint8Array.of(1)]);
      // What was never sent is refused; what was sent is written. Memory and database agree.
      const isWritten = !(event instanceof StoreUnavailable);
      const { record } = await backend.sessions.get("alice");
      assert.equal(record?.revision === 7, isWritten);
      await backend.upkeep.check();
      await commit(backend, lease, 8);
      assert.equal((await history(backend, "alice")).length, isWritten ? 2 : 1);
      assert.equal((await backend.sessions.get("bob")).record?.revision, recordOf("bob").revision);
    });
  }

  it("fails reads that need it, and goes on by itself", async (t) => {
    const { link, backend } = await openLinked(t, { recordCapacity: 0 });
    await createSession(backend, "alice");
    link.cut();
    await assert.rejects(backend.sessions.get("alice"), StoreUnavailable);
    link.pass();
    while ((await backend.sessions.get("alice").catch(() => undefined)) === undefined) await delay(20);
    let told = 0;
    backend.upkeep.onOutage?.(() => {
      told += 1;
    });
    await delay(600);
    assert.equal(told, 0, "nobody is told of an outage that is over");
  });
});

describe("reads while PostgreSQL takes all and answers nothing", () => {
  it("fail at once after the first, and do not line up; those of engines wait", async (t) => {
    const { link, backend } = await openLinked(t, { recordCapacity: 0 });
    const { lease } = await createSession(backend, "alice");
    link.hold();
    await assert.rejects(backend.sessions.get("alice"), StoreUnavailable);
    const credentials = backend.engineData.credentials(lease).read(["creds"]);
    const startMs = performance.now();
    for (let n = 0; n < 20; n += 1) await assert.rejects(backend.sessions.get("alice"), StoreUnavailable);
    assert.ok(performance.now() - startMs < 500, `took ${performance.now() - startMs} ms`);
    link.pass();
    while ((await backend.sessions.get("alice").catch(() => undefined)) === undefined) await delay(20);
    assert.deepEqual(await credentials, [undefined], "engine data waits");
  });
});

describe("PostgreSQL that refuses the login for a while", () => {
  it("counts as away: a write waits, and everything goes on by itself", async (t) => {
    const server = await postgresServer();
    const { url } = await storeDatabase(t);
    const [database, user] = [new URL(url).pathname.slice(1), "someone"];
    await server.execute(database, `CREATE USER ${user} PASSWORD 'a word'`);
    await server.execute(database, `GRANT CREATE ON DATABASE ${database} TO ${user}`);
    const login = Object.assign(new URL(url), { username: user, password: "a word" }).href;
    const { link, backend } = await openLinked(t, { patienceMs: 5_000 }, login);
    const { lease } = await createSession(backend, "alice");
    await server.execute(database, `ALTER USER ${user} NOLOGIN`);
    link.cut();
    link.pass();
    const written = commit(backend, lease, 7);
    const read = backend.engineData.credentials(lease).read(["creds"]);
    await delay(300);
    await server.execute(database, `ALTER USER ${user} LOGIN`);
    await Promise.all([written, read, backend.upkeep.check()]);
    assert.equal((await backend.sessions.get("alice")).record?.revision, 7);
  });
});

describe("PostgreSQL that is killed", () => {
  it("loses no write and doubles none, when it starts again under traffic", { timeout: 60_000 }, async (t) => {
    const server = await postgresServer();
    const backend = await (await storeDatabase(t)).open(clock);
    const names = ["alice", "bob", "carol"];
    const ending = new AbortController();
    const written = await Promise.all(
      names.map(async (name, place) => {
        const { lease, events } = await createSession(backend, name);
        if (place === 0) void killTwice().then(() => ending.abort());
        const ids = events.map(({ id }) => id);
        while (!ending.signal.aborted) {
          const event = newEvent(name);
          await backend.sessions.commit(lease, { record: recordOf(name, ids.length), events: [event] });
          ids.push(event.event.id);
        }
        return ids;
      }),
    );
    async function killTwice() {
      for (let kills = 0; kills < 2; kills += 1) {
        await delay(300);
        await server.kill();
        await delay(300);
        await server.start();
      }
      await delay(300);
    }
    for (const [place, name] of names.entries()) {
      const found = await history(backend, name);
      assert.deepEqual(
        found.map(({ id }) => id),
        written[place],
      );
    }
    t.diagnostic(`${written.map(({ length }) => length)} events`);
  });
});
