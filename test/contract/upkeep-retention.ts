import assert from "node:assert/strict";
import { it } from "node:test";
import { WebhookDelivery_State as State } from "../../gen/sessiond/v1/webhook_pb.js";
import { LogTrimmed } from "../../src/ports/event-log.ts";
import type { Retention } from "../../src/ports/upkeep.ts";
import {
  createSession,
  history,
  newEvent,
  type OpenBackend,
  openFixture,
  Reader,
  recordOf,
} from "./backend-fixtures.ts";

const all = { maxCount: Number.MAX_SAFE_INTEGER, maxAgeMs: Number.MAX_SAFE_INTEGER };
const everything: Retention = { events: all, delivered: all, failed: all };

/** Contract for the limits on retained history. */
export function retentionContract(open: OpenBackend): void {
  it("the newest events of a session are retained, and readers learn where the log begins", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    await createSession(backend, "alice", [], 300);
    await createSession(backend, "bob", [], 5);
    assert.equal(await backend.upkeep.trim(everything, clock.wallMs(), signal), 0);
    assert.deepEqual([await backend.log.oldestSeq("alice"), await backend.log.oldestSeq(undefined)], [1n, 1n]);
    assert.equal(
      await backend.upkeep.trim({ ...everything, events: { ...all, maxCount: 10 } }, clock.wallMs(), signal),
      290,
    );
    assert.equal(await backend.log.oldestSeq("alice"), 291n);
    assert.equal(await backend.log.oldestSeq("bob"), 1n);
    assert.equal(await backend.log.oldestSeq(undefined), 291n);
    const kept = new Reader(backend.log.events("alice", 290n, signal));
    assert.deepEqual(
      (await kept.take(10)).map(({ seq }) => seq),
      Array.from({ length: 10 }, (_, n) => BigInt(291 + n)),
    );
    assert.equal((await new Reader(backend.log.events("bob", 0n, signal)).next()).seq, 301n);
    for (const session of ["alice", undefined]) {
      await assert.rejects(new Reader(backend.log.events(session, 0n, signal)).next(), (error) => {
        assert.ok(error instanceof LogTrimmed);
        assert.equal(error.oldestSeq, 291n);
        return true;
      });
    }
    assert.equal(
      await backend.upkeep.trim({ ...everything, events: { ...all, maxCount: 10 } }, clock.wallMs(), signal),
      0,
    );
  });

  it("the log is trimmed continually as it grows, and by age", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", [], 20);
    const limits: Retention = { ...everything, events: { maxCount: 20, maxAgeMs: 1000 } };
    assert.equal(await backend.upkeep.trim(limits, clock.wallMs(), signal), 0);
    await backend.sessions.commit(lease, { record: recordOf("alice"), events: [newEvent("alice"), newEvent("alice")] });
    assert.equal(await backend.upkeep.trim(limits, clock.wallMs(), signal), 2);
    assert.equal(await backend.log.oldestSeq("alice"), 3n);
    clock.advance(1001);
    assert.equal(await backend.upkeep.trim(limits, clock.wallMs(), signal), 20);
    assert.equal(await backend.log.oldestSeq("alice"), 23n);
    // A new session with the same name has a log of its own.
    await backend.sessions.remove(lease, []);
    assert.equal(await backend.log.oldestSeq("alice"), 1n);
    await createSession(backend, "alice", [], 1);
    assert.equal((await new Reader(backend.log.events("alice", 0n, signal)).next()).seq, 23n);
    assert.equal(await backend.log.oldestSeq(undefined), 23n);
  });

  it("the last events of removed sessions are trimmed by age", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", [], 1);
    await backend.sessions.remove(lease, [newEvent("alice")]);
    clock.advance(1001);
    assert.equal(
      await backend.upkeep.trim({ ...everything, events: { ...all, maxAgeMs: 1000 } }, clock.wallMs(), signal),
      1,
    );
    assert.deepEqual(await history(backend, "alice").catch((error: unknown) => error instanceof LogTrimmed), true);
  });

  it("settled deliveries are trimmed by count and age for each state, pending ones never", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    await createSession(backend, "alice", ["one"], 30);
    const reader = new Reader(backend.outbox.claims(signal));
    for (let n = 0; n < 24; n += 1) {
      const claim = await reader.next();
      if (n % 2 === 0) await claim.done();
      else await claim.giveUp("no");
    }
    const count = async (state: State) => (await backend.outbox.deliveries("alice", { state, limit: 100 })).length;
    const counts = () => Promise.all([State.PENDING, State.DELIVERED, State.FAILED].map(count));
    assert.deepEqual(await counts(), [6, 12, 12]);
    const few: Retention = { ...everything, delivered: { ...all, maxCount: 3 }, failed: { ...all, maxCount: 5 } };
    assert.equal(await backend.upkeep.trim(few, clock.wallMs(), signal), 9 + 7);
    assert.deepEqual(await counts(), [6, 3, 5]);
    const [newest] = await backend.outbox.deliveries("alice", { state: State.DELIVERED, limit: 1 });
    assert.equal(newest?.event?.seq, 23n);
    clock.advance(1001);
    await (await reader.next()).done();
    assert.equal(
      await backend.upkeep.trim({ ...everything, delivered: { ...all, maxAgeMs: 1000 } }, clock.wallMs(), signal),
      3,
    );
    assert.deepEqual(await counts(), [5, 1, 5]);
    assert.equal(
      await backend.upkeep.trim({ ...everything, events: { ...all, maxCount: 0 } }, clock.wallMs(), signal),
      30,
    );
    assert.deepEqual(await counts(), [5, 1, 5]);
    // The failed delivery retains its event. The delivered one is gone with its event.
    const names = (await backend.outbox.deliveries("alice", { limit: 100 })).map(({ event, endpointId }) => ({
      seq: event?.seq ?? 0n,
      endpointId,
    }));
    assert.equal((await backend.outbox.resend("alice", names)).length, 5);
  });

  it("trimming can be interrupted", async (t) => {
    const { backend, clock } = await openFixture(t, open);
    await createSession(backend, "alice", [], 5);
    assert.equal(
      await backend.upkeep.trim(
        { ...everything, events: { ...all, maxCount: 0 } },
        clock.wallMs(),
        AbortSignal.abort(),
      ),
      0,
    );
    assert.equal(await backend.log.oldestSeq("alice"), 1n);
  });
}
