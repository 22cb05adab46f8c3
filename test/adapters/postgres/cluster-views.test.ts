import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { MessageLogSchema, SessionRecordSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import { LogTrimmed } from "../../../src/ports/event-log.ts";
import { endpointOf, eventOf, newEvent, Reader, recordOf } from "../../contract/backend-fixtures.ts";
import { epochMs } from "../../support/fake-clock.ts";
import { openNode, openNodes, type TestNode, until } from "./cluster-nodes.ts";
import { emptyDatabase, postgresServer } from "./databases.ts";

type Pair = [TestNode, TestNode];

const openPair = async (t: TestContext): Promise<Pair> => (await openNodes(t, "a", "b")) as Pair;

/** Creates a session on a node, with some events. Returns their `seq`. */
async function createOn({ backend }: TestNode, name: string, events = 1): Promise<bigint[]> {
  const lease = await backend.sessions.acquire(name);
  const logged = await backend.sessions.commit(lease, {
    record: recordOf(name),
    events: Array.from({ length: events }, () => newEvent(name)),
  });
  return logged.map(({ seq }) => seq);
}

/** Reads the log of a node up to its end. */
async function readLog({ backend: { log } }: TestNode, afterSeq = 0n, session?: string): Promise<Event[]> {
  const events: Event[] = [];
  const { signal } = new AbortController();
  for await (const event of log.events(session, afterSeq, signal, await log.lastSeq())) events.push(event);
  return events;
}

const seqsOf = (events: readonly Event[]) => events.map(({ seq }) => seq);

/** Returns numbers from 0 to below `limit`, the same ones for the same seed. */
function randomBy(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

describe("two nodes on one PostgreSQL store", () => {
  it("a session is seen at the other node as soon as it is created, changed and removed", async (t) => {
    const [a, b] = await openPair(t);
    for (const [here, there] of [
      [a, b],
      [b, a],
    ] as const) {
      const name = `of-${here.name}`;
      const lease = await here.backend.sessions.acquire(name);
      for (const revision of [1, 2, 3]) {
        const events = [newEvent(name)];
        const [event] = await here.backend.sessions.commit(lease, { record: recordOf(name, revision), events });
        const [{ record, seq }, list] = await Promise.all([
          there.backend.sessions.get(name),
          there.backend.sessions.list(),
        ]);
        assert.equal(record?.revision, revision);
        assert.ok(event && seq >= event.seq && list.seq >= event.seq);
        assert.equal(list.records.find((one) => one.name === name)?.revision, revision);
        assert.ok((await there.backend.log.lastSeq()) >= event.seq);
      }
    }
    const last = await a.backend.sessions.remove(await a.backend.sessions.acquire("of-a"), [newEvent("of-a")]);
    assert.equal((await b.backend.sessions.get("of-a")).record, undefined);
    assert.deepEqual(
      (await b.backend.sessions.list()).records.map(({ name }) => name),
      ["of-b"],
    );
    assert.deepEqual(seqsOf(await readLog(b, 0n, "of-a")), seqsOf(last));
  });

  it("a session that a new node creates is seen at once by one that was alone", async (t) => {
    const database = await emptyDatabase(t);
    const a = await openNode(t, database, "a");
    await createOn(a, "alice");
    const b = await openNode(t, database, "b");
    await createOn(b, "bob");
    assert.deepEqual(
      (await a.backend.sessions.list()).records.map(({ name }) => name),
      ["alice", "bob"],
    );
    assert.equal(await a.backend.log.lastSeq(), 2n);
  });

  it("a node that is left alone knows what the others have written", async (t) => {
    const [a, b] = await openPair(t);
    await createOn(a, "alice");
    await createOn(b, "bob", 3);
    await b.backend.upkeep.close();
    await until(async () => (await a.cluster.placement.nodes()).every(({ name, isAlive }) => name === "a" || !isAlive));
    assert.equal((await a.backend.sessions.get("bob")).record?.name, "bob");
    assert.equal((await readLog(a, 0n, "bob")).length, 3);
  });

  it("a node that is alone answers from memory, even while PostgreSQL is out of reach", async (t) => {
    const [a] = (await openNodes(t, "a")) as [TestNode];
    const [seq] = await createOn(a, "alice");
    const { sessions, log } = a.backend;
    a.link.hold();
    const [{ record }, { records }, last] = await Promise.all([sessions.get("alice"), sessions.list(), log.lastSeq()]);
    assert.deepEqual([record?.name, records.length, last], ["alice", 1, seq]);
    a.link.pass();
  });

  it("a node starts beside one that has died, once that one must be frozen", async (t) => {
    const database = await emptyDatabase(t);
    const dead = await openNode(t, database, "dead");
    await createOn(dead, "alice");
    dead.link.cut();
    const startedMs = performance.now();
    const b = await openNode(t, database, "b");
    const tookMs = performance.now() - startedMs;
    assert.ok(dead.cluster.standing.isFrozen, `it took ${tookMs} ms`);
    assert.equal((await b.backend.sessions.get("alice")).record?.name, "alice");
  });

  it("watchers at the other node see each change that has events", async (t) => {
    const [a, b] = await openPair(t);
    const watcher = new Reader(b.backend.sessions.watch("alice", t.signal));
    assert.equal((await watcher.next()).record, undefined);
    const lease = await a.backend.sessions.acquire("alice");
    for (const revision of [1, 2]) {
      await a.backend.sessions.commit(lease, { record: recordOf("alice", revision), events: [newEvent("alice")] });
      assert.equal((await watcher.next()).record?.revision, revision);
    }
  });

  it("messages and idempotency keys are found at the other node", async (t) => {
    const [a, b] = await openPair(t);
    const lease = await a.backend.sessions.acquire("alice");
    const record = create(SessionRecordSchema, { name: "alice", creation: { idempotencyKey: "key" } });
    await a.backend.sessions.commit(lease, {
      record,
      events: [],
      messages: create(MessageLogSchema),
    });
    assert.equal((await b.backend.sessions.createdWith("key"))?.name, "alice");
    assert.ok(await b.backend.sessions.messages("alice"));
  });

  for (const seed of [1, 2, 3]) {
    it(`both see the same log while both write, without gap or repeat (seed ${seed})`, async (t) => {
      const nodes = await openPair(t);
      const random = randomBy(seed);
      const names = nodes.map(({ name }) => [`${name}-1`, `${name}-2`]);
      // What a node is told comes at once, late, twice, in another order, or never.
      for (const [index, { cluster }] of nodes.entries()) {
        cluster.onCommit((logged) => {
          const tell = () => nodes[1 - index]?.cluster.announced(logged);
          for (let times = random(3); times > 0; times -= 1) {
            if (random(2) === 0) tell();
            else setTimeout(tell, random(10));
          }
        });
      }
      const live = nodes.map(() => [] as Event[]);
      const controller = new AbortController();
      const reading = nodes.map(async ({ backend }, index) => {
        for await (const event of backend.log.events(undefined, 0n, controller.signal)) live[index]?.push(event);
      });
      const ofOne: Event[] = [];
      const readingOne = (async () => {
        for await (const event of nodes[1].backend.log.events("a-1", 0n, controller.signal)) ofOne.push(event);
      })();
      let total = 0;
      await Promise.all(
        nodes.flatMap(({ backend, cluster }, index) =>
          (names[index] ?? []).map(async (name) => {
            const lease = await backend.sessions.acquire(name);
            for (let revision = 1; revision <= 40; revision += 1) {
              const events = Array.from({ length: random(4) }, () => newEvent(name));
              total += events.length;
              const logged = await backend.sessions.commit(lease, { record: recordOf(name, revision), events });
              const last = logged.at(-1);
              const other = nodes[1 - index];
              if (last && random(4) === 0) {
                assert.ok(other && (await other.backend.log.lastSeq()) >= last.seq);
                assert.equal((await other.backend.sessions.get(name)).record?.revision, revision);
              }
              if (random(8) === 0) await cluster.placement.nodes();
            }
          }),
        ),
      );
      await until(() => live.every((events) => events.length >= total));
      const expected = Array.from({ length: total }, (_, index) => BigInt(index + 1));
      for (const events of live) assert.deepEqual(seqsOf(events), expected);
      const ids = live.map((events) => events.map(({ id }) => id));
      assert.deepEqual(ids[0], ids[1]);
      const expectedOfOne = (live[0] ?? []).filter(({ session }) => session === "a-1");
      await until(() => ofOne.length >= expectedOfOne.length);
      assert.deepEqual(seqsOf(ofOne), seqsOf(expectedOfOne));
      for (const node of nodes) assert.deepEqual(seqsOf(await readLog(node)), expected);
      controller.abort();
      await Promise.all([...reading, readingOne]);
    });
  }

  it("events come to the other node without an announcement", async (t) => {
    const [a, b] = await openPair(t);
    const reader = new Reader(b.backend.log.events("alice", 0n, t.signal));
    const [seq] = await createOn(a, "alice");
    assert.equal((await reader.next()).seq, seq);
  });

  it("events that the other node is told of are seen there without the database", async (t) => {
    const [a, b] = await openPair(t);
    await createOn(a, "alice");
    await b.backend.log.lastSeq();
    const cancel = a.cluster.onCommit((logged) => b.cluster.announced(logged));
    const reader = new Reader(b.backend.log.events("alice", 1n, t.signal));
    b.link.hold();
    const lease = await a.backend.sessions.acquire("alice");
    for (const seq of [2n, 3n]) {
      const events = [newEvent("alice")];
      const [event] = await a.backend.sessions.commit(lease, { record: recordOf("alice", Number(seq)), events });
      assert.deepEqual([event?.seq, await reader.next()], [seq, event]);
    }
    cancel();
    b.link.pass();
  });

  it("events of a removed session go at a node that is told of later ones", async (t) => {
    const [a, b] = await openPair(t);
    a.cluster.onCommit((logged) => b.cluster.announced(logged));
    await createOn(a, "alice", 2);
    assert.deepEqual(seqsOf(await readLog(b)), [1n, 2n]);
    await a.backend.sessions.remove(await a.backend.sessions.acquire("alice"), []);
    await createOn(a, "bob");
    assert.deepEqual(seqsOf(await readLog(b)), [3n]);
  });

  it("an event that cannot be read stops neither the readers nor the writers of the other node", async (t) => {
    const database = await emptyDatabase(t);
    const [a, b] = [await openNode(t, database, "a"), await openNode(t, database, "b")];
    const reader = new Reader(b.backend.log.events(undefined, 0n, t.signal));
    b.link.hold();
    await createOn(a, "alice", 2);
    const server = await postgresServer();
    const name = new URL(database.url).pathname.slice(1);
    await server.execute(name, "UPDATE sessiond.event SET value = '\\xff' WHERE seq = 1");
    b.link.pass();
    await createOn(b, "bob");
    assert.deepEqual([(await reader.next()).seq, (await reader.next()).seq], [2n, 3n]);
  });

  it("a stream goes on at the other node from the cursor of the first", async (t) => {
    const [a, b] = await openPair(t);
    await createOn(a, "alice", 5);
    await createOn(b, "bob", 5);
    const [, , third] = await readLog(a);
    assert.ok(third);
    assert.deepEqual(seqsOf(await readLog(b, third.seq)), [4n, 5n, 6n, 7n, 8n, 9n, 10n]);
  });

  it("a cursor of the newest event is no cursor of another log", async (t) => {
    const [a, b] = await openPair(t);
    for (let round = 0; round < 5; round += 1) {
      const [seq = 0n] = await createOn(a, `session-${round}`);
      assert.equal(await b.backend.log.lastSeq(), seq);
    }
  });

  it("consumers have one cursor at all nodes", async (t) => {
    const [a, b] = await openPair(t);
    await createOn(a, "alice", 3);
    await a.backend.log.acknowledge("reader", 2n);
    assert.equal(await b.backend.log.acknowledged("reader"), 2n);
    assert.equal(await b.backend.log.acknowledge("reader", 1n), 2n);
  });

  it("a reader at the other node learns that the log was trimmed", async (t) => {
    const [a, b] = await openPair(t);
    // More than a node has in memory.
    for (let group = 0; group < 5; group += 1) await createOn(a, "alice", 500);
    await createOn(a, "bob", 1);
    assert.equal(await b.backend.log.lastSeq(), 2_501n);
    const limits = { maxCount: 10, maxAgeMs: Number.MAX_SAFE_INTEGER };
    await a.backend.upkeep.trim({ events: limits, delivered: limits, failed: limits }, epochMs, t.signal);
    for (const session of ["alice", undefined]) {
      const reader = new Reader(b.backend.log.events(session, 0n, t.signal));
      await assert.rejects(reader.next(), (error) => error instanceof LogTrimmed && error.oldestSeq === 2_491n);
      assert.equal(await b.backend.log.oldestSeq(session), 2_491n);
    }
    assert.equal((await b.backend.log.latest("alice", 3_000n, 100)).length, 10);
  });

  it("each node trims its own sessions, and the first of them those without an owner", async (t) => {
    const database = await emptyDatabase(t);
    const former = await openNode(t, database, "former");
    await createOn(former, "of-none", 4);
    await former.backend.upkeep.close();
    const [a, b] = [await openNode(t, database, "a"), await openNode(t, database, "b")];
    await createOn(a, "of-a", 4);
    await createOn(b, "of-b", 4);
    const limits = { maxCount: 1, maxAgeMs: Number.MAX_SAFE_INTEGER };
    const trim = ({ backend }: TestNode) =>
      backend.upkeep.trim({ events: limits, delivered: limits, failed: limits }, epochMs, t.signal);
    const left = async () => (await a.backend.log.latest("of-none", 100n, 9)).length;
    assert.equal(await trim(b), 3);
    assert.equal(await left(), 4);
    assert.equal(await trim(a), 6);
    assert.equal(await left(), 1);
    assert.deepEqual([await trim(a), await trim(b)], [0, 0]);
    await createOn(b, "of-b", 2);
    assert.deepEqual([await trim(a), await trim(b)], [0, 2]);
  });

  it("deliveries are found at both nodes", async (t) => {
    const [a, b] = await openPair(t);
    const lease = await a.backend.sessions.acquire("alice");
    const events = [newEvent("alice", "hook")];
    await a.backend.sessions.commit(lease, { record: recordOf("alice"), events, endpoints: [endpointOf("hook")] });
    const [atA, atB] = await Promise.all(
      [a, b].map(({ backend }) => backend.outbox.deliveries("alice", { limit: 10 })),
    );
    assert.equal(atA?.length, 1);
    assert.deepEqual(atB, atA);
    assert.deepEqual(
      (await b.backend.outbox.endpoints("alice")).map(({ id }) => id),
      ["hook"],
    );
    assert.equal((await b.backend.outbox.queueStats()).pending, 0);
    assert.equal((await a.backend.outbox.queueStats()).pending, 1);
  });

  it("a session that moves is the same at its new node, and its log is complete there", async (t) => {
    const [a, b] = await openPair(t);
    let [here, there] = [a, b];
    for (let round = 1; round <= 4; round += 1) {
      const lease = await here.backend.sessions.acquire("alice");
      await here.backend.sessions.commit(lease, {
        record: recordOf("alice", round),
        events: [{ event: eventOf("alice"), endpointIds: [] }],
      });
      await here.cluster.placement.handOver(lease, there.name);
      const { record, seq } = await there.backend.sessions.get("alice");
      assert.equal(record?.revision, round);
      assert.equal(seq, BigInt(round));
      await there.backend.sessions.acquire("alice");
      const taken = await there.backend.sessions.get("alice");
      assert.deepEqual([taken.record?.revision, taken.seq], [round, BigInt(round)]);
      [here, there] = [there, here];
    }
    for (const node of [a, b]) assert.deepEqual(seqsOf(await readLog(node, 0n, "alice")), [1n, 2n, 3n, 4n]);
  });
});
