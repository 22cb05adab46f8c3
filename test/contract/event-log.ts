import assert from "node:assert/strict";
import { it } from "node:test";
import {
  arrival,
  createSession,
  newEvent,
  type OpenBackend,
  openFixture,
  pairingOf,
  quiet,
  Reader,
  recordOf,
} from "./backend-fixtures.ts";

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => BigInt(from + n));

const seqsOf = (items: readonly { seq: bigint }[]) => items.map((item) => item.seq);

/** Contract for reading the log and watching a session. */
export function logContract(open: OpenBackend): void {
  it("a reader gets the existing events, then the new ones", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease, events } = await createSession(backend, "alice", [], 2);
    const reader = new Reader(backend.log.events(undefined, 0n, signal));
    assert.deepEqual(await reader.take(2), events);
    const next = reader.next();
    const more = await backend.sessions.commit(lease, { record: recordOf("alice"), events: [newEvent("alice")] });
    assert.deepEqual(await next, more[0]);
  });

  it("readers that begin during commits miss nothing and get nothing twice", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const readers: Promise<bigint[]>[] = [];
    const commits: Promise<unknown>[] = [];
    for (let n = 0; n < 100; n += 1) {
      commits.push(
        backend.sessions.commit(lease, { record: recordOf("alice"), events: [newEvent("alice"), newEvent("alice")] }),
      );
      if (n % 10 === 5) readers.push(new Reader(backend.log.events(undefined, 0n, signal)).take(200).then(seqsOf));
      if (n % 10 === 8) readers.push(new Reader(backend.log.events("alice", 0n, signal)).take(200).then(seqsOf));
      if (n % 7 === 0) await commits.at(-1);
    }
    await Promise.all(commits);
    for (const seqs of await Promise.all(readers)) assert.deepEqual(seqs, numbers(1, 200));
  });

  it("a reader continues after the given position", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", [], 5);
    assert.deepEqual(seqsOf(await new Reader(backend.log.events(undefined, 3n, signal)).take(2)), [4n, 5n]);
    const ahead = new Reader(backend.log.events("alice", 6n, signal)).next();
    await backend.sessions.commit(lease, { record: recordOf("alice"), events: [newEvent("alice")] });
    await backend.sessions.commit(lease, { record: recordOf("alice"), events: [newEvent("alice")] });
    assert.equal((await ahead).seq, 7n);
  });

  it("a reader of one session gets only that session's events", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const alice = await createSession(backend, "alice", [], 1);
    const bob = await createSession(backend, "bob", [], 50);
    const reader = new Reader(backend.log.events("alice", 0n, signal));
    assert.equal((await reader.next()).seq, 1n);
    const next = reader.next();
    await backend.sessions.commit(bob.lease, { record: recordOf("bob"), events: [newEvent("bob")] });
    await backend.sessions.commit(alice.lease, { record: recordOf("alice"), events: [newEvent("alice")] });
    assert.equal((await next).seq, 53n);
  });

  it("a slow reader gets every event", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", [], 1);
    const readers = [undefined, "alice"].map((session) => new Reader(backend.log.events(session, 0n, signal)));
    for (const reader of readers) assert.equal((await reader.next()).seq, 1n);
    for (let n = 0; n < 30; n += 1) {
      const events = Array.from({ length: 100 }, () => newEvent("alice"));
      await backend.sessions.commit(lease, { record: recordOf("alice"), events });
    }
    for (const reader of readers) assert.deepEqual(seqsOf(await reader.take(3000)), numbers(2, 3001));
  });

  it("a reader far behind skips events that are removed meanwhile", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const alice = await createSession(backend, "alice", [], 1);
    const bob = await createSession(backend, "bob", [], 300);
    const reader = new Reader(backend.log.events(undefined, 0n, signal));
    const ofBob = new Reader(backend.log.events("bob", 0n, signal));
    assert.equal((await reader.next()).seq, 1n);
    assert.equal((await ofBob.next()).seq, 2n);
    await backend.sessions.remove(bob.lease, [newEvent("bob")]);
    await backend.sessions.commit(alice.lease, { record: recordOf("alice"), events: [newEvent("alice")] });
    const rest: bigint[] = [];
    while (rest.at(-1) !== 303n) rest.push((await reader.next()).seq);
    assert.ok(rest.length < 100 && rest.includes(302n));
    const lastOfBob: bigint[] = [];
    while (lastOfBob.at(-1) !== 302n) lastOfBob.push((await ofBob.next()).seq);
    assert.ok(lastOfBob.length < 100);
  });

  it("readers end by their signal, wherever they are", async (t) => {
    const { backend } = await openFixture(t, open);
    await createSession(backend, "alice", [], 2);
    const controller = new AbortController();
    const waiting = new Reader(backend.log.events(undefined, 2n, controller.signal)).end();
    const amid = new Reader(backend.log.events(undefined, 0n, controller.signal));
    await amid.next();
    const watching = new Reader(backend.sessions.watch("alice", controller.signal));
    await watching.next();
    const watchEnds = watching.end();
    await quiet(backend);
    controller.abort();
    await Promise.all([waiting, amid.end(), watchEnds]);
    await new Reader(backend.log.events(undefined, 0n, controller.signal)).end();
    await new Reader(backend.sessions.watch("alice", controller.signal)).end();
    await new Reader(backend.outbox.claims(controller.signal)).end();
  });

  it("readers end with the backend", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    await createSession(backend, "alice", ["one"], 2);
    const waiting = new Reader(backend.log.events("alice", 2n, signal)).end();
    const amid = new Reader(backend.log.events(undefined, 0n, signal));
    await amid.next();
    const watching = new Reader(backend.sessions.watch("alice", signal));
    await watching.next();
    const watchEnds = watching.end();
    const claims = new Reader(backend.outbox.claims(signal));
    await claims.next();
    const claimsEnd = claims.end();
    const beginning = backend.log.events(undefined, 0n, signal)[Symbol.asyncIterator]().next();
    await backend.upkeep.close();
    await Promise.all([waiting, amid.end(), watchEnds, claimsEnd, beginning]);
    await new Reader(backend.log.events(undefined, 0n, signal)).end();
    await new Reader(backend.sessions.watch("alice", signal)).end();
    await new Reader(backend.outbox.claims(signal)).end();
  });

  it("many readers are all woken", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    await createSession(backend, "bob");
    const readers = Array.from({ length: 2000 }, (_, n) =>
      new Reader(backend.log.events(n % 2 ? "alice" : undefined, 0n, signal)).next(),
    );
    await quiet(backend);
    await backend.sessions.commit(lease, { record: recordOf("alice"), events: [newEvent("alice")] });
    for (const event of await Promise.all(readers)) assert.equal(event.seq, 1n);
  });

  it("a watcher sees the session at once, existing or not, and each change", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const watcher = new Reader(backend.sessions.watch("alice", signal));
    assert.deepEqual(await watcher.next(), { record: undefined, pairing: undefined, seq: 0n });
    const created = watcher.next();
    const { lease } = await createSession(backend, "alice", [], 1);
    const first = await created;
    assert.equal(first.record?.revision, 1);
    assert.equal(first.seq, 1n);
    const paired = watcher.next();
    await backend.sessions.commit(lease, { record: recordOf("alice", 2), events: [], pairing: pairingOf("code") });
    const second = await paired;
    assert.deepEqual([second.record?.revision, second.pairing?.value], [2, "code"]);
    const removed = watcher.next();
    await backend.sessions.remove(lease, [newEvent("alice")]);
    assert.deepEqual(await removed, { record: undefined, pairing: undefined, seq: 2n });
  });

  it("a slow watcher sees only the latest state", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const watcher = new Reader(backend.sessions.watch("alice", signal));
    await watcher.next();
    for (let revision = 2; revision <= 9; revision += 1) {
      await backend.sessions.commit(lease, { record: recordOf("alice", revision), events: [newEvent("alice")] });
    }
    assert.equal((await watcher.next()).record?.revision, 9);
    const next = arrival(watcher.next());
    await createSession(backend, "bob", [], 1);
    await quiet(backend);
    assert.equal(next.arrived, false);
    await backend.sessions.commit(lease, { record: recordOf("alice", 10), events: [] });
    assert.equal((await next.promise).record?.revision, 10);
  });

  it("a snapshot and the events after it are complete", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const commits = numbers(1, 60).map((revision) =>
      backend.sessions.commit(lease, { record: recordOf("alice", Number(revision)), events: [newEvent("alice")] }),
    );
    for (let n = 0; n < 60; n += 10) {
      await commits[n];
      const { record, seq } = await backend.sessions.get("alice");
      assert.equal(BigInt(record?.revision ?? 0), seq);
      const { records, seq: listSeq } = await backend.sessions.list();
      assert.equal(BigInt(records[0]?.revision ?? 0), listSeq);
      const rest = await new Reader(backend.log.events("alice", seq, signal)).take(60 - Number(seq));
      assert.deepEqual(seqsOf(rest), numbers(Number(seq) + 1, 60));
    }
    await Promise.all(commits);
  });
}
