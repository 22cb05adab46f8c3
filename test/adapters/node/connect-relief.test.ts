import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createConnectRelief, createSendRelief } from "../../../src/adapters/node/memory.ts";
import { FakeClock } from "../../support/fake-clock.ts";

function openRelief(rssBytes = 60e6) {
  const clock = new FakeClock();
  let releases = 0;
  const limits: string[] = [];
  const heap = {
    release: () => {
      releases += 1;
    },
    limitGrowth: () => void limits.push("little"),
    allowGrowth() {
      limits.push("much");
      return () => void limits.push("little again");
    },
    schedule: (delayMs: number, callback: () => void) => void clock.schedule(delayMs, callback),
  };
  const note = createConnectRelief(heap, { rssBytes: () => rssBytes });
  const connect = (count: number) => {
    for (let n = 0; n < count; n += 1) note();
  };
  return { clock, connect, releases: () => releases, limits };
}

/** Returns a relief after a first session, which limits the growth of the heap. */
function openLimited(rssBytes?: number) {
  const { clock, connect, releases } = openRelief(rssBytes);
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
    connect(12);
    clock.advance(60_000);
    assert.equal(releases(), 0);
    connect(12);
    clock.advance(60_000);
    assert.equal(releases(), 2);
  });

  it("is released later the more memory the process has, as a collection then takes longer", () => {
    const { clock, connect, releases } = openLimited(300e6);
    connect(40);
    clock.advance(60_000);
    assert.equal(releases(), 0);
    connect(40);
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
    assert.deepEqual([limits, releases()], [["little"], 1]);
    connect(20);
    clock.advance(60_000);
    assert.deepEqual(limits, ["little"]);
  });

  it("grows further during a mass start, and comes together in four collections afterwards", () => {
    const { clock, connect, limits, releases } = openRelief();
    for (let n = 0; n < 3; n += 1) {
      connect(100);
      clock.advance(1_000);
    }
    assert.deepEqual([limits, releases()], [["much", "little"], 1]);
    clock.advance(60_000);
    assert.deepEqual([limits, releases()], [["much", "little", "little again"], 5]);
    connect(20);
    clock.advance(60_000);
    assert.deepEqual([limits, releases()], [["much", "little", "little again"], 7]);
    assert.equal(clock.pending, 0);
  });
});

describe("memory while messages are sent", () => {
  it("may grow more while there are many, and is released afterwards", () => {
    const clock = new FakeClock();
    const calls: string[] = [];
    const note = createSendRelief({
      release: () => void calls.push("release"),
      limitGrowth: () => {},
      allowGrowth() {
        calls.push("grow much");
        return () => void calls.push("grow little");
      },
      schedule: (delayMs, callback) => void clock.schedule(delayMs, callback),
    });
    const send = (perSecond: number, seconds: number) => {
      for (let second = 0; second < seconds; second += 1) {
        for (let n = 0; n < perSecond; n += 1) note();
        clock.advance(1_000);
      }
    };
    send(10, 5);
    assert.deepEqual(calls, []);
    send(200, 5);
    assert.deepEqual(calls, ["grow much"]);
    send(10, 5);
    assert.deepEqual(calls, ["grow much", "grow little", "release"]);
    send(200, 1);
    assert.equal(calls.at(-1), "grow much");
    clock.advance(60_000);
    assert.equal(calls.at(-1), "release");
    assert.equal(clock.pending, 0);
  });
});
