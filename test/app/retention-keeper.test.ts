import assert from "node:assert/strict";
import { it } from "node:test";
import { keepRetention } from "../../src/app/retention-keeper.ts";
import type { Retention } from "../../src/ports/upkeep.ts";
import { FakeClock } from "../support/fake-clock.ts";

const limits = { maxCount: 1, maxAgeMs: 1 };
const retention: Retention = { events: limits, delivered: limits, failed: limits };
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

it("trims repeatedly, also after failures, until it is told to end", async () => {
  const clock = new FakeClock();
  const lines: string[] = [];
  const logger = {
    debug: (_: object, text: string) => lines.push(text),
    error: (_: object, text: string) => lines.push(text),
  };
  const results = [3, new Error("disk"), 0, 5];
  let rounds = 0;
  const trim = async (given: Retention): Promise<number> => {
    assert.equal(given, retention);
    const result = results[rounds++] ?? 0;
    if (result instanceof Error) throw result;
    return result;
  };
  const controller = new AbortController();
  const kept = keepRetention({ upkeep: { trim }, retention, clock, logger }, controller.signal);
  for (let round = 1; round <= 4; round += 1) {
    await settle();
    assert.deepEqual([rounds, clock.pending], [round, 1]);
    clock.advance(15_000);
  }
  await settle();
  controller.abort();
  await kept;
  assert.equal(clock.pending, 0);
  assert.deepEqual(lines, [
    "trimmed events and deliveries",
    "trimming events and deliveries failed",
    "trimmed events and deliveries",
  ]);
});
