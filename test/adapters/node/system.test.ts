import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock, systemRandom } from "../../../src/adapters/node/system.ts";

describe("the system's clock", () => {
  it("calls back once, not before the delay", async () => {
    const startMs = performance.now();
    await new Promise<void>((resolve) => systemClock.schedule(20, resolve));
    // Node's timers count whole milliseconds.
    assert.ok(performance.now() - startMs >= 19);
  });

  it("does not call back after a cancellation", async () => {
    const calls: string[] = [];
    const cancel = systemClock.schedule(0, () => calls.push("cancelled"));
    cancel();
    cancel();
    await new Promise<void>((resolve) => systemClock.schedule(5, resolve));
    assert.deepEqual(calls, []);
  });

  it("supports delays longer than Node's timers", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    let nowMs = 0;
    t.mock.method(performance, "now", () => nowMs);
    const pass = (ms: number) => {
      nowMs += ms;
      t.mock.timers.tick(ms);
    };
    const calls: string[] = [];
    const thirtyDaysMs = 30 * 86_400_000;
    systemClock.schedule(thirtyDaysMs, () => calls.push("called"));
    const cancel = systemClock.schedule(thirtyDaysMs, () => calls.push("cancelled"));
    pass(2 ** 31 - 1);
    cancel();
    pass(thirtyDaysMs - 2 ** 31);
    assert.deepEqual(calls, []);
    pass(1);
    assert.deepEqual(calls, ["called"]);
  });

  it("returns Unix time in milliseconds", () => {
    const beforeMs = Date.now();
    const wallMs = systemClock.wallMs();
    assert.ok(wallMs >= beforeMs && wallMs <= Date.now());
  });

  for (const shiftMs of [-31_536_000_000, -7_200_000, 7_200_000, 31_536_000_000]) {
    it(`ignores changes of the machine's time in delays (${shiftMs / 3_600_000} h)`, (t) => {
      const beforeMs = systemClock.nowMs();
      const machineTime = Date.now;
      t.mock.method(Date, "now", () => machineTime() + shiftMs);
      const dueMs = systemClock.nowMs() + 30_000;
      assert.ok(dueMs - beforeMs >= 30_000 && dueMs - beforeMs < 35_000);
      assert.ok(Math.abs(systemClock.wallMsAt(dueMs) - Date.now() - 30_000) < 5_000);
    });
  }

  it("converts a moment to the same wall time each time", () => {
    const atMs = systemClock.nowMs() + 300_000;
    const shown = systemClock.wallMsAt(atMs);
    for (const endMs = performance.now() + 20; performance.now() < endMs; ) {
      assert.equal(systemClock.wallMsAt(atMs), shown);
    }
  });

  it("continues from a later time and never goes back", () => {
    const aheadMs = systemClock.nowMs() + 5_000;
    systemClock.continueFrom(aheadMs);
    assert.ok(systemClock.nowMs() >= aheadMs);
    systemClock.continueFrom(0);
    assert.ok(systemClock.nowMs() >= aheadMs);
    assert.ok(Number.isInteger(systemClock.nowMs()));
  });
});

describe("the system's random source", () => {
  // The clock of these ULIDs is ahead of all other tests, since ULIDs only increase.
  const futureMs = 2 ** 47;

  it("writes ULIDs as 26 characters of Crockford's base 32", () => {
    assert.match(systemRandom.ulid(futureMs), /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
  });

  it("writes the time in the first ten characters", () => {
    const earlier = systemRandom.ulid(futureMs + 1);
    const later = systemRandom.ulid(futureMs + 33);
    assert.equal(earlier.slice(0, 10), "4000000001");
    assert.equal(later.slice(0, 10), "4000000011");
  });

  it("increases ULIDs within a millisecond", () => {
    const ulids = Array.from({ length: 2000 }, () => systemRandom.ulid(futureMs + 100));
    assert.deepEqual(ulids, ulids.toSorted());
    assert.equal(new Set(ulids).size, ulids.length);
    assert.equal(new Set(ulids.map((ulid) => ulid.slice(0, 10))).size, 1);
  });

  it("increases ULIDs when the clock is set back", () => {
    const before = systemRandom.ulid(futureMs + 200);
    assert.ok(systemRandom.ulid(futureMs) > before);
  });

  it("returns the requested number of hexadecimal digits, new each time", () => {
    assert.match(systemRandom.hex(16), /^[0-9a-f]{32}$/);
    assert.notEqual(systemRandom.hex(16), systemRandom.hex(16));
  });

  it("returns numbers from 0 to below 1", () => {
    const numbers = Array.from({ length: 1000 }, () => systemRandom.unit());
    assert.ok(numbers.every((number) => number >= 0 && number < 1));
    assert.ok(new Set(numbers).size > 900);
  });
});
