import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Heartbeat } from "../../../src/adapters/baileys/heartbeat.ts";
import { jumps } from "../../support/clock-jumps.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const settings = { keepAliveIntervalMs: 30_000, probeAfterMs: 60_000, probeTimeoutMs: 10_000 };

/** A heartbeat whose pings are answered or not. */
function start(answers: boolean) {
  const clock = new FakeClock();
  const startedAtMs = clock.nowMs();
  const log: string[] = [];
  const note = (what: string) => log.push(`${(clock.nowMs() - startedAtMs) / 1000} ${what}`);
  const parts = { answers, isFrozen: false };
  const heartbeat = new Heartbeat(clock, settings, {
    isFrozen: () => parts.isFrozen,
    ping: async (limitMs) => {
      note("ping");
      if (parts.answers) {
        heartbeat.heard();
        return true;
      }
      await new Promise<void>((resolve) => clock.schedule(limitMs, resolve));
      return false;
    },
    onHealth: (healthy) => note(healthy ? "healthy" : "suspect"),
    onDeaf: () => note("deaf"),
  });
  /** Advances the clock second by second, so that waits for answers proceed in between. */
  const pass = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      clock.advance(1_000);
      for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    }
  };
  return { clock, heartbeat, log, parts, pass };
}

describe("the heartbeat of a connection", () => {
  it("asks twice after a minute of silence, and gives up if nothing comes of either", async () => {
    const { clock, log, pass } = start(false);
    await pass(120);
    assert.deepEqual(log, ["30 ping", "60 ping", "70 suspect", "70 ping", "80 deaf"]);
    assert.equal(clock.pending, 0);
  });

  it("keeps a quiet connection open with a ping every 30 s", async () => {
    const { heartbeat, log, pass } = start(true);
    await pass(95);
    assert.deepEqual(log, ["30 ping", "60 ping", "90 ping"]);
    heartbeat.stop();
  });

  for (const [name, jumpMs] of jumps) {
    it(`keeps its pace and stays well when the clock is set ${name}`, async () => {
      const { clock, heartbeat, log, pass } = start(true);
      await pass(20);
      clock.jumpWall(jumpMs);
      await pass(45);
      assert.deepEqual(log, ["30 ping", "60 ping"]);
      heartbeat.stop();
    });
  }

  it("asks nothing where something comes in", async () => {
    const { clock, heartbeat, log, pass } = start(false);
    for (let i = 0; i < 10; i++) {
      await pass(29);
      heartbeat.heard();
    }
    assert.deepEqual(log, []);
    assert.equal(heartbeat.heardAtMs, clock.nowMs());
    heartbeat.stop();
  });

  it("takes anything that comes in for an answer, and tells that all is well again", async () => {
    const { heartbeat, log, parts, pass } = start(false);
    await pass(75);
    heartbeat.heard();
    await pass(15);
    assert.deepEqual(log, ["30 ping", "60 ping", "70 suspect", "70 ping", "75 healthy"]);
    parts.answers = true;
    await pass(60);
    assert.ok(!log.some((line) => line.includes("deaf")));
    heartbeat.stop();
  });

  it("goes on pinging while the node is frozen, and gives up nothing", async () => {
    const { heartbeat, log, parts, pass } = start(false);
    parts.isFrozen = true;
    await pass(200);
    assert.deepEqual(log, ["30 ping", "60 ping", "90 ping", "120 ping", "150 ping", "180 ping"]);
    heartbeat.stop();
  });

  it("gives up nothing if the node freezes while it waits for an answer", async () => {
    const { heartbeat, log, parts, pass } = start(false);
    await pass(65);
    parts.isFrozen = true;
    await pass(60);
    assert.deepEqual(log, ["30 ping", "60 ping", "70 ping", "100 ping"]);
    heartbeat.stop();
  });

  it("asks whether the connection has outlasted a freeze", async () => {
    const { heartbeat, log, parts, pass } = start(false);
    parts.isFrozen = true;
    await pass(100);
    parts.isFrozen = false;
    await pass(60);
    assert.deepEqual(log.slice(3), ["120 ping", "130 suspect", "130 ping", "140 deaf"]);
    heartbeat.stop();
  });

  it("does nothing any more once it is stopped", async () => {
    const { clock, heartbeat, log, pass } = start(false);
    await pass(65);
    heartbeat.stop();
    heartbeat.heard();
    await pass(60);
    assert.deepEqual(log, ["30 ping", "60 ping"]);
    assert.equal(clock.pending, 0);
  });
});
