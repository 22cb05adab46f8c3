import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { reconnectDelayMs } from "../../src/domain/reconnect.ts";

const policy = { maxDelayMs: 900_000, jitterShare: 0.1, jitter: 0.5 };

/** Seconds before the next attempt, by the number of failed ones. */
const waits: [number, number][] = [
  [1, 1],
  [2, 1],
  [3, 2],
  [4, 3],
  [5, 5],
  [6, 8],
  [10, 55],
  [15, 610],
  [16, 900],
  [31, 900],
  [4_294_967_295, 900],
];

describe("the delay before a reconnect", () => {
  for (const [attempt, seconds] of waits) {
    it(`is ${seconds} s after ${attempt} failed attempts`, () =>
      assert.equal(reconnectDelayMs(attempt, policy), seconds * 1000));
  }

  it("varies by ten percent both ways, also at its maximum", () => {
    assert.equal(reconnectDelayMs(6, { ...policy, jitter: 0 }), 7200);
    assert.equal(reconnectDelayMs(6, { ...policy, jitter: 1 - 1e-9 }), 8800);
    assert.equal(reconnectDelayMs(40, { ...policy, jitter: 0 }), 810_000);
  });

  it("does not vary with a jitter share of 0", () => {
    assert.equal(reconnectDelayMs(7, { ...policy, jitterShare: 0, jitter: 0 }), 13_000);
  });

  it("stays within its maximum", () => {
    assert.equal(reconnectDelayMs(20, { ...policy, maxDelayMs: 2500 }), 2500);
  });
});
