import assert from "node:assert/strict";
import { it } from "node:test";
import { createSession, newEvent, type OpenBackend, openFixture } from "./backend-fixtures.ts";

const everything = { maxCount: 1_000, maxAgeMs: 1e15 };

/** Contract for reading a session's log backwards. */
export function latestContract(open: OpenBackend): void {
  it("the latest events of a session come newest first, page by page", async (t) => {
    const { backend } = await openFixture(t, open);
    const alice = await createSession(backend, "alice", [], 5);
    await createSession(backend, "bob", [], 5);
    const read = async (beforeSeq: bigint, limit: number) => backend.log.latest("alice", beforeSeq, limit);
    const [first, second, third, fourth, fifth] = alice.events;
    assert.deepEqual(await read(1_000n, 2), [fifth, fourth]);
    assert.deepEqual(await read(4n, 2), [third, second]);
    assert.deepEqual(await read(2n, 2), [first]);
    assert.deepEqual(await read(1n, 2), []);
    assert.deepEqual(await read(2n ** 63n, 1), [fifth]);
    assert.deepEqual(await backend.log.latest("nobody", 100n, 5), []);
  });

  it("the latest events are without those that were trimmed or removed", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    const { lease, events } = await createSession(backend, "alice", [], 300);
    const retention = { events: { ...everything, maxCount: 150 }, delivered: everything, failed: everything };
    await backend.upkeep.trim(retention, clock.wallMs(), signal);
    const kept = await backend.log.latest("alice", 1_000n, 500);
    assert.deepEqual(kept, events.slice(-150).toReversed());
    await backend.sessions.remove(lease, [newEvent("alice")]);
    assert.deepEqual(
      (await backend.log.latest("alice", 1_000n, 500)).map(({ seq }) => seq),
      [301n],
    );
  });
}
