import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createStreamRelief } from "../../../src/adapters/node/memory.ts";
import { FakeClock } from "../../support/fake-clock.ts";

function fixture() {
  const clock = new FakeClock();
  const seen = { releases: 0, mayGrow: false };
  const observe = createStreamRelief({
    release: () => {
      seen.releases += 1;
    },
    allowGrowth() {
      seen.mayGrow = true;
      return () => {
        seen.mayGrow = false;
      };
    },
    schedule: (delayMs, callback) => void clock.schedule(delayMs, callback),
  });
  let current = 0;
  /** Opens or closes streams one by one, until `open` are open. */
  const moveTo = (open: number) => {
    while (current !== open) {
      current += Math.sign(open - current);
      observe(current);
    }
  };
  return { clock, moveTo, seen };
}

describe("the relief of memory after many streams", () => {
  it("releases in two collections when most of at least a thousand streams have ended", () => {
    const { clock, moveTo, seen } = fixture();
    moveTo(1_200);
    clock.advance(60_000);
    assert.equal(seen.releases, 1);
    moveTo(601);
    assert.equal(clock.pending, 0);
    moveTo(0);
    clock.advance(4_999);
    assert.equal(seen.releases, 1);
    clock.advance(60_000);
    assert.equal(seen.releases, 3);
    moveTo(1);
    moveTo(0);
    assert.equal(clock.pending, 0);
  });

  it("releases once when many have been opened, and no more are", () => {
    const { clock, moveTo, seen } = fixture();
    for (let open = 1_000; open <= 10_000; open += 1_000) {
      moveTo(open);
      clock.advance(1_000);
    }
    assert.equal(seen.releases, 0);
    clock.advance(60_000);
    assert.equal(seen.releases, 1);
    moveTo(14_900);
    assert.equal(clock.pending, 0);
    moveTo(15_000);
    clock.advance(60_000);
    assert.equal(seen.releases, 2);
  });

  it("releases in the same way if they have ended soon", () => {
    const { clock, moveTo, seen } = fixture();
    moveTo(1_200);
    moveTo(0);
    clock.advance(60_000);
    assert.equal(seen.releases, 2);
  });

  it("does not release after few streams", () => {
    const { clock, moveTo } = fixture();
    moveTo(999);
    moveTo(0);
    assert.equal(clock.pending, 0);
  });

  it("does not release if the streams have come back meanwhile", () => {
    const { clock, moveTo, seen } = fixture();
    moveTo(1_200);
    clock.advance(60_000);
    moveTo(0);
    moveTo(1_100);
    clock.advance(60_000);
    assert.equal(seen.releases, 1);
  });
});

describe("the heap while many streams are open", () => {
  it("may grow further until few are left", () => {
    const { moveTo, seen } = fixture();
    for (const [open, mayGrow] of [
      [999, false],
      [1_000, true],
      [600, true],
      [500, false],
      [999, false],
      [2_000, true],
    ] as const) {
      moveTo(open);
      assert.equal(seen.mayGrow, mayGrow, `with ${open} open`);
    }
  });
});
