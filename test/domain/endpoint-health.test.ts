import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { EndpointHealthSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import type { AttemptOutcome } from "../../src/domain/delivery.ts";
import {
  healthAfter,
  healthAfterProbe,
  isProbeDue,
  defaultHealthPolicy as policy,
  probeAtMs,
} from "../../src/domain/endpoint-health.ts";

const nowMs = 1_767_225_600_000;
const dayMs = 86_400_000;
const ok: AttemptOutcome = { type: "answered", status: 204 };
const timedOut: AttemptOutcome = { type: "failed", error: "timed out" };
const answered = (status: number, retryAfterMs?: number): AttemptOutcome => ({
  type: "answered",
  status,
  ...(retryAfterMs !== undefined && { retryAfterMs }),
});
const health = (init: MessageInitShape<typeof EndpointHealthSchema>) => create(EndpointHealthSchema, init);
const failing = (failures: number, failedDeliveries: number, sinceMs = nowMs - 1000) =>
  health({ failures, failedDeliveries, failingSince: timestampFromMs(sinceMs) });

/** Pause of an endpoint after an attempt, ms. */
const pauses: [string, ReturnType<typeof health> | undefined, AttemptOutcome, number][] = [
  ["the first failure", undefined, timedOut, 0],
  ["a failure that is one short of too many", failing(18, 10), timedOut, 0],
  ["one too many", failing(19, 10), timedOut, 1_000],
  ["the next", failing(20, 10), timedOut, 2_000],
  ["the sixth too many", failing(24, 10), answered(500), 32_000],
  ["the seventh, and no longer than a minute", failing(25, 10), answered(302), 60_000],
  ["the thousandth", failing(999, 10), timedOut, 60_000],
  ["many failures of few deliveries", failing(99, 3), timedOut, 0],
  ["many failures of just enough deliveries", failing(99, 5), timedOut, 60_000],
  ["a 429 that says how long", undefined, answered(429, 7_000), 7_000],
  ["a 503 that says how long", undefined, answered(503, 7_000), 7_000],
  ["a 503 that asks for a day", undefined, answered(503, dayMs), 300_000],
  ["a 503 that says nothing", undefined, answered(503), 0],
  ["a 500 that says how long", undefined, answered(500, 7_000), 0],
];

describe("the health of an endpoint", () => {
  for (const [name, before, outcome, pauseMs] of pauses) {
    it(`pauses it for ${pauseMs} ms after ${name}`, () => {
      const after = healthAfter(before, { outcome, attempt: 2, nowMs }, policy);
      assert.equal(after?.sparedUntil && timestampMs(after.sparedUntil) - nowMs, pauseMs || undefined);
      assert.equal(after?.failures, (before?.failures ?? 0) + 1);
      assert.equal(after?.disabledAt, undefined);
    });
  }

  it("is reset by a success", () => {
    const before = health({ ...failing(50, 10), sparedUntil: timestampFromMs(nowMs + 1000) });
    assert.equal(healthAfter(before, { outcome: ok, attempt: 1, nowMs }, policy), undefined);
    assert.equal(healthAfter(undefined, { outcome: ok, attempt: 1, nowMs }, policy), undefined);
  });

  it("counts deliveries by their first attempts and remembers the start of the failures", () => {
    const first = healthAfter(undefined, { outcome: timedOut, attempt: 1, nowMs }, policy);
    const retry = healthAfter(first, { outcome: timedOut, attempt: 2, nowMs: nowMs + 1 }, policy);
    const second = healthAfter(retry, { outcome: timedOut, attempt: 1, nowMs: nowMs + 2 }, policy);
    assert.deepEqual([second?.failures, second?.failedDeliveries], [3, 2]);
    assert.equal(second?.failingSince && timestampMs(second.failingSince), nowMs);
  });

  it("never shortens a pause", () => {
    const asked = healthAfter(undefined, { outcome: answered(429, 60_000), attempt: 1, nowMs }, policy);
    const after = healthAfter(asked, { outcome: timedOut, attempt: 1, nowMs: nowMs + 1 }, policy);
    assert.equal(after?.sparedUntil && timestampMs(after.sparedUntil), nowMs + 60_000);
    const later = healthAfter(after, { outcome: timedOut, attempt: 1, nowMs: nowMs + 60_001 }, policy);
    assert.equal(later?.sparedUntil, undefined);
  });

  it("disables it on a 410", () => {
    const after = healthAfter(undefined, { outcome: answered(410), attempt: 1, nowMs }, policy);
    assert.equal(after?.disabledAt && timestampMs(after.disabledAt), nowMs);
    assert.equal(after?.disabledReason, "answered 410");
  });

  it("disables it after five days of failed attempts", () => {
    const before = failing(400, 20, nowMs);
    const early = healthAfter(before, { outcome: timedOut, attempt: 3, nowMs: nowMs + 5 * dayMs - 1 }, policy);
    assert.equal(early?.disabledAt, undefined);
    const after = healthAfter(before, { outcome: timedOut, attempt: 3, nowMs: nowMs + 5 * dayMs }, policy);
    assert.equal(after?.disabledReason, "every attempt failed for 5 days");
  });

  it("stays unchanged while it is disabled", () => {
    const off = health({ disabledAt: timestampFromMs(nowMs), disabledReason: "answered 410" });
    for (const outcome of [ok, timedOut, answered(410)]) {
      assert.equal(healthAfter(off, { outcome, attempt: 1, nowMs: nowMs + 1 }, policy), off);
    }
  });
});

/** A disabled endpoint, the time passed since, and whether a probe is due. */
const disabledAt = timestampFromMs(nowMs);
const probeTimes: [string, ReturnType<typeof health>, number, boolean][] = [
  ["at once", health({ disabledAt, probeAt: timestampFromMs(nowMs + dayMs) }), 0, false],
  ["just before a day", health({ disabledAt, probeAt: timestampFromMs(nowMs + dayMs) }), dayMs - 1, false],
  ["after a day", health({ disabledAt, probeAt: timestampFromMs(nowMs + dayMs) }), dayMs, true],
  ["after a month", health({ disabledAt, probeAt: timestampFromMs(nowMs + dayMs) }), 30 * dayMs, true],
  ["just before a day, in a store of before", health({ disabledAt }), dayMs - 1, false],
  ["after a day, in a store of before", health({ disabledAt }), dayMs, true],
  [
    "with a clock set back by a year",
    health({ disabledAt, probeAt: timestampFromMs(nowMs + dayMs) }),
    -365 * dayMs,
    true,
  ],
];

describe("a disabled endpoint", () => {
  for (const [name, before, passedMs, isDue] of probeTimes) {
    it(`is ${isDue ? "" : "not "}probed ${name}`, () =>
      assert.equal(isProbeDue(before, nowMs + passedMs, policy), isDue));
  }

  it("is probed a day after it was disabled, and a day after each probe", () => {
    const off = healthAfter(undefined, { outcome: answered(410), attempt: 1, nowMs }, policy) ?? health({});
    assert.equal(probeAtMs(off), nowMs + dayMs);
    const still = healthAfterProbe(off, { outcome: timedOut, nowMs: nowMs + 2 * dayMs }, policy) ?? health({});
    assert.equal(probeAtMs(still), nowMs + 3 * dayMs);
    assert.deepEqual([still.failures, still.disabledReason], [2, "answered 410"]);
    assert.equal(healthAfterProbe(still, { outcome: ok, nowMs: nowMs + 4 * dayMs }, policy), undefined);
  });
});
