import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { describe, it, type TestContext } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Client } from "pg";
import { Session_DesiredState as Desired } from "../../../gen/sessiond/v1/session_pb.js";
import type { PostgresStore } from "../../../src/adapters/postgres/postgres-store.ts";
import { Connection } from "../../../src/adapters/postgres/store/connection.ts";
import type { GivenSession } from "../../../src/ports/cluster.ts";
import { type Lease, LeaseLost } from "../../../src/ports/sessions.ts";
import { endpointOf, newEvent, Reader, recordOf } from "../../contract/backend-fixtures.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { openNode, openNodes, type TestNode, timings, until } from "./cluster-nodes.ts";
import { emptyDatabase, type StoreDatabase } from "./databases.ts";

const runningRecord = (name: string) => ({ ...recordOf(name), desiredState: Desired.RUNNING });

async function createRunning({ sessions }: PostgresStore, name: string): Promise<Lease> {
  const lease = await sessions.acquire(name);
  await sessions.commit(lease, { record: runningRecord(name), events: [] });
  return lease;
}

async function connect(t: TestContext, { url }: StoreDatabase): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  t.after(() => client.end());
  return client;
}

/** Collects the names of the sessions that a node is given. */
function collectArrivals(t: { signal: AbortSignal }, { cluster }: TestNode): string[] {
  const names: string[] = [];
  void (async () => {
    for await (const name of cluster.placement.arrivals(t.signal)) names.push(name);
  })();
  return names;
}

describe("leases of sessions in PostgreSQL", () => {
  it("two survivors share the sessions of a dead node, and miss none", async (t) => {
    const [a, b, c] = (await openNodes(t, "a", "b", "c")) as [TestNode, TestNode, TestNode];
    const names = Array.from({ length: 40 }, (_, i) => `session-${i}`);
    await Promise.all(names.map((name) => createRunning(a.backend, name)));
    const [atB, atC] = [collectArrivals(t, b), collectArrivals(t, c)];
    a.link.cut();
    await until(() => atB.length + atC.length >= names.length);
    assert.deepEqual([...atB, ...atC].sort(), names.toSorted());
    assert.ok(Math.abs(atB.length - atC.length) <= 4, `${atB.length} and ${atC.length}`);
  });

  it("epochs of a session grow through loss, hand-over, removal and restarts", async (t) => {
    const database = await emptyDatabase(t);
    const a = await openNode(t, database, "a");
    const b = await openNode(t, database, "b");
    const atB = new Reader(b.cluster.placement.arrivals(t.signal));
    const epochs: bigint[] = [];
    const note = (lease: Lease) => {
      epochs.push(lease.epoch);
      return lease;
    };
    note(await a.backend.sessions.acquire("alice"));
    const lease = note(await createRunning(a.backend, "alice"));
    await a.cluster.placement.handOver(lease, "b");
    assert.equal(await atB.next(), "alice");
    const second = note(await b.backend.sessions.acquire("alice"));
    await b.backend.sessions.remove(second, []);
    await b.backend.upkeep.close();
    note(await createRunning(a.backend, "alice"));
    await a.backend.upkeep.close();
    const again = await openNode(t, database, "a");
    note(await again.backend.sessions.acquire("alice"));
    assert.deepEqual(
      epochs,
      [...new Set(epochs)].toSorted((x, y) => Number(x - y)),
    );
  });

  for (const [name, to, expected] of [
    ["a hand-over goes to the node that is named", "c", "c"],
    ["a hand-over without a name goes to a node with room", undefined, "b"],
  ] as const) {
    it(name, async (t) => {
      const [a, b, c] = (await openNodes(t, "a", "b", "c")) as [TestNode, TestNode, TestNode];
      await createRunning(c.backend, "carol");
      const lease = await createRunning(a.backend, "alice");
      const loads = async () => (await a.cluster.placement.nodes()).map(({ load }) => load);
      await until(async () => (await loads()).join() === "1,0,1");
      const arrived = { b: collectArrivals(t, b), c: collectArrivals(t, c) };
      await a.cluster.placement.handOver(lease, to);
      await assert.rejects(a.backend.sessions.commit(lease, { record: runningRecord("alice"), events: [] }), LeaseLost);
      assert.equal(lease.lost.aborted, false);
      await until(() => arrived[expected].length > 0);
      assert.deepEqual({ ...arrived, [expected]: [] }, { b: [], c: [] });
      const owner = await a.cluster.placement.ownerOf("alice");
      assert.equal(owner.kind === "node" && owner.node.name, expected);
      await (expected === "b" ? b : c).backend.sessions.acquire("alice");
    });
  }

  it("a session that is handed over is told of, and arrives by that alone at the node that it is for", async (t) => {
    const [a, b, c] = (await openNodes(t, "a", "b", "c")) as [TestNode, TestNode, TestNode];
    const told: GivenSession[] = [];
    a.cluster.onGiven((given) => told.push(given));
    await a.cluster.placement.handOver(await createRunning(a.backend, "alice"), "b");
    assert.deepEqual(told, [{ session: "alice", node: "b" }]);
    // A name that is in no lease, so that no look at the leases finds it.
    const atB = new Reader(b.cluster.placement.arrivals(t.signal));
    const atC = collectArrivals(t, c);
    for (const { cluster } of [b, c]) cluster.offered({ session: "bob", node: "b" });
    const arrived = [await atB.next(), await atB.next()];
    assert.deepEqual(arrived.sort(), ["alice", "bob"]);
    assert.deepEqual(atC, []);
  });

  it("sessions that are acquired while others are taken share round trips", async (t) => {
    const [a] = (await openNodes(t, "a")) as [TestNode];
    const query = t.mock.method(Connection.prototype, "query");
    const names = Array.from({ length: 40 }, (_, i) => `session-${i}`);
    const acquired: Promise<Lease>[] = [];
    for (const name of names) {
      acquired.push(a.backend.sessions.acquire(name));
      await nextTurn();
    }
    assert.deepEqual(
      (await Promise.all(acquired)).map(({ session }) => session),
      names,
    );
    const asked = query.mock.calls.filter(({ arguments: [text] }) => text.includes("acquire_v1")).length;
    assert.ok(asked <= 20, `asked ${asked} times`);
  });

  it("a node that drains does not take what it is told of", async (t) => {
    const [a] = (await openNodes(t, "a")) as [TestNode];
    const arrivals = collectArrivals(t, a);
    await a.cluster.placement.drain();
    a.cluster.offered({ session: "alice", node: "a" });
    await a.backend.upkeep.close();
    assert.deepEqual(arrivals, []);
  });

  it("nodes tell their version, their build and the order of their starts", async (t) => {
    const database = await emptyDatabase(t);
    const open = async (name: string, version: string, build?: string) =>
      database.open(new FakeClock(), { node: { name, version, ...(build !== undefined && { build }) }, timings });
    const first = await open("b", "1.0.0", "blue");
    await (await open("a", "1.0.0", "blue")).upkeep.close();
    await open("c", "1.1.0");
    await open("a", "1.1.0", "green");
    const nodes = [...((await first.cluster?.placement.nodes()) ?? [])];
    nodes.sort((one, other) => Number(one.startedAs - other.startedAs));
    const facts = nodes.map(({ name, version, build }) => [name, version, build]);
    assert.deepEqual(facts, [
      ["b", "1.0.0", "blue"],
      ["c", "1.1.0", ""],
      ["a", "1.1.0", "green"],
    ]);
  });

  it("a node that restarts under its name goes on with its sessions at once", async (t) => {
    const database = await emptyDatabase(t);
    const former = await openNode(t, database, "a");
    await createRunning(former.backend, "alice");
    await openNode(t, database, "b");
    former.link.cut();
    const restartedMs = performance.now();
    const a = await openNode(t, database, "a");
    assert.equal(await new Reader(a.cluster.placement.arrivals(t.signal)).next(), "alice");
    assert.ok(performance.now() - restartedMs < timings.freezeMs);
    former.link.pass();
    await assert.rejects(former.backend.upkeep.check());
    await createRunning(a.backend, "bob");
  });

  it("a second process under the name of a living node is refused, and told what to set", async (t) => {
    const database = await emptyDatabase(t);
    const a = await openNode(t, database, "a");
    await assert.rejects(openNode(t, database, "a"), /under the name "a".*SESSIOND_NODE/);
    await createRunning(a.backend, "alice");
  });

  it("a node that closes gives its sessions away at once", async (t) => {
    const [a, b] = (await openNodes(t, "a", "b")) as [TestNode, TestNode];
    await createRunning(a.backend, "alice");
    await a.backend.upkeep.close();
    const closedMs = performance.now();
    assert.equal(await new Reader(b.cluster.placement.arrivals(t.signal)).next(), "alice");
    assert.ok(performance.now() - closedMs < timings.freezeMs);
  });

  it("deliveries of a session at rest go out from the node that takes it", async (t) => {
    const [a, b] = (await openNodes(t, "a", "b")) as [TestNode, TestNode];
    const lease = await a.backend.sessions.acquire("alice");
    const endpoints = [endpointOf("hook")];
    const events = [newEvent("alice", "hook"), newEvent("alice", "hook")];
    await a.backend.sessions.commit(lease, { record: recordOf("alice"), events, endpoints });
    const atA = new Reader(a.backend.outbox.claims(t.signal));
    const inFlight = await atA.next();
    const atB = new Reader(b.backend.outbox.claims(t.signal));
    await a.cluster.placement.handOver(lease, "b");
    await assert.rejects(inFlight.done(), LeaseLost);
    for (const { event } of events) {
      const claim = await atB.next();
      assert.equal(claim.delivery.event?.id, event.id);
      await claim.done();
    }
    assert.deepEqual(await a.backend.outbox.queueStats(), { pending: 0, retrying: 0, oldestMs: undefined });
  });

  it("deliveries of a session that is lost while it is taken go out once it is taken again", async (t) => {
    const database = await emptyDatabase(t);
    const [a, b] = [await openNode(t, database, "a"), await openNode(t, database, "b")];
    const lease = await b.backend.sessions.acquire("alice");
    const events = [newEvent("alice", "hook"), newEvent("alice", "hook")];
    await b.backend.sessions.commit(lease, { record: recordOf("alice"), events, endpoints: [endpointOf("hook")] });
    const atA = new Reader(a.backend.outbox.claims(t.signal));
    const [lock, client] = [await connect(t, database), await connect(t, database)];
    // Node a has the lease by then, and waits for what it reads of the session.
    await lock.query("BEGIN; LOCK TABLE sessiond.session IN ACCESS EXCLUSIVE MODE");
    await b.cluster.placement.handOver(lease, "a");
    const isTaken = "SELECT FROM sessiond.lease AS l JOIN sessiond.node AS n ON l.node = n.id WHERE n.name = 'a'";
    await until(async () => (await client.query(isTaken)).rowCount === 1);
    await b.backend.upkeep.close();
    const { promise: isLost, resolve } = Promise.withResolvers<void>();
    a.cluster.standing.onFreeze(resolve);
    await client.query(
      "UPDATE sessiond.node SET fenced = true WHERE name = 'a'; UPDATE sessiond.lease SET node = NULL",
    );
    await isLost;
    await lock.query("COMMIT");
    for (const { event } of events) {
      const claim = await atA.next();
      assert.equal(claim.delivery.event?.id, event.id);
      await claim.done();
    }
  });

  it("a session arrives though the answer that gave it to its node is lost", async (t) => {
    const database = await emptyDatabase(t);
    const [a, b] = [await openNode(t, database, "a"), await openNode(t, database, "b")];
    await createRunning(b.backend, "alice");
    const client = await connect(t, database);
    await client.query(`
      CREATE FUNCTION sleep_at_claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$;
      CREATE TRIGGER sleep_at_claim AFTER UPDATE ON sessiond.lease FOR EACH ROW
      WHEN (OLD.node IS NULL AND NEW.node IS NOT NULL) EXECUTE FUNCTION sleep_at_claim()`);
    try {
      await b.backend.upkeep.close();
      const sleeping = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
      await until(async () => (await client.query(sleeping)).rowCount === 1);
      a.link.cut();
      a.link.pass();
      assert.equal(await new Reader(a.cluster.placement.arrivals(t.signal)).next(), "alice");
      await createRunning(a.backend, "alice");
    } finally {
      await client.query("DROP FUNCTION sleep_at_claim CASCADE");
    }
  });

  for (const [name, isLost] of [
    ["a session that has to run arrives at the node that takes it for a write", false],
    ["a session that has to run arrives at its node though the answer to a write is lost", true],
  ] as const) {
    it(name, async (t) => {
      const database = await emptyDatabase(t);
      const a = await openNode(t, database, "a");
      const client = await connect(t, database);
      await createRunning(await database.open(new FakeClock(), { node: { name: "b" }, timings }), "alice");
      const { query } = Connection.prototype;
      t.mock.method(Connection.prototype, "query", async function (this: Connection, text: string, ...rest: unknown[]) {
        if (text.includes("claim_v1")) return [];
        const rows = await Reflect.apply(query, this, [text, ...rest]);
        if (isLost && text.includes("acquire_v1")) throw Object.assign(new Error("no answer"), { code: "XX000" });
        return rows;
      });
      await client.query("UPDATE sessiond.lease SET node = NULL");
      const appended = a.backend.outbox.append("alice", [newEvent("alice")]);
      await (isLost ? assert.rejects(appended, /no answer/) : appended);
      assert.equal(await new Reader(a.cluster.placement.arrivals(t.signal)).next(), "alice");
    });
  }

  it("a pending unlink moves with its id", async (t) => {
    const [a, b] = (await openNodes(t, "a", "b")) as [TestNode, TestNode];
    await a.backend.sessions.acquire("ulk_1");
    await assert.rejects(b.backend.pendingUnlinks.finish("ulk_1"), /node "a" owns/);
    await a.backend.upkeep.close();
    await b.backend.pendingUnlinks.finish("ulk_1");
  });

  it("all nodes share one secret, which stays through restarts", async (t) => {
    const database = await emptyDatabase(t);
    const a = await openNode(t, database, "a");
    const b = await openNode(t, database, "b");
    assert.equal(a.cluster.secret.length, 32);
    assert.deepEqual(b.cluster.secret, a.cluster.secret);
    await a.backend.upkeep.close();
    assert.deepEqual((await openNode(t, database, "c")).cluster.secret, a.cluster.secret);
  });

  it("clocks that differ by an hour change nothing", async (t) => {
    const database = await emptyDatabase(t);
    const hourMs = 3_600_000;
    const clocks = [new FakeClock(), new FakeClock()] as const;
    const a = await openNode(t, database, "a", clocks[0]);
    const b = await openNode(t, database, "b", clocks[1]);
    const lease = await createRunning(a.backend, "alice");
    clocks[0].jumpWall(hourMs);
    clocks[1].jumpWall(-hourMs);
    clocks[1].advance(hourMs);
    const endMs = performance.now() + 2 * timings.fenceMs;
    await until(() => performance.now() > endMs);
    assert.deepEqual(
      [a, b].map(({ cluster }) => cluster.standing.isFrozen),
      [false, false],
    );
    await a.backend.sessions.commit(lease, { record: runningRecord("alice"), events: [] });
  });

  it("no statement about nodes and leases asks for the server's time", async () => {
    const root = new URL("../../../src/adapters/postgres/", import.meta.url);
    const files = await Promise.all(
      ["cluster/", "migrations/"].map(async (folder) => {
        const names = await readdir(new URL(folder, root));
        return Promise.all(names.map((name) => readFile(new URL(folder + name, root), "utf8")));
      }),
    );
    for (const text of files.flat()) {
      assert.doesNotMatch(text, /(?<!performance\.)\bnow\(\)|_timestamp\b|\bcurrent_time|\bclock_time|\binterval '/i);
    }
  });
});
