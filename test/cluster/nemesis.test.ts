import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { describe, it } from "node:test";
import { createSeededRandom } from "../support/seeded-random.ts";
import { planFaults } from "./faults.ts";

/** Set SESSIOND_TEST_SEED to repeat a run. `npm run test:nemesis -- --runs=1000` is the long run. */
const first = Number(process.env.SESSIOND_TEST_SEED ?? Date.now() % 1_000_000);
const command = new URL("./nemesis-runs.ts", import.meta.url).pathname;
const seeds = process.env.SESSIOND_TEST_SEED ? [first] : [first, first + 1];

describe("a cluster of three nodes", () => {
  for (const seed of seeds) {
    it(`keeps its promises under the faults of seed ${seed}`, { timeout: 180_000 }, async (t) => {
      const sizes = ["--runs=1", "--sessions=4", "--faults=2", "--scale=0.5"];
      // A process of its own, as the whole WhatsApp of a run is in it.
      const run = spawn(process.execPath, [command, `--seed=${seed}`, ...sizes], { signal: t.signal });
      const [output] = await Promise.all([text(run.stdout), once(run, "close")]);
      t.diagnostic(output.split("\n")[0] ?? "");
      assert.equal(run.exitCode, 0, output);
    });
  }
});

describe("the faults of a seed", () => {
  it("are the same each time, and others for another seed", () => {
    const plan = (seed: number) => planFaults(createSeededRandom(seed), 20, 3);
    assert.deepEqual(plan(1), plan(1));
    assert.notDeepEqual(plan(1), plan(2));
  });

  it("overlap at most in pairs, on different nodes", () => {
    for (let seed = 0; seed < 200; seed += 1) {
      const plan = planFaults(createSeededRandom(seed), 20, 3);
      for (const [i, fault] of plan.entries()) {
        const before = plan[i - 1];
        if (fault.isOverlapping) assert.ok(before && !before.isOverlapping && before.node !== fault.node);
      }
    }
  });
});
