import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startRestRelief } from "../../../src/adapters/node/memory.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const megabyte = 1_048_576;

/** Returns a process of 100 MB that has just started. A release lowers its memory to 80 MB. */
function openProcess() {
  const clock = new FakeClock();
  const usage = { cpu: 400, rss: 100 * megabyte };
  let releases = 0;
  const release = () => {
    releases += 1;
    usage.rss = 80 * megabyte;
  };
  const stop = startRestRelief(
    {
      release,
      get releases() {
        return releases;
      },
      schedule: (delayMs, callback) => void clock.schedule(delayMs, callback),
    },
    { cpuMs: () => usage.cpu, rssBytes: () => usage.rss },
  );
  return { clock, usage, stop, release, releases: () => releases };
}

describe("memory at rest", () => {
  it("is released soon after the start, in two collections", () => {
    const { clock, releases } = openProcess();
    clock.advance(1_000);
    assert.equal(releases(), 1);
    clock.advance(600_000);
    assert.equal(releases(), 2);
  });

  it("is released again after it has grown", () => {
    const { clock, usage, releases } = openProcess();
    clock.advance(10_000);
    usage.rss += 9 * megabyte;
    clock.advance(10_000);
    assert.equal(releases(), 4);
  });

  it("is not released again after others have released it, until it has grown since", () => {
    const { clock, usage, release, releases } = openProcess();
    clock.advance(10_000);
    release();
    usage.rss = 200 * megabyte;
    clock.advance(60_000);
    assert.equal(releases(), 3);
    usage.rss = 221 * megabyte;
    clock.advance(60_000);
    assert.equal(releases(), 5);
  });

  it("is not released for a small growth", () => {
    const { clock, usage, releases } = openProcess();
    clock.advance(10_000);
    usage.rss += 2 * megabyte;
    clock.advance(60_000);
    assert.equal(releases(), 2);
  });

  it("is not released while the process works", () => {
    const { clock, usage, releases } = openProcess();
    for (let second = 0; second < 60; second += 1) {
      usage.cpu += 500;
      clock.advance(1_000);
    }
    assert.equal(releases(), 0);
    clock.advance(10_000);
    assert.equal(releases(), 2);
  });

  it("is left alone after the end", () => {
    const { clock, stop, releases } = openProcess();
    stop();
    clock.advance(60_000);
    assert.equal(releases(), 0);
    assert.equal(clock.pending, 0);
  });
});
