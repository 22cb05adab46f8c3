import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fairRoom } from "../../../src/adapters/postgres/cluster/fair-share.ts";
import { PeerWatch } from "../../../src/adapters/postgres/cluster/peer-watch.ts";
import { NodeStanding } from "../../../src/adapters/postgres/cluster/standing.ts";
import { defaultTimings } from "../../../src/adapters/postgres/cluster/timings.ts";
import { LeaseLost } from "../../../src/ports/sessions.ts";

/** A read: when it was sent and answered (s), and the beat that it showed. */
type Read = readonly [sentS: number, answeredS: number, beat: bigint];

const everySecond = (count: number, beatAt: (second: number) => bigint): Read[] =>
  Array.from({ length: count }, (_, second) => [second, second + 0.1, beatAt(second)]);

describe("the watch over the beats of other nodes", () => {
  for (const [name, reads, isSilent] of [
    ["8 s of the same beat", everySecond(10, () => 5n), true],
    ["less than 8 s of the same beat", everySecond(9, () => 5n), false],
    ["a new beat within 8 s", everySecond(12, (second) => BigInt(Math.floor(second / 7))), false],
    ["a beat that went back, as after a fail-over", everySecond(12, (second) => (second < 6 ? 5n : 4n)), false],
    [
      "a pause of the reader",
      [
        [0, 0.1, 5n],
        [1, 1.1, 5n],
        [60, 60.1, 5n],
      ],
      false,
    ],
    [
      "an answer that was read after a pause",
      [
        [0, 0.1, 5n],
        [1, 60, 5n],
        [60.1, 60.2, 5n],
      ],
      false,
    ],
    [
      "7 s after a pause of the reader",
      [[0, 0.1, 5n], ...everySecond(8, () => 5n).map(([s, a, b]): Read => [s + 60, a + 60, b])],
      false,
    ],
  ] satisfies [string, Read[], boolean][]) {
    it(`${isSilent ? "finds a node silent after" : "does not find a node silent after"} ${name}`, () => {
      const watch = new PeerWatch(defaultTimings);
      const found = reads.map(([sentS, answeredS, beat]) =>
        watch.observe([{ id: 1, beat, returns: false }], sentS * 1_000, answeredS * 1_000),
      );
      assert.equal(
        found.some((silent) => silent.length > 0),
        isSilent,
      );
    });
  }

  it("waits 60 s for a node that said that it will be back", () => {
    const watch = new PeerWatch(defaultTimings);
    const silentAt = Array.from({ length: 70 }, (_, second) => second).find((second) => {
      return watch.observe([{ id: 1, beat: 5n, returns: true }], second * 1_000, second * 1_000 + 10).length > 0;
    });
    assert.equal(silentAt, 61);
  });
});

describe("the standing of a node", () => {
  it("is frozen from 6 s after the last acknowledged beat was sent, whatever its timers do", async () => {
    let nowMs = 0;
    const standing = new NodeStanding({ timings: defaultTimings, expired: () => {}, nowMs: () => nowMs });
    assert.equal(standing.isFrozen, true);
    standing.begin(0);
    nowMs = 5_999;
    assert.equal(standing.isFrozen, false);
    nowMs = 6_000;
    assert.equal(standing.isFrozen, true);
    // Sent at 0.5 s, answered now.
    standing.acknowledge(500);
    assert.equal(standing.isFrozen, false);
    nowMs = 60_000;
    standing.acknowledge(2_000);
    assert.equal(standing.isFrozen, true);
    const thawed = standing.thawed();
    standing.acknowledge(59_000);
    await thawed;
    standing.close();
  });

  it("lets those that wait for a thaw know that the sessions are lost", async () => {
    const standing = new NodeStanding({ timings: defaultTimings, expired: () => {}, nowMs: () => 10_000 });
    standing.begin(0);
    const thawed = standing.thawed();
    standing.lose();
    await assert.rejects(thawed, LeaseLost);
    const again = standing.thawed();
    standing.begin(9_000);
    await again;
    standing.close();
    await assert.rejects(standing.thawed(), LeaseLost);
  });
});

describe("the share of a node in sessions without an owner", () => {
  for (const [name, own, others, open, rounds, room] of [
    ["half of them with an equal node", [100, 0], [[100, 0]], 40, 0, 20],
    ["more where it has less", [100, 0], [[100, 20]], 40, 0, 30],
    ["by capacity", [300, 0], [[100, 0]], 40, 0, 30],
    ["none where it has more than its share", [100, 90], [[100, 0]], 40, 0, 0],
    ["after a while, those that the others leave", [100, 90], [[100, 0]], 40, 6, 40],
    [
      "rounded up, so that none is left",
      [100, 0],
      [
        [100, 0],
        [100, 0],
      ],
      1,
      0,
      1,
    ],
  ] satisfies [string, [number, number], [number, number][], number, number, number][]) {
    it(`is ${name}`, () => {
      const takerOf = ([capacity, load]: [number, number]) => ({ capacity, load });
      assert.equal(fairRoom(takerOf(own), others.map(takerOf), open, rounds), room);
    });
  }
});
