import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { QrRound } from "../../../src/adapters/engine/qr-round.ts";

const codeOf = (round: QrRound, value: string, nowMs = 0) => {
  const code = round.next(value, nowMs);
  assert.ok(typeof code === "object");
  return code;
};

describe("a round of codes", () => {
  it("has WhatsApp's rhythm: 60 s, then five times 20 s, and is given up a little after", () => {
    const round = new QrRound();
    const lives: number[] = [];
    let [nowMs, endsAtMs] = [0, 0];
    for (const value of ["a", "b", "c", "d", "e", "f"]) {
      const { event, limitMs } = codeOf(round, value, nowMs);
      assert.deepEqual([event.value, event.serial, event.remaining], [value, lives.length + 1, 5 - lives.length]);
      endsAtMs ||= nowMs + limitMs;
      assert.equal(nowMs + limitMs, endsAtMs);
      lives.push(event.expiresAtMs - event.issuedAtMs);
      nowMs = event.expiresAtMs;
    }
    assert.deepEqual(lives, [60_000, 20_000, 20_000, 20_000, 20_000, 20_000]);
    assert.equal(endsAtMs, 170_000);
    assert.equal(round.next("g", nowMs), "over");
  });

  it("counts the codes that WhatsApp has sent, where the client is told of them", () => {
    const round = new QrRound(1_000);
    round.expect(2);
    assert.deepEqual([codeOf(round, "a").event.remaining, codeOf(round, "b").event.remaining], [1, 0]);
    assert.equal(round.next("c", 0), "over");
    round.expect(1);
    const { event, limitMs } = codeOf(round, "c");
    assert.deepEqual([event.serial, event.remaining, limitMs], [3, 0, 11_000]);
  });

  it("counts a code once, however often the page tells of it", () => {
    const round = new QrRound();
    codeOf(round, "a");
    assert.equal(round.next("a", 1), undefined);
    assert.equal(codeOf(round, "b").event.serial, 2);
  });

  it("asks for more codes before its end, and not twice in vain", () => {
    const round = new QrRound(1_000);
    codeOf(round, "a");
    assert.equal(round.takeRefresh(), true);
    assert.equal(round.takeRefresh(), false);
    for (const value of ["b", "c", "d", "e"]) codeOf(round, value);
    assert.equal(round.takeRefresh(), true);
    codeOf(round, "f");
    assert.equal(round.takeRefresh(), false);
  });
});
