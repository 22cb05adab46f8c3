import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createStreamRelief } from "../../../src/adapters/node/memory.ts";
import { FakeClock } from "../../support/fake-clock.ts";

function fixture() {
  const clock = new FakeClock();
  let releases = 0;
  const observe = createStreamRelief({
    release: () => {
      releases += 1;
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
  return { clock, moveTo, releases: () => releases };
}

describe("the relief of memory after many streams", () => {
  it("releases once, when most of at least a thousand streams have ended", () => {
    const { clock, moveTo, releases } = fixture();
    moveTo(1_200);
    moveTo(601);
    assert.equal(clock.pending, 0);
    moveTo(0);
    assert.equal(clock.pending, 1);
    clock.advance(5_000);
    assert.equal(releases(), 1);
    moveTo(1);
    moveTo(0);
    assert.equal(clock.pending, 0);
  });

  it("does not release after few streams", () => {
    const { clock, moveTo } = fixture();
    moveTo(999);
    moveTo(0);
    assert.equal(clock.pending, 0);
  });

  it("does not release if the streams have come back meanwhile", () => {
    const { clock, moveTo, releases } = fixture();
    moveTo(1_200);
    moveTo(0);
    moveTo(1_000);
    clock.advance(5_000);
    assert.equal(releases(), 0);
  });
});
