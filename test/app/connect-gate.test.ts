import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConnectGate, defaultConnectLimits, type Slot, type Turn } from "../../src/app/connect-gate.ts";
import { FakeClock } from "../support/fake-clock.ts";

const isIn = (slot: Slot): slot is Extract<Slot, { leave: unknown }> => "leave" in slot;

/**
 * Lets engines ask again when told to until all are admitted. Returns the times of their admission, ms from the start.
 */
function letAllIn(clock: FakeClock, gate: ConnectGate, count: number, onIn: (leave: () => void) => void) {
  const startedAtMs = clock.nowMs();
  const cameIn: number[] = [];
  const ask = (slot?: Turn) => {
    const answer = gate.enter(slot);
    if (isIn(answer)) {
      cameIn.push(clock.nowMs() - startedAtMs);
      onIn(answer.leave);
    } else clock.schedule(answer.atMs - clock.nowMs(), () => ask(answer));
  };
  for (let i = 0; i < count; i++) ask();
  while (cameIn.length < count && clock.nextAtMs !== undefined) clock.advance(clock.nextAtMs - clock.nowMs());
  return cameIn;
}

describe("the connect gate", () => {
  it("admits a single engine at once", () => {
    assert.ok(isIn(new ConnectGate(new FakeClock()).enter()));
  });

  it("admits twenty a second, however many ask at once", () => {
    const clock = new FakeClock();
    const cameIn = letAllIn(clock, new ConnectGate(clock), 1_000, (leave) => leave());
    assert.equal(cameIn.length, 1_000);
    for (let i = 20; i < cameIn.length; i++) assert.ok((cameIn[i] ?? 0) - (cameIn[i - 20] ?? 0) >= 1_000);
    assert.ok((cameIn.at(-1) ?? 0) <= 50_000);
  });

  it("limits the delay caused by engines that never connect", () => {
    const clock = new FakeClock();
    let count = 0;
    const cameIn = letAllIn(clock, new ConnectGate(clock), 1_000, (leave) => {
      count += 1;
      if (count > 50) leave();
    });
    assert.ok((cameIn.at(-1) ?? 0) <= 60_000);
  });

  it("admits another only after one has connected or has taken too long", () => {
    const clock = new FakeClock();
    const gate = new ConnectGate(clock, { perSecond: 1_000, maxConnecting: 2 });
    const first = gate.enter();
    clock.advance(10);
    const second = gate.enter();
    assert.ok(isIn(first) && isIn(second));
    clock.advance(10);
    const third = gate.enter();
    assert.ok(!isIn(third));
    first.leave();
    first.leave();
    clock.advance(10);
    const again = gate.enter(third);
    assert.ok(isIn(again));
    clock.advance(10);
    assert.ok(!isIn(gate.enter()), "leaving twice makes no second place");
    clock.advance(5_000);
    assert.ok(isIn(gate.enter()));
  });

  it("lets those that wait ask at most 200 times a second while all slots are taken", () => {
    const clock = new FakeClock();
    const gate = new ConnectGate(clock, { perSecond: 10_000, maxConnecting: 1 });
    gate.enter();
    let questions = 0;
    const ask = (turn?: Turn) => {
      questions += 1;
      const answer = gate.enter(turn);
      if (!isIn(answer)) clock.schedule(answer.atMs - clock.nowMs(), () => ask(answer));
    };
    for (let n = 0; n < 100; n += 1) ask();
    for (let ms = 0; ms < 2_000; ms += 1) clock.advance(1);
    assert.ok(questions - 100 <= 401, `${questions} questions in 2 s`);
  });

  it("keeps the slot of an engine that asks too early", () => {
    const clock = new FakeClock();
    const gate = new ConnectGate(clock, { perSecond: 1, maxConnecting: 9 });
    gate.enter();
    const slot = gate.enter();
    assert.ok(!isIn(slot));
    assert.deepEqual(gate.enter(slot), slot);
    clock.advance(1_000);
    assert.ok(isIn(gate.enter(slot)));
  });

  it("admits no engine before a given time", () => {
    const clock = new FakeClock();
    const gate = new ConnectGate(clock);
    gate.holdUntil(clock.nowMs() + 30_000);
    const slot = gate.enter();
    assert.ok(!isIn(slot));
    assert.equal(slot.atMs, clock.nowMs() + 30_000);
  });

  it("admits nobody while the node is frozen", () => {
    const gate = new ConnectGate(new FakeClock(), defaultConnectLimits, { isFrozen: true });
    assert.ok(!isIn(gate.enter()));
  });

  it("admits the first within a second after a freeze, and not all that have waited at once", () => {
    const clock = new FakeClock();
    const standing = { isFrozen: true };
    clock.schedule(30_000, () => {
      standing.isFrozen = false;
    });
    const gate = new ConnectGate(clock, defaultConnectLimits, standing);
    const cameIn = letAllIn(clock, gate, 100, (leave) => leave());
    assert.ok((cameIn[0] ?? 0) <= 31_000);
    for (let i = 20; i < cameIn.length; i++) assert.ok((cameIn[i] ?? 0) - (cameIn[i - 20] ?? 0) >= 1_000);
    assert.ok((cameIn.at(-1) ?? 0) <= 36_000);
  });
});
