import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AgeClock } from "../../src/app/age-clock.ts";
import { epochMs, FakeClock } from "../support/fake-clock.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** Advances time, with a reading every 15 s, the interval of retention. */
function pass(clock: FakeClock, ages: AgeClock, ms: number): void {
  for (let leftMs = ms; leftMs > 0; leftMs -= 15_000) {
    clock.advance(Math.min(leftMs, 15_000));
    ages.nowMs();
  }
}

describe("the clock for the age of entries", () => {
  it("follows the wall clock, drift included", () => {
    const clock = new FakeClock();
    const ages = new AgeClock(clock);
    for (let hour = 0; hour < 100; hour += 1) {
      clock.jumpWall(30_000);
      pass(clock, ages, hourMs);
    }
    assert.equal(ages.nowMs(), clock.wallMs());
  });

  for (const days of [1, 30, 365]) {
    it(`ignores a leap of ${days} days that is undone within the hour`, () => {
      const clock = new FakeClock();
      const ages = new AgeClock(clock);
      clock.jumpWall(days * dayMs);
      pass(clock, ages, 59 * minuteMs);
      assert.equal(ages.nowMs(), epochMs + 59 * minuteMs);
      clock.jumpWall(-days * dayMs);
      pass(clock, ages, 59 * minuteMs);
      clock.jumpWall(days * dayMs);
      pass(clock, ages, 59 * minuteMs);
      assert.equal(ages.nowMs(), epochMs + 3 * 59 * minuteMs);
    });

    it(`follows a leap of ${days} days that lasts`, () => {
      const clock = new FakeClock();
      const ages = new AgeClock(clock);
      clock.jumpWall(days * dayMs);
      pass(clock, ages, hourMs + 15_000);
      assert.equal(ages.nowMs(), clock.wallMs());
    });

    it(`does not at once age entries by the ${days} days that a server seems to have been off`, () => {
      const clock = new FakeClock();
      const ages = new AgeClock(clock, epochMs - days * dayMs);
      assert.equal(ages.nowMs(), epochMs - days * dayMs);
      pass(clock, ages, hourMs + 15_000);
      assert.equal(ages.nowMs(), clock.wallMs());
    });

    it(`follows at once when the clock is set back by ${days} days`, () => {
      const clock = new FakeClock();
      const ages = new AgeClock(clock);
      clock.jumpWall(-days * dayMs);
      assert.equal(ages.nowMs(), clock.wallMs());
    });
  }
});
