import assert from "node:assert/strict";
import { it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { CreationSchema, MessageLogSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { CreationKeyTaken, LeaseLost } from "../../src/ports/sessions.ts";
import {
  createSession,
  endpointOf,
  history,
  newEvent,
  type OpenBackend,
  openFixture,
  pairingOf,
  recordOf,
} from "./backend-fixtures.ts";

/** Contract for records, leases, commits and removal. */
export function sessionsContract(open: OpenBackend): void {
  it("a session that was never created has no record", async (t) => {
    const { backend } = await openFixture(t, open);
    assert.deepEqual(await backend.sessions.get("alice"), { record: undefined, pairing: undefined, seq: 0n });
    assert.deepEqual(await backend.sessions.list(), { records: [], seq: 0n });
  });

  it("a commit can be read back with its position in the log", async (t) => {
    const { backend } = await openFixture(t, open);
    await createSession(backend, "alice", [], 2);
    const { record, seq } = await backend.sessions.get("alice");
    assert.equal(record?.name, "alice");
    assert.equal(seq, 2n);
  });

  it("events are numbered without gaps over all sessions", async (t) => {
    const { backend } = await openFixture(t, open);
    const alice = await createSession(backend, "alice", [], 2);
    const bob = await createSession(backend, "bob", [], 1);
    const more = await backend.sessions.commit(alice.lease, { record: recordOf("alice"), events: [newEvent("alice")] });
    const seqs = [...alice.events, ...bob.events, ...more].map((event) => event.seq);
    assert.deepEqual(seqs, [1n, 2n, 3n, 4n]);
  });

  it("sessions are listed by name", async (t) => {
    const { backend } = await openFixture(t, open);
    for (const name of ["bob", "carol", "alice"]) await createSession(backend, name, [], 1);
    const { records, seq } = await backend.sessions.list();
    assert.deepEqual(
      records.map((record) => record.name),
      ["alice", "bob", "carol"],
    );
    assert.equal(seq, 3n);
  });

  it("similar names do not mix", async (t) => {
    const { backend } = await openFixture(t, open);
    const names = ["a", "a.b", "a\0b", "a\0", "a\u0001", "ü", "a b", "__proto__"];
    for (const name of names) {
      const { lease } = await createSession(backend, name, ["b", "\0b"], 1);
      await backend.engineData.credentials(lease).write(new Map([["key", Buffer.from(name)]]));
    }
    await backend.sessions.remove(await backend.sessions.acquire("a"), []);
    assert.equal((await backend.sessions.get("a")).record, undefined);
    for (const name of names.slice(1)) {
      assert.equal((await backend.sessions.get(name)).record?.name, name);
      assert.equal((await history(backend, name)).length, 1);
      const [value] = await backend.engineData.credentials(await backend.sessions.acquire(name)).read(["key"]);
      assert.deepEqual(value && Buffer.from(value).toString(), name);
    }
  });

  it("a later acquisition takes the session from the earlier one", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const later = await backend.sessions.acquire("alice");
    assert.ok(later.epoch > lease.epoch);
    const commit = { record: recordOf("alice", 7), events: [newEvent("alice")], pairing: pairingOf("stale") };
    await assert.rejects(backend.sessions.commit(lease, commit), LeaseLost);
    await assert.rejects(backend.sessions.remove(lease, []), LeaseLost);
    await backend.sessions.release(lease);
    assert.deepEqual(await backend.sessions.get("alice"), { record: recordOf("alice"), pairing: undefined, seq: 0n });
    await backend.sessions.commit(later, { record: recordOf("alice", 2), events: [] });
    assert.equal((await backend.sessions.get("alice")).record?.revision, 2);
  });

  it("a lease reports at once that another owner took its session, but not a release", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const other = await createSession(backend, "bob");
    const refusals: Promise<unknown>[] = [];
    lease.lost.addEventListener("abort", () => {
      // The refusal is known by then, and not before.
      refusals.push(
        assert.rejects(backend.sessions.commit(lease, { record: recordOf("alice", 7), events: [] }), LeaseLost),
      );
    });
    const later = await backend.sessions.acquire("alice");
    assert.equal(refusals.length, 1);
    await Promise.all(refusals);
    assert.ok(lease.lost.reason instanceof LeaseLost);
    await backend.sessions.release(later);
    const last = await backend.sessions.acquire("alice");
    assert.deepEqual([later.lost.aborted, last.lost.aborted, other.lease.lost.aborted], [false, false, false]);
  });

  it("a commit waiting when its lease is lost is refused, its neighbours are not", async (t) => {
    const { backend } = await openFixture(t, open);
    const alice = await backend.sessions.acquire("alice");
    const bob = await backend.sessions.acquire("bob");
    const before = Promise.allSettled([
      backend.sessions.commit(bob, { record: recordOf("bob"), events: [newEvent("bob")] }),
      backend.sessions.commit(alice, { record: recordOf("alice"), events: [newEvent("alice")] }),
      backend.sessions.commit(bob, { record: recordOf("bob", 2), events: [newEvent("bob")] }),
    ]);
    const later = await backend.sessions.acquire("alice");
    const seen = await backend.sessions.get("alice");
    const [first, second, third] = await before;
    assert.equal(first.status, "fulfilled");
    assert.equal(third.status, "fulfilled");
    // The new owner has seen the final state, even if the commit was late.
    assert.equal(second.status === "fulfilled", seen.record !== undefined);
    assert.deepEqual((await backend.sessions.get("alice")).record, seen.record);
    const [next] = await backend.sessions.commit(later, { record: recordOf("alice"), events: [newEvent("alice")] });
    assert.equal(next?.seq, second.status === "fulfilled" ? 4n : 3n);
  });

  it("a released lease is invalid", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    await backend.sessions.release(lease);
    await backend.sessions.release(lease);
    await assert.rejects(backend.sessions.commit(lease, { record: recordOf("alice"), events: [] }), LeaseLost);
    assert.ok((await backend.sessions.acquire("alice")).epoch > lease.epoch);
  });

  it("concurrent commits of many sessions keep their order and share no number", async (t) => {
    const { backend } = await openFixture(t, open);
    const sessions = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => ({ name: `s${n}`, lease: await backend.sessions.acquire(`s${n}`) })),
    );
    const commits = sessions.flatMap(({ name, lease }) =>
      [1, 2, 3].map((revision) =>
        backend.sessions.commit(lease, { record: recordOf(name, revision), events: [newEvent(name), newEvent(name)] }),
      ),
    );
    const seqs = (await Promise.all(commits)).flat().map((event) => event.seq);
    assert.deepEqual(
      seqs.toSorted((a, b) => Number(a - b)),
      Array.from({ length: 120 }, (_, n) => BigInt(n + 1)),
    );
    for (const { name } of sessions) {
      assert.equal((await backend.sessions.get(name)).record?.revision, 3);
      const own = (await history(backend, name)).map((event) => event.seq);
      assert.deepEqual(
        own,
        own.toSorted((a, b) => Number(a - b)),
      );
      assert.equal(own.length, 6);
    }
  });

  it("a commit with an unknown endpoint writes nothing", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", ["one"]);
    const commit = { record: recordOf("alice", 2), events: [newEvent("alice"), newEvent("alice", "one", "two")] };
    await assert.rejects(backend.sessions.commit(lease, commit), TypeError);
    await assert.rejects(backend.sessions.commit(lease, { ...commit, endpoints: [endpointOf("two")] }), TypeError);
    assert.equal((await backend.sessions.get("alice")).record?.revision, 1);
    const [event] = await backend.sessions.commit(lease, {
      record: recordOf("alice"),
      events: [newEvent("alice", "one")],
    });
    assert.equal(event?.seq, 1n);
  });

  it("a commit for another session than the lease's writes nothing", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    await assert.rejects(backend.sessions.commit(lease, { record: recordOf("bob"), events: [] }), TypeError);
    await assert.rejects(
      backend.sessions.commit(lease, { record: recordOf("alice"), events: [newEvent("bob")] }),
      TypeError,
    );
    assert.equal((await backend.sessions.get("bob")).record, undefined);
    assert.equal((await backend.sessions.get("alice")).seq, 0n);
  });

  it("a pairing is stored with its record, stays when omitted, and is ended by null", async (t) => {
    const { backend } = await openFixture(t, open);
    const lease = await backend.sessions.acquire("alice");
    const pairing = pairingOf("first");
    await backend.sessions.commit(lease, { record: recordOf("alice"), events: [], pairing });
    await backend.sessions.commit(lease, { record: recordOf("alice", 2), events: [] });
    assert.deepEqual((await backend.sessions.get("alice")).pairing, pairing);
    await backend.sessions.commit(lease, { record: recordOf("alice", 3), events: [], pairing: null });
    assert.equal((await backend.sessions.get("alice")).pairing, undefined);
  });

  it("the message log is stored with the commit, stays when omitted, and goes with the session", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    assert.equal(await backend.sessions.messages("alice"), undefined);
    const messages = create(MessageLogSchema, { reported: ["one"] });
    const refused = { record: recordOf("alice"), events: [newEvent("alice", "nowhere")], messages };
    await assert.rejects(backend.sessions.commit(lease, refused), TypeError);
    assert.equal(await backend.sessions.messages("alice"), undefined);
    await backend.sessions.commit(lease, { record: recordOf("alice"), events: [newEvent("alice")], messages });
    await backend.sessions.commit(lease, { record: recordOf("alice", 2), events: [] });
    assert.deepEqual(await backend.sessions.messages("alice"), messages);
    assert.equal(await backend.sessions.messages("bob"), undefined);
    await backend.sessions.remove(lease, []);
    assert.equal(await backend.sessions.messages("alice"), undefined);
  });

  it("a session is found by its creation key until it is removed", async (t) => {
    const { backend } = await openFixture(t, open);
    const lease = await backend.sessions.acquire("alice");
    const creation = create(CreationSchema, { idempotencyKey: "a key", answer: recordOf("alice") });
    await backend.sessions.commit(lease, { record: { ...recordOf("alice"), creation }, events: [] });
    await backend.sessions.commit(lease, { record: { ...recordOf("alice", 2), creation }, events: [] });
    await createSession(backend, "bob");
    assert.equal((await backend.sessions.createdWith("a key"))?.revision, 2);
    assert.equal(await backend.sessions.createdWith("another"), undefined);
    await backend.sessions.remove(lease, []);
    assert.equal(await backend.sessions.createdWith("a key"), undefined);
    const bob = await backend.sessions.acquire("bob");
    await backend.sessions.commit(bob, { record: { ...recordOf("bob"), creation }, events: [] });
    assert.equal((await backend.sessions.createdWith("a key"))?.name, "bob");
  });

  it("the second session with the same creation key is refused, at once or later", async (t) => {
    const { backend } = await openFixture(t, open);
    const creation = create(CreationSchema, { idempotencyKey: "a key" });
    const commitOf = async (name: string) => {
      const lease = await backend.sessions.acquire(name);
      return backend.sessions.commit(lease, { record: { ...recordOf(name), creation }, events: [newEvent(name)] });
    };
    const outcomes = await Promise.allSettled([commitOf("alice"), commitOf("bob")]);
    assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
    await assert.rejects(commitOf("carol"), CreationKeyTaken);
    const { records, seq } = await backend.sessions.list();
    assert.deepEqual([records.length, seq], [1, 1n]);
    assert.equal((await backend.sessions.createdWith("a key"))?.name, records[0]?.name);
  });

  it("a removed session is deleted with its history, except its last events", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", [], 3);
    await createSession(backend, "bob", [], 1);
    await backend.sessions.commit(lease, { record: recordOf("alice"), events: [], pairing: pairingOf("code") });
    const last = newEvent("alice");
    const [removed] = await backend.sessions.remove(lease, [last]);
    assert.equal(removed?.seq, 5n);
    assert.deepEqual(await backend.sessions.get("alice"), { record: undefined, pairing: undefined, seq: 5n });
    assert.deepEqual(
      (await backend.sessions.list()).records.map((record) => record.name),
      ["bob"],
    );
    assert.deepEqual(
      (await history(backend)).map((event) => event.seq),
      [4n, 5n],
    );
    assert.deepEqual(
      (await history(backend, "alice")).map((event) => event.id),
      [last.event.id],
    );
  });

  it("a session can be created again after its removal", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", [], 1);
    await backend.sessions.remove(lease, [newEvent("alice")]);
    const again = await createSession(backend, "alice", [], 1);
    assert.deepEqual(
      again.events.map((event) => event.seq),
      [3n],
    );
    assert.equal((await backend.sessions.get("alice")).record?.name, "alice");
  });

  it("the store can prove that it takes writes, until it is closed", async (t) => {
    const { backend } = await openFixture(t, open);
    await backend.upkeep.check();
    const { lease } = await createSession(backend, "alice");
    const late = backend.sessions.commit(lease, { record: recordOf("alice", 2), events: [newEvent("alice")] });
    await Promise.all([backend.upkeep.close(), backend.upkeep.close()]);
    assert.equal((await late).length, 1);
    await backend.upkeep.close();
    await assert.rejects(backend.upkeep.check());
    await assert.rejects(backend.sessions.list());
    await assert.rejects(backend.sessions.get("alice"));
    await assert.rejects(backend.sessions.commit(lease, { record: recordOf("alice"), events: [] }));
  });
}
