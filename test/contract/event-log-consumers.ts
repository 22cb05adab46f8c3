import assert from "node:assert/strict";
import { it } from "node:test";
import { collect } from "../support/async-items.ts";
import { createSession, newEvent, type OpenBackend, openFixture, recordOf } from "./backend-fixtures.ts";

/** Contract for reading a range of the log, and for its named consumers. */
export function consumersContract(open: OpenBackend): void {
  it("the end of the log is the last event that can be read", async (t) => {
    const { backend } = await openFixture(t, open);
    assert.equal(await backend.log.lastSeq(), 0n);
    const { lease } = await createSession(backend, "alice", [], 3);
    assert.equal(await backend.log.lastSeq(), 3n);
    await backend.sessions.commit(lease, { record: recordOf("alice"), events: [newEvent("alice")] });
    assert.equal(await backend.log.lastSeq(), 4n);
  });

  it("a range of the log, of all sessions or one, ends where asked without waiting", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    await createSession(backend, "alice", [], 40);
    await createSession(backend, "bob", [], 40);
    const seqs = async (session: string | undefined, afterSeq: bigint, throughSeq: bigint) =>
      (await collect(backend.log.events(session, afterSeq, signal, throughSeq))).map(({ seq }) => Number(seq));
    const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
    assert.deepEqual(await seqs(undefined, 2n, 70n), numbers(3, 70));
    assert.deepEqual(await seqs("bob", 0n, 50n), numbers(41, 50));
    assert.deepEqual(await seqs("alice", 10n, 80n), numbers(11, 40));
    assert.deepEqual(await seqs("carol", 0n, 80n), []);
    assert.deepEqual(await seqs("alice", 80n, 80n), []);
  });

  it("each consumer's position is the highest it has acknowledged", async (t) => {
    const { backend } = await openFixture(t, open);
    assert.equal(await backend.log.acknowledged("billing"), undefined);
    assert.equal(await backend.log.acknowledge("billing", 0n), 0n);
    assert.equal(await backend.log.acknowledged("billing"), 0n);
    const answers = [5n, 3n, 9n, 7n].map((cursor) => backend.log.acknowledge("billing", cursor));
    assert.deepEqual(await Promise.all(answers), [5n, 5n, 9n, 9n]);
    assert.equal(await backend.log.acknowledge("audit", 2n), 2n);
    assert.deepEqual([await backend.log.acknowledged("billing"), await backend.log.acknowledged("audit")], [9n, 2n]);
  });
}
