import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ServingState } from "../../src/api/serving-state.ts";
import { FakeClock } from "../support/fake-clock.ts";

const pass = () => new Promise<void>((resolve) => setImmediate(resolve));

function fixture() {
  const clock = new FakeClock();
  const log: string[] = [];
  const store = { writes: 0, write: async () => {} };
  const checkStore = () => {
    store.writes += 1;
    return store.write();
  };
  const line = (_: object, message: string) => void log.push(message);
  const state = new ServingState({ clock, checkStore, logger: { info: line, error: line } });
  return { clock, log, store, state };
}

const fail = () => Promise.reject(new Error("the disk is full"));
const hang = () => new Promise<void>(() => {});

describe("the serving state", () => {
  it("costs one write per second, however many ask", async () => {
    const { clock, store, state } = fixture();
    for (let second = 0; second < 3; second += 1) {
      const states = await Promise.all(Array.from({ length: 500 }, () => state.current()));
      assert.deepEqual([...new Set(states)], ["serving"]);
      clock.advance(999);
      await state.current();
      assert.equal(store.writes, second + 1);
      clock.advance(1);
    }
  });

  it("shows a store that fails within 1 s, and one that recovers within 1 s", async () => {
    const { clock, store, state } = fixture();
    await state.current();
    store.write = fail;
    clock.advance(1_000);
    assert.equal(await state.current(), "store_unavailable");
    store.write = async () => {};
    clock.advance(1_000);
    assert.equal(await state.current(), "serving");
  });

  it("counts a store that does not answer within 5 s as unavailable", async () => {
    const { clock, store, state } = fixture();
    store.write = hang;
    const current = state.current();
    clock.advance(5_000);
    assert.equal(await current, "store_unavailable");
    assert.equal(clock.pending, 0);
  });

  it("has at most one write in flight on a store that hangs", async () => {
    const { clock, store, state } = fixture();
    store.write = hang;
    for (let round = 0; round < 5; round += 1) {
      const current = state.current();
      clock.advance(10_000);
      assert.equal(await current, "store_unavailable");
      clock.advance(10_000);
    }
    assert.equal(store.writes, 1);
  });

  it("logs each change once", async () => {
    const { clock, log, store, state } = fixture();
    for (const write of [fail, fail, async () => {}, async () => {}]) {
      store.write = write;
      await state.current();
      clock.advance(1_000);
    }
    assert.deepEqual(log, ["store accepts no writes", "store accepts writes again"]);
  });

  it("wakes watchers at once when another caller finds a change", async () => {
    const { clock, store, state } = fixture();
    await state.current();
    let woken = 0;
    void state.changed(new AbortController().signal).then(() => {
      woken += 1;
    });
    store.write = fail;
    clock.advance(1_000);
    await state.current();
    await pass();
    assert.equal(woken, 1);
    assert.equal(clock.pending, 0);
  });

  it("is draining from the moment it drains, whatever the store does", async () => {
    const { store, state } = fixture();
    store.write = fail;
    const current = state.current();
    state.drain();
    assert.deepEqual([await current, await state.current()], ["draining", "draining"]);
  });
});
