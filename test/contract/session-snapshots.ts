import assert from "node:assert/strict";
import { it } from "node:test";
import type { SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Backend } from "../../src/ports/backend.ts";
import { LeaseLost } from "../../src/ports/sessions.ts";
import { createSession, newEvent, type OpenBackend, openFixture, pairingOf, recordOf } from "./backend-fixtures.ts";

/** Contract for reads of sessions: each is the committed state at its place in the log. */
export function snapshotsContract(open: OpenBackend): void {
  it("a read during a write sees the state before it or after it, never a mixture", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", [], 1);
    const writing = backend.sessions.commit(lease, {
      record: recordOf("alice", 2),
      events: [newEvent("alice")],
      pairing: pairingOf("code"),
    });
    const reads = await Promise.all(Array.from({ length: 20 }, () => backend.sessions.get("alice")));
    const { records, seq } = await backend.sessions.list();
    await writing;
    for (const { record, pairing, seq: at } of reads) {
      assert.deepEqual([record?.revision, pairing?.value], at === 1n ? [1, undefined] : [2, "code"]);
    }
    assert.equal(records[0]?.revision, Number(seq));
    assert.equal((await backend.sessions.get("alice")).record?.revision, 2);
  });

  it("a refused commit is not seen by reads, whichever way it is refused", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", [], 1);
    const refused = [
      { record: recordOf("alice", 7), events: [newEvent("alice", "unknown")] },
      { record: recordOf("bob", 7), events: [] },
      { record: recordOf("alice", 7), events: [newEvent("bob")], pairing: pairingOf("code") },
    ];
    for (const commit of refused) await assert.rejects(backend.sessions.commit(lease, commit), TypeError);
    await backend.sessions.acquire("alice");
    await assert.rejects(backend.sessions.commit(lease, { record: recordOf("alice", 7), events: [] }), LeaseLost);
    assert.deepEqual(await backend.sessions.get("alice"), { record: recordOf("alice"), pairing: undefined, seq: 1n });
    assert.deepEqual(await backend.sessions.list(), { records: [recordOf("alice")], seq: 1n });
  });

  it("a list that was read does not change when sessions do", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    await createSession(backend, "bob");
    const before = await backend.sessions.list();
    await backend.sessions.commit(lease, { record: recordOf("alice", 2), events: [] });
    await createSession(backend, "carol");
    const after = await backend.sessions.list();
    await backend.sessions.remove(lease, []);
    const facts = (records: readonly SessionRecord[]) => records.map(({ name, revision }) => `${name} ${revision}`);
    assert.deepEqual(facts(before.records), ["alice 1", "bob 1"]);
    assert.deepEqual(facts(after.records), ["alice 2", "bob 1", "carol 1"]);
    assert.deepEqual(facts((await backend.sessions.list()).records), ["bob 1", "carol 1"]);
  });

  it("a record that was written is written again after another one", async (t) => {
    const { backend } = await openFixture(t, open);
    const lease = await backend.sessions.acquire("alice");
    const [first, second] = [recordOf("alice", 1), recordOf("alice", 2)];
    await backend.sessions.commit(lease, { record: first, events: [] });
    const commits = [first, second, first].map((record) => backend.sessions.commit(lease, { record, events: [] }));
    await Promise.all(commits);
    assert.equal((await backend.sessions.get("alice")).record?.revision, 1);
  });

  for (const seed of [1, 2, 3]) {
    it(`every read is the exact state at its seq, under random commands (seed ${seed})`, async (t) => {
      const { backend } = await openFixture(t, open);
      const race = new Race(backend, randomNumbers(seed));
      await race.run();
      race.verify();
    });
  }
}

/** Numbers in [0, 1) that a seed determines (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A session's state from a place in the log on. Revision 0: it does not exist. */
interface Step {
  readonly seq: bigint;
  readonly revision: number;
}

/** A state that a reader saw. */
interface Sighting {
  readonly session: string;
  readonly seq: bigint;
  readonly revision: number;
  /** Greatest seq that anyone had seen when the read began. */
  readonly knownSeq: bigint;
}

const names = ["s0", "s1", "s2", "s3", "s4"];
const stepsPerSession = 40;

/** Writers that commit, remove and create sessions at random, and readers beside them. */
class Race {
  readonly #backend: Backend;
  readonly #random: () => number;
  readonly #steps = new Map<string, Step[]>();
  readonly #sightings: Sighting[] = [];
  readonly #finished = new AbortController();
  #knownSeq = 0n;

  constructor(backend: Backend, random: () => number) {
    this.#backend = backend;
    this.#random = random;
  }

  async run(): Promise<void> {
    const watched = names.map((name) => this.#watch(name));
    const readers = [this.#readOne(), this.#readOne(), this.#readAll()];
    await Promise.all(names.map((name) => this.#write(name)));
    this.#finished.abort();
    await Promise.all([...readers, ...watched]);
  }

  verify(): void {
    assert.ok(this.#sightings.length > names.length * stepsPerSession);
    for (const { session, seq, revision, knownSeq } of this.#sightings) {
      const step = this.#steps.get(session)?.findLast((each) => each.seq <= seq);
      assert.equal(revision, step?.revision ?? 0, `${session} at ${seq}`);
      assert.ok(seq >= knownSeq, `${session} at ${seq} after ${knownSeq}`);
    }
  }

  async #write(name: string): Promise<void> {
    const steps: Step[] = [];
    this.#steps.set(name, steps);
    const { sessions } = this.#backend;
    let lease = await sessions.acquire(name);
    for (let revision = 1; revision <= stepsPerSession; revision += 1) {
      const chance = this.#random();
      if (chance < 0.1) lease = await sessions.acquire(name);
      const removes = chance > 0.85 && steps.at(-1)?.revision;
      const events = Array.from({ length: 1 + Math.floor(this.#random() * 3) }, () => newEvent(name));
      const logged = removes
        ? await sessions.remove(lease, events)
        : await sessions.commit(lease, { record: recordOf(name, revision), events });
      const seq = logged.at(-1)?.seq ?? 0n;
      steps.push({ seq, revision: removes ? 0 : revision });
      this.#know(seq);
      if (chance > 0.5) await this.#pause();
    }
  }

  async #readOne(): Promise<void> {
    while (!this.#finished.signal.aborted) {
      const session = names[Math.floor(this.#random() * names.length)] ?? "";
      const knownSeq = this.#knownSeq;
      const { record, seq } = await this.#backend.sessions.get(session);
      this.#see({ session, seq, revision: record?.revision ?? 0, knownSeq });
      await this.#pause();
    }
  }

  async #readAll(): Promise<void> {
    while (!this.#finished.signal.aborted) {
      const knownSeq = this.#knownSeq;
      const { records, seq } = await this.#backend.sessions.list();
      const found = new Map(records.map(({ name, revision }) => [name, revision]));
      for (const session of names) this.#see({ session, seq, revision: found.get(session) ?? 0, knownSeq });
      await this.#pause();
    }
  }

  async #watch(session: string): Promise<void> {
    let knownSeq = 0n;
    for await (const { record, seq } of this.#backend.sessions.watch(session, this.#finished.signal)) {
      this.#see({ session, seq, revision: record?.revision ?? 0, knownSeq });
      knownSeq = seq;
    }
  }

  #see(sighting: Sighting): void {
    this.#sightings.push(sighting);
    this.#know(sighting.seq);
  }

  #know(seq: bigint): void {
    if (seq > this.#knownSeq) this.#knownSeq = seq;
  }

  async #pause(): Promise<void> {
    if (this.#random() < 0.7) await new Promise((resolve) => setImmediate(resolve));
  }
}
