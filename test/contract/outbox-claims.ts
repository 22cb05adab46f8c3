import assert from "node:assert/strict";
import { it } from "node:test";
import {
  arrival,
  createSession,
  endpointOf,
  newEvent,
  type OpenBackend,
  openFixture,
  quiet,
  Reader,
  recordOf,
  seqOf,
} from "./backend-fixtures.ts";

/** Contract for claims: the order of deliveries and the fate of endpoints. */
export function claimsContract(open: OpenBackend): void {
  it("each event is delivered once to each of its endpoints", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", ["one", "two"]);
    const added = newEvent("alice", "one", "two", "one");
    const [event] = await backend.sessions.commit(lease, {
      record: recordOf("alice"),
      events: [added, newEvent("alice")],
    });
    const reader = new Reader(backend.outbox.claims(signal));
    const claims = await reader.take(2);
    assert.deepEqual(
      claims.map((claim) => claim.endpoint).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
      [endpointOf("one"), endpointOf("two")],
    );
    for (const { delivery, endpoint } of claims) {
      assert.equal(delivery.endpointId, endpoint.id);
      assert.equal(delivery.id, `${added.event.id.replace("evt_", "dlv_")}_${event?.seq}_${endpoint.id}`);
      assert.deepEqual(delivery.event, event);
      assert.equal(delivery.attempts, 0);
      assert.equal(delivery.dueAt, undefined);
    }
    for (const claim of claims) await claim.done();
    const next = arrival(reader.next());
    await quiet(backend);
    assert.equal(next.arrived, false);
    await backend.sessions.commit(lease, { record: recordOf("alice"), events: [newEvent("alice", "two")] });
    assert.equal((await next.promise).endpoint.id, "two");
  });

  it("first attempts of one endpoint come one at a time, in the order of the log", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", ["one"], 50);
    const reader = new Reader(backend.outbox.claims(signal));
    let next = arrival(reader.next());
    for (let seq = 1n; seq <= 55n; seq += 1n) {
      const claim = await next.promise;
      assert.equal(seqOf(claim), seq);
      next = arrival(reader.next());
      if (seq <= 50n && seq % 10n === 0n) {
        await backend.sessions.commit(lease, { record: recordOf("alice"), events: [newEvent("alice", "one")] });
        await quiet(backend);
        assert.equal(next.arrived, false);
      }
      await claim.done();
    }
  });

  it("no endpoint waits for another", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    await createSession(backend, "alice", ["slow", "fast"], 20);
    const reader = new Reader(backend.outbox.claims(signal));
    const fast: bigint[] = [];
    let slow = 0;
    while (fast.length < 20) {
      const claim = await reader.next();
      if (claim.endpoint.id === "slow") slow += 1;
      else {
        fast.push(seqOf(claim));
        await claim.done();
      }
    }
    assert.equal(slow, 1);
    assert.deepEqual(
      fast,
      Array.from({ length: 20 }, (_, n) => BigInt(n + 1)),
    );
  });

  it("endpoints are served in rotation, however many deliveries wait for one of them", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    await createSession(backend, "many", ["one"], 100);
    await createSession(backend, "few", ["one"], 3);
    const reader = new Reader(backend.outbox.claims(signal));
    const turns: (string | undefined)[] = [];
    for (let n = 0; n < 10; n += 1) {
      const claim = await reader.next();
      turns.push(claim.delivery.event?.session);
      await claim.done();
    }
    assert.equal(turns.filter((session) => session === "few").length, 3);
  });

  it("an endpoint with a new URL gets its pending deliveries there", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", ["one"], 2);
    const reader = new Reader(backend.outbox.claims(signal));
    const first = await reader.next();
    const endpoint = endpointOf("one", "http://other.test/");
    await backend.sessions.commit(lease, { record: recordOf("alice"), events: [], endpoints: [endpoint] });
    await first.done();
    assert.deepEqual((await reader.next()).endpoint, endpoint);
  });

  it("a removed endpoint exists until its last delivery is settled", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", ["old", "new"]);
    await backend.sessions.commit(lease, { record: recordOf("alice"), events: [newEvent("alice", "old")] });
    await backend.sessions.commit(lease, { record: recordOf("alice"), events: [], endpoints: [endpointOf("new")] });
    const toOld = { record: recordOf("alice"), events: [newEvent("alice", "old")] };
    await assert.rejects(backend.sessions.commit(lease, toOld), TypeError);
    const reader = new Reader(backend.outbox.claims(signal));
    const claim = await reader.next();
    assert.deepEqual(claim.endpoint, { ...endpointOf("old"), removed: true });
    await claim.done();
    await quiet(backend);
    await backend.sessions.commit(lease, { ...toOld, endpoints: [endpointOf("old")] });
    assert.deepEqual((await reader.next()).endpoint, endpointOf("old"));
  });

  it("the pending deliveries of a removed session still go out, its last event included", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", ["one"], 2);
    await backend.sessions.remove(lease, [newEvent("alice", "one")]);
    const reader = new Reader(backend.outbox.claims(signal));
    for (const seq of [1n, 2n, 3n]) {
      const claim = await reader.next();
      assert.equal(seqOf(claim), seq);
      assert.deepEqual(claim.endpoint, { ...endpointOf("one"), removed: true });
      await claim.done();
    }
  });

  it("a session created again uses its former endpoints", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", ["one"], 1);
    await backend.sessions.remove(lease, []);
    await createSession(backend, "alice", ["one"], 1);
    const reader = new Reader(backend.outbox.claims(signal));
    for (const seq of [1n, 2n]) {
      const claim = await reader.next();
      assert.equal(seqOf(claim), seq);
      assert.deepEqual(claim.endpoint, endpointOf("one"));
      await claim.done();
    }
  });

  it("a removal and the session's pending deliveries are settled with others' commits", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", ["one"]);
    await Promise.all([
      backend.sessions.commit(lease, { record: recordOf("alice"), events: [newEvent("alice", "one")] }),
      backend.sessions.commit(lease, { record: recordOf("alice"), events: [newEvent("alice", "one")] }),
      backend.sessions.remove(lease, [newEvent("alice", "one")]),
      createSession(backend, "bob", ["one"], 1),
    ]);
    const reader = new Reader(backend.outbox.claims(signal));
    const sessions: (string | undefined)[] = [];
    for (let n = 0; n < 4; n += 1) {
      const claim = await reader.next();
      sessions.push(claim.delivery.event?.session);
      assert.equal(claim.endpoint.removed, claim.delivery.event?.session === "alice");
      await claim.done();
    }
    assert.deepEqual(sessions.toSorted(), ["alice", "alice", "alice", "bob"]);
  });

  it("several readers share the due deliveries, and each delivery goes to one of them", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const names = Array.from({ length: 10 }, (_, n) => `s${n}`);
    for (const name of names) await createSession(backend, name, ["one"], 10);
    const seen: string[] = [];
    const controller = new AbortController();
    const readers = [1, 2, 3].map(async () => {
      for await (const claim of backend.outbox.claims(AbortSignal.any([signal, controller.signal]))) {
        seen.push(claim.delivery.id);
        await claim.done();
        if (seen.length === 100) controller.abort();
      }
    });
    await Promise.all(readers);
    assert.equal(new Set(seen).size, 100);
    assert.equal(seen.length, 100);
  });

  it("a claim outlives its reader and is not handed out twice", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    await createSession(backend, "alice", ["one"], 2);
    const controller = new AbortController();
    const first = await new Reader(backend.outbox.claims(controller.signal)).next();
    controller.abort();
    const next = arrival(new Reader(backend.outbox.claims(signal)).next());
    await quiet(backend);
    assert.equal(next.arrived, false);
    await first.done();
    assert.equal(seqOf(await next.promise), 2n);
  });

  it("a claim is settled by exactly one call", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    await createSession(backend, "alice", ["one"], 1);
    const claim = await new Reader(backend.outbox.claims(signal)).next();
    await claim.done();
    await assert.rejects(claim.done());
    await assert.rejects(claim.retry(0));
    await assert.rejects(claim.giveUp("late"));
  });
}
