import assert from "node:assert/strict";
import { it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { processHeap } from "../../../src/adapters/node/heap.ts";

it("memory that is not used any more goes back to the system", async () => {
  // Objects, since the bytes of buffers lie outside of what is collected.
  let held: object[] | undefined = Array.from({ length: 1_000_000 }, (_, n) => ({ n, more: [n] }));
  const heldBytes = process.memoryUsage().rss;
  assert.equal(held.length, 1_000_000);
  held = undefined;
  processHeap.release();
  // V8 tells nobody when it has given the pages back.
  while (heldBytes - process.memoryUsage().rss < 30_000_000) await setTimeout(10);
});
