import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ClassicLevel } from "classic-level";
import { EndpointHealthSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import { WebhookAttemptSchema } from "../../../gen/sessiond/v1/webhook_pb.js";
import { keyOf } from "../../../src/adapters/level/store/key.ts";
import { arrival, createSession, quiet, Reader } from "../../contract/backend-fixtures.ts";
import { jumps } from "../../support/clock-jumps.ts";
import { epochMs, FakeClock } from "../../support/fake-clock.ts";
import { type StoreDirectory, storeDirectory } from "./store-directory.ts";

const delayMs = 60_000;

/** A closed store with a delivery to retry after 1 min, whose endpoint is paused as long. */
async function closedStore(t: TestContext, clock: FakeClock): Promise<StoreDirectory> {
  const store = await storeDirectory(t);
  const backend = await store.open(clock);
  await createSession(backend, "alice", ["one"], 1);
  const claim = await new Reader(backend.outbox.claims(new AbortController().signal)).next();
  const due = timestampFromMs(clock.nowMs() + delayMs);
  const attempt = create(WebhookAttemptSchema, { time: timestampFromMs(clock.wallMs()), latencyMs: 0 });
  await claim.retry(delayMs, { attempt, health: create(EndpointHealthSchema, { failures: 20, sparedUntil: due }) });
  await backend.upkeep.close();
  return store;
}

/** Time for which a new process with this clock delays the delivery. */
async function waitMs(store: StoreDirectory, clock: FakeClock): Promise<number> {
  const backend = await store.open(clock);
  const next = arrival(new Reader(backend.outbox.claims(new AbortController().signal)).next());
  const startMs = clock.nowMs();
  await quiet(backend);
  while (!next.arrived) {
    assert.ok(clock.nowMs() - startMs <= delayMs, "it waits longer than its delay");
    clock.advance(1_000);
    await quiet(backend);
  }
  await (await next.promise).done({ health: null });
  await backend.upkeep.close();
  return clock.nowMs() - startMs;
}

describe("a store opened at another time", () => {
  for (const [name, jumpMs] of jumps) {
    it(`delays no retry beyond its wait if the clock was set ${name} while closed`, async (t) => {
      const store = await closedStore(t, new FakeClock());
      assert.equal(await waitMs(store, new FakeClock(epochMs + jumpMs)), jumpMs < 0 ? delayMs : 0);
    });

    it(`delays no retry beyond its wait if the clock was set ${name} while open`, async (t) => {
      const before = new FakeClock();
      before.jumpWall(jumpMs);
      const store = await closedStore(t, before);
      const waitedMs = await waitMs(store, new FakeClock(before.wallMs()));
      assert.equal(waitedMs, jumpMs < 0 ? delayMs : 0);
    });
  }

  it("counts the time for which it was closed", async (t) => {
    const store = await closedStore(t, new FakeClock());
    assert.equal(await waitMs(store, new FakeClock(epochMs + 20_000)), delayMs - 20_000);
  });

  it("shows a stored time as wall time", async (t) => {
    const store = await closedStore(t, new FakeClock());
    const clock = new FakeClock(epochMs - 7_200_000);
    await store.open(clock);
    assert.equal(clock.wallMsAt(epochMs + delayMs) - clock.wallMs(), delayMs);
  });

  it("takes the time from its newest entries if an older version wrote it", async (t) => {
    const store = await closedStore(t, new FakeClock());
    const database = new ClassicLevel<Uint8Array, Uint8Array>(store.path, {
      keyEncoding: "view",
      valueEncoding: "view",
    });
    await database.del(keyOf("meta", "clock"));
    await database.close();
    assert.equal(await waitMs(store, new FakeClock(epochMs - 7_200_000)), delayMs);
  });
});
