import assert from "node:assert/strict";
import { it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { EndpointHealthSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { WebhookDelivery_State as State } from "../../gen/sessiond/v1/webhook_pb.js";
import { jumps } from "../support/clock-jumps.ts";
import {
  arrival,
  createSession,
  eventOf,
  type OpenBackend,
  openFixture,
  quiet,
  Reader,
  recordOf,
} from "./backend-fixtures.ts";

const unlimited = { maxCount: Number.MAX_SAFE_INTEGER, maxAgeMs: Number.MAX_SAFE_INTEGER };

/** Contract for time: it holds however the wall clock is set. */
export function clockContract(open: OpenBackend): void {
  for (const [name, jumpMs] of jumps) {
    it(`a retry keeps its delay when the clock is set ${name}`, async (t) => {
      const { backend, clock, signal } = await openFixture(t, open);
      await createSession(backend, "alice", ["one", "two"], 1);
      const reader = new Reader(backend.outbox.claims(signal));
      await (await reader.next()).retry(2000);
      clock.jumpWall(jumpMs);
      await (await reader.next()).retry(2000);
      const next = arrival(reader.next());
      clock.advance(1999);
      await quiet(backend);
      assert.equal(next.arrived, false);
      clock.advance(1);
      for (const claim of [await next.promise, await reader.next()]) await claim.done();
      const [settled] = await backend.outbox.deliveries("alice", { state: State.DELIVERED, limit: 1 });
      assert.equal(settled?.settledAt && timestampMs(settled.settledAt), clock.wallMs());
    });

    it(`an endpoint is paused for its full time when the clock is set ${name}`, async (t) => {
      const { backend, clock, signal } = await openFixture(t, open);
      await createSession(backend, "alice", ["one"], 2);
      const reader = new Reader(backend.outbox.claims(signal));
      const sparedUntil = timestampFromMs(clock.nowMs() + 60_000);
      await (await reader.next()).retry(0, { health: create(EndpointHealthSchema, { failures: 20, sparedUntil }) });
      const next = arrival(reader.next());
      clock.jumpWall(jumpMs);
      clock.advance(59_999);
      await quiet(backend);
      assert.equal(next.arrived, false);
      clock.advance(1);
      await (await next.promise).done({ health: null });
    });
  }

  it("events dated in the future by a wrong clock are trimmed with those after them", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const log = async (...ages: number[]) => {
      const events = ages.map((ageMs) => {
        const event = { ...eventOf("alice"), time: timestampFromMs(clock.wallMs() - ageMs) };
        return { event, endpointIds: [] };
      });
      await backend.sessions.commit(lease, { record: recordOf("alice"), events });
    };
    const yearMs = 365 * 86_400_000;
    const retention = { events: { ...unlimited, maxAgeMs: 10_000 }, delivered: unlimited, failed: unlimited };
    await log(...Array<number>(300).fill(-yearMs), 5_000, -yearMs, 0);
    await backend.upkeep.trim(retention, clock.wallMs(), signal);
    assert.equal(await backend.log.oldestSeq("alice"), 1n);
    clock.advance(6_000);
    await backend.upkeep.trim(retention, clock.wallMs(), signal);
    assert.equal(await backend.log.oldestSeq("alice"), 302n);
    clock.advance(5_000);
    await backend.upkeep.trim(retention, clock.wallMs(), signal);
    assert.equal(await backend.log.oldestSeq("alice"), 304n);
  });
}
