import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EventQueue } from "../../../src/adapters/engine/event-queue.ts";

async function all<T>(events: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const event of events) list.push(event);
  return list;
}

describe("the queue of an engine's events", () => {
  it("holds events until they are read, and ends after the last one", async () => {
    const queue = new EventQueue<number>();
    queue.push(1);
    queue.push(2);
    assert.equal(queue.size, 2);
    queue.end();
    queue.push(3);
    assert.deepEqual(await all(queue), [1, 2]);
    assert.equal(queue.size, 0);
  });

  it("wakes a reader that waits, for an event and for the end", async () => {
    const queue = new EventQueue<string>();
    const events = queue[Symbol.asyncIterator]();
    const first = events.next();
    queue.push("a");
    assert.deepEqual(await first, { done: false, value: "a" });
    const last = events.next();
    queue.end();
    assert.deepEqual(await last, { done: true, value: undefined });
  });

  it("is read once", async () => {
    const queue = new EventQueue<string>();
    queue.end();
    await all(queue);
    await assert.rejects(all(queue), /once/);
  });
});
