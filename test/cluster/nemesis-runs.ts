/**
 * Runs the nemesis with many seeds: `npm run test:nemesis -- --runs=1000`. Each run prints its seed, which `--seed` repeats. `--scale=1`
 * uses the real times of the cluster. Ends with code 1 if a promise was broken, whose nodes' logs are then in a temporary directory.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { percentile } from "../support/percentile.ts";
import { runNemesis } from "./nemesis.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "10" },
    seed: { type: "string", default: process.env.SESSIOND_TEST_SEED ?? String(Date.now() % 1_000_000) },
    nodes: { type: "string", default: "3" },
    sessions: { type: "string", default: "8" },
    faults: { type: "string", default: "6" },
    scale: { type: "string", default: "0.25" },
    anyNode: { type: "boolean", default: false },
  },
});
const [runs, first, nodes, sessions, faults, timeScale] = [
  values.runs,
  values.seed,
  values.nodes,
  values.sessions,
  values.faults,
  values.scale,
].map(Number) as [number, number, number, number, number, number];

const directory = await mkdtemp(join(tmpdir(), "sessiond-nemesis-"));
const gapsMs: number[] = [];
let failures = 0;
for (let seed = first; seed < first + runs; seed += 1) {
  const report = await runNemesis({ seed, nodes, sessions, faults, timeScale, anyNode: values.anyNode });
  gapsMs.push(...report.killGapsMs);
  const kinds = report.faults.map(({ kind }) => kind).join(" ");
  const answers = [...report.answers].map(([answer, count]) => `${count} × ${answer}`).join(", ");
  const counts = `${report.messages} messages, ${report.repeats} repeats, ${report.conflicts} conflicts, commands ${answers}`;
  console.log(`seed ${seed}: ${kinds}: ${counts}, at rest after ${Math.round(report.restMs)} ms`);
  if (report.broken.length === 0) continue;
  failures += 1;
  const file = join(directory, `${seed}.log`);
  await writeFile(file, [...report.broken, ...report.log].join("\n"));
  for (const line of report.broken.slice(0, 10)) console.log(`  BROKEN ${line}`);
  console.log(`  ${report.broken.length} in all; logs in ${file}`);
}
const [p50, p99] = [percentile(gapsMs, 0.5), percentile(gapsMs, 0.99)].map(Math.round);
console.log(
  `${runs} runs, ${failures} with a broken promise; kill -9 to login: p50 ${p50} ms, p99 ${p99} ms of ${gapsMs.length}`,
);
if (failures === 0) await rm(directory, { recursive: true });
// Nothing that a run has left behind may delay the end.
process.exit(failures > 0 ? 1 : 0);
