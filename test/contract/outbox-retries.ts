import assert from "node:assert/strict";
import { it } from "node:test";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Claim } from "../../src/ports/outbox.ts";
import {
  arrival,
  createSession,
  newEvent,
  type OpenBackend,
  openFixture,
  quiet,
  Reader,
  recordOf,
  seqOf,
} from "./backend-fixtures.ts";

/** Contract for deliveries whose first attempt failed. */
export function retriesContract(open: OpenBackend): void {
  it("a retry is due after its delay and counts its attempts", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    await createSession(backend, "alice", ["one"], 1);
    const reader = new Reader(backend.outbox.claims(signal));
    const first = await reader.next();
    await first.retry(2000);
    const second = arrival(reader.next());
    clock.advance(1999);
    await quiet(backend);
    assert.equal(second.arrived, false);
    clock.advance(1);
    const { delivery } = await second.promise;
    assert.equal(delivery.id, first.delivery.id);
    assert.equal(delivery.attempts, 1);
    assert.equal(delivery.dueAt && timestampMs(delivery.dueAt), clock.nowMs());
    assert.deepEqual(delivery.event, first.delivery.event);
    await (await second.promise).retry(500);
    const third = reader.next();
    clock.advance(500);
    const last = await third;
    assert.equal(last.delivery.attempts, 2);
    await last.done();
    assert.equal(clock.pending, 0);
  });

  it("a retry without delay is due at once", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    await createSession(backend, "alice", ["one"], 1);
    const reader = new Reader(backend.outbox.claims(signal));
    for (let attempts = 0; attempts < 5; attempts += 1) {
      const claim = await reader.next();
      assert.equal(claim.delivery.attempts, attempts);
      await claim.retry(0);
    }
  });

  it("first attempts continue while others wait for their retry", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    await createSession(backend, "alice", ["one"], 3);
    const reader = new Reader(backend.outbox.claims(signal));
    await (await reader.next()).retry(1000);
    const second = await reader.next();
    assert.equal(seqOf(second), 2n);
    clock.advance(1000);
    // The second delivery is still under way, and the retry does not wait for it.
    const retried = await reader.next();
    assert.deepEqual([seqOf(retried), retried.delivery.attempts], [1n, 1]);
    await second.done();
    assert.equal(seqOf(await reader.next()), 3n);
    await retried.done();
  });

  it("retries come when they are due, whatever their order in the log", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    const { events } = await createSession(backend, "alice", ["one"], 20);
    const reader = new Reader(backend.outbox.claims(signal));
    for (const _ of events) {
      const claim = await reader.next();
      await claim.retry(Number(21n - seqOf(claim)) * 100);
    }
    for (let seq = 20n; seq > 0n; seq -= 1n) {
      clock.advance(100);
      const claim = await reader.next();
      assert.equal(seqOf(claim), seq);
      await claim.done();
    }
    assert.equal(clock.pending, 0);
  });

  it("retries starve neither each other nor first attempts", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    await createSession(backend, "alice", ["one"], 40);
    const reader = new Reader(backend.outbox.claims(signal));
    const settled = new Map<bigint, number>();
    // Each fails once; all are delivered exactly once in the end.
    while (settled.size < 40) {
      const waiting = arrival(reader.next());
      while (!waiting.arrived) {
        await quiet(backend);
        if (!waiting.arrived) clock.advance(50);
      }
      const claim = await waiting.promise;
      if (claim.delivery.attempts === 0) await claim.retry(50);
      else {
        settled.set(seqOf(claim), (settled.get(seqOf(claim)) ?? 0) + 1);
        await claim.done();
      }
    }
    assert.ok([...settled.values()].every((times) => times === 1));
  });

  it("one endpoint has at most eight deliveries under way and blocks no other", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", ["dead"], 30);
    const reader = new Reader(backend.outbox.claims(signal));
    for (let n = 0; n < 30; n += 1) await (await reader.next()).retry(1000);
    clock.advance(1000);
    const underWay: Claim[] = await reader.take(8);
    const ninth = arrival(reader.next());
    await quiet(backend);
    assert.equal(ninth.arrived, false);
    await createSession(backend, "bob", ["one"], 1);
    assert.equal((await ninth.promise).delivery.event?.session, "bob");
    await backend.sessions.commit(lease, { record: recordOf("alice"), events: [newEvent("alice", "dead")] });
    const seen = new Set(underWay.map(seqOf));
    while (seen.size < 31) {
      await underWay.shift()?.done();
      const claim = await reader.next();
      assert.ok(!seen.has(seqOf(claim)), "handed out twice");
      seen.add(seqOf(claim));
      underWay.push(claim);
    }
  });

  it("a delivery given up is not claimed again", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    await createSession(backend, "alice", ["one"], 2);
    const reader = new Reader(backend.outbox.claims(signal));
    await (await reader.next()).giveUp("answered 410");
    const second = await reader.next();
    assert.equal(seqOf(second), 2n);
    await second.retry(10);
    const again = reader.next();
    clock.advance(10);
    await (await again).giveUp("too many attempts");
    const next = arrival(reader.next());
    clock.advance(86_400_000);
    await quiet(backend);
    assert.equal(next.arrived, false);
  });

  it("a retry waits without a reader, and closing the backend leaves no timer", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    await createSession(backend, "alice", ["one"], 2);
    const controller = new AbortController();
    const claim = await new Reader(backend.outbox.claims(controller.signal)).next();
    controller.abort();
    await claim.retry(1000);
    clock.advance(1000);
    const due = await new Reader(backend.outbox.claims(signal)).take(2);
    assert.deepEqual(due.map(seqOf).toSorted(), [1n, 2n]);
    for (const each of due) await each.retry(1000);
    assert.equal(clock.pending, 1);
    await backend.upkeep.close();
    assert.equal(clock.pending, 0);
  });
}
