import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Semaphore } from "../../../src/adapters/wwebjs/semaphore.ts";

const tick = () => new Promise(setImmediate);

describe("a semaphore", () => {
  it("lets two in at a time, and the others in the order in which they asked", async () => {
    const semaphore = new Semaphore(2);
    const { signal } = new AbortController();
    const releases = await Promise.all([semaphore.acquire(signal), semaphore.acquire(signal)]);
    const order: number[] = [];
    const later = [1, 2, 3].map(async (i) => {
      const release = await semaphore.acquire(signal);
      order.push(i);
      return release;
    });
    await tick();
    assert.deepEqual(order, []);
    releases[0]?.();
    await tick();
    assert.deepEqual(order, [1]);
    releases[1]?.();
    (await later[0])?.();
    await tick();
    assert.deepEqual(order, [1, 2, 3]);
  });

  it("loses no permit to a caller that leaves before it is let in", async () => {
    const semaphore = new Semaphore(1);
    const { signal } = new AbortController();
    const release = await semaphore.acquire(signal);
    const leaving = new AbortController();
    const left = semaphore.acquire(leaving.signal);
    const next = semaphore.acquire(signal);
    leaving.abort(new Error("left"));
    await assert.rejects(left, /left/);
    await assert.rejects(semaphore.acquire(leaving.signal), /left/);
    release();
    (await next)();
    (await semaphore.acquire(signal))();
  });
});
