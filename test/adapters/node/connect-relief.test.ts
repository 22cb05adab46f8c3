import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createConnectRelief } from "../../../src/adapters/node/memory.ts";
import { FakeClock } from "../../support/fake-clock.ts";

function openRelief() {
  const clock = new FakeClock();
  let releases = 0;
  const limits: number[] = [];
  const note = createConnectRelief({
    release: () => {
      releases += 1;
    },
    limitGrowth: (percent) => void limits.push(percent),
    schedule: (delayMs, callback) => void clock.schedule(delayMs, callback),
  });
  const connect = (count: number) => {
    for (let n = 0; n < count; n += 1) note();
  };
  return { clock, connect, releases: () => releases, limits };
}

/** Returns a relief after a first session, which limits the growth of the heap. */
function openLimited() {
  const { clock, connect, releases } = openRelief();
  connect(1);
  clock.advance(60_000);
  const before = releases();
  return { clock, connect, releases: () => releases() - before };
}

describe("memory after connections", () => {
  it("is released in two collections when a burst is over", () => {
    const { clock, connect, releases } = openLimited();
    connect(20);
    clock.advance(2_000);
    assert.equal(releases(), 1);
    clock.advance(60_000);
    assert.equal(releases(), 2);
  });

  it("is not released while sessions go on connecting", () => {
    const { clock, connect, releases } = openLimited();
    for (let n = 0; n < 50; n += 1) {
      connect(20);
      clock.advance(500);
    }
    assert.equal(releases(), 0);
    clock.advance(10_000);
    assert.equal(releases(), 2);
  });

  it("is not released after a few connections, until they have become many", () => {
    const { clock, connect, releases } = openLimited();
    connect(3);
    clock.advance(60_000);
    assert.equal(releases(), 0);
    connect(6);
    clock.advance(60_000);
    assert.equal(releases(), 2);
  });

  it("is released again after the next burst", () => {
    const { clock, connect, releases } = openLimited();
    for (let n = 0; n < 3; n += 1) {
      connect(20);
      clock.advance(60_000);
    }
    assert.equal(releases(), 6);
    assert.equal(clock.pending, 0);
  });

  it("grows less after a collection that follows the first session", () => {
    const { clock, connect, limits, releases } = openRelief();
    connect(1);
    assert.deepEqual([limits, releases()], [[], 0]);
    clock.advance(1_000);
    assert.deepEqual([limits, releases()], [[25], 1]);
    connect(20);
    clock.advance(60_000);
    assert.deepEqual(limits, [25]);
  });

  it("grows further during a mass start, and comes together in eight collections afterwards", () => {
    const { clock, connect, limits, releases } = openRelief();
    for (let n = 0; n < 3; n += 1) {
      connect(100);
      clock.advance(1_000);
    }
    assert.deepEqual([limits, releases()], [[100], 1]);
    clock.advance(60_000);
    assert.deepEqual([limits, releases()], [[100, 25], 9]);
    connect(20);
    clock.advance(60_000);
    assert.deepEqual([limits, releases()], [[100, 25], 11]);
    assert.equal(clock.pending, 0);
  });
});
