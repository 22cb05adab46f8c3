import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Notifier } from "../../../src/adapters/embedded/notifier.ts";

const many = 1_000;

describe("a notifier", () => {
  it("wakes a thousand in turns, each with the first news it has not heard of", async () => {
    const notifier = new Notifier();
    const { signal } = new AbortController();
    const listeners = Array.from({ length: many }, (_, n) => notifier.subscribe(n % 2 ? "alice" : undefined, signal));
    let heard = 0;
    const news = listeners.map(async (listener) => {
      const seq = await listener.changed();
      heard += 1;
      return seq;
    });
    for (let seq = 7n; seq < 20n; seq += 1n) notifier.publish("alice", seq);
    await new Promise(setImmediate);
    assert.ok(heard > 0 && heard < many, `${heard} at first`);
    assert.deepEqual(new Set(await Promise.all(news)), new Set([7n]));
    notifier.close();
  });

  it("does not miss what comes while others are still to be woken", async () => {
    const notifier = new Notifier();
    const { signal } = new AbortController();
    const listeners = Array.from({ length: many }, () => notifier.subscribe("alice", signal));
    notifier.publish("alice", 1n);
    const [first, last] = [listeners[0], listeners.at(-1)];
    assert.equal(await first?.changed(), 1n);
    notifier.publish("alice", 2n);
    assert.equal(await first?.changed(), 2n);
    assert.equal(await last?.changed(), 1n);
    notifier.close();
    assert.equal(await last?.changed(), undefined);
  });

  it("wakes nobody of another topic, and nobody who has left", async () => {
    const notifier = new Notifier();
    const controller = new AbortController();
    const [bob, left] = [notifier.subscribe("bob", controller.signal), notifier.subscribe("alice", controller.signal)];
    left.end();
    notifier.publish("alice", 1n);
    notifier.publish("bob", 2n);
    assert.equal(await bob.changed(), 2n);
    assert.equal(await left.changed(), undefined);
    controller.abort();
    assert.equal(await bob.changed(), undefined);
  });
});
