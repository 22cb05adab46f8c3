import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createSeededRandom } from "../support/seeded-random.ts";
import { planFaults } from "./faults.ts";
import { runNemesis } from "./nemesis.ts";

/** Set SESSIOND_TEST_SEED to repeat a run. `npm run test:nemesis -- --runs=1000` is the long run. */
const first = Number(process.env.SESSIOND_TEST_SEED ?? Date.now() % 1_000_000);
const seeds = process.env.SESSIOND_TEST_SEED ? [first] : [first, first + 1];

describe("a cluster of three nodes", () => {
  for (const seed of seeds) {
    it(`keeps its promises under the faults of seed ${seed}`, { timeout: 180_000 }, async (t) => {
      const report = await runNemesis({
        seed,
        nodes: 3,
        sessions: 4,
        faults: 2,
        timeScale: 0.5,
        anyNode: false,
      });
      t.diagnostic(`${report.faults.map(({ kind }) => kind).join(", ")}; ${report.messages} messages`);
      assert.deepEqual(
        report.broken,
        [],
        `SESSIOND_TEST_SEED=${seed} repeats it\n${report.log.slice(-200).join("\n")}`,
      );
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
