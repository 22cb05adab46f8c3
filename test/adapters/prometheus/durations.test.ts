import assert from "node:assert/strict";
import { it } from "node:test";
import { Histogram, Registry } from "prom-client";
import { Durations } from "../../../src/adapters/prometheus/durations.ts";

const buckets = [0.001, 0.01, 0.5, 30];
const labelNames = ["method", "status"] as const;

const observations: readonly (readonly [method: string, status: number, seconds: number])[] = [
  ["GET", 200, 0],
  ["GET", 200, 0.001],
  ["GET", 200, 0.0011],
  ["GET", 404, 0.5],
  ["POST", 200, 29],
  ["POST", 200, 30.001],
  ["GET", 200, 0.3],
  ['we"ird\\\n', 599, 1],
];

it("durations are shown as by a histogram of prom-client", async () => {
  const [own, plain] = [new Registry(), new Registry()];
  const common = { name: "seconds", help: "Durations" };
  const durations = new Durations({ ...common, buckets, labelNames, registers: [own] });
  const histogram = new Histogram({ ...common, buckets, labelNames: [...labelNames], registers: [plain] });
  for (const [method, status, seconds] of observations) {
    durations.record(method, status, seconds);
    histogram.observe({ method, status }, seconds);
    assert.equal(await own.metrics(), await plain.metrics());
  }
});
