import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openHarness } from "./harness.ts";

const call = (name: string, idempotencyKey = "a key") =>
  ({ name, engine: 0, config: undefined, start: false, idempotencyKey }) as const;

describe("calls that create sessions with one idempotency key", () => {
  it("are answered alike by another process, which was never told of the first", async (t) => {
    const { manager, reopen } = openHarness(t);
    await manager.create(call("alice"));
    const { record, replayed } = await reopen().create(call("alice"));
    assert.deepEqual([record.name, replayed], ["alice", true]);
  });

  it("make one session when they come to two processes at once, whatever names these make up", async (t) => {
    const { manager, backend, reopen } = openHarness(t);
    const created = await Promise.all([manager.create(call("")), reopen().create(call(""))]);
    assert.equal(new Set(created.map(({ record }) => record.name)).size, 1);
    assert.deepEqual(created.map(({ replayed }) => replayed).toSorted(), [false, true]);
    assert.equal((await backend.sessions.list()).records.length, 1);
  });

  it("are refused when they differ, in another process too", async (t) => {
    const { manager, reopen } = openHarness(t);
    await manager.create(call("alice"));
    await assert.rejects(reopen().create(call("bob")), { reason: "IDEMPOTENCY_KEY_REUSED" });
  });

  it("make a new session once the first is deleted", async (t) => {
    const { manager } = openHarness(t);
    await manager.create(call("alice"));
    await manager.delete("alice");
    assert.equal((await manager.create(call("alice"))).replayed, false);
  });
});
