/**
 * Takes PostgreSQL away from three nodes under traffic, and judges what sessions, clients and webhooks notice of it:
 * `npm run test:outage -- --away=60,200 --kinds=kill,hold,cut --runs=1`. Times are in seconds. `--scale` multiplies them and the nodes' own.
 * Ends with code 1 if a promise was broken; the nodes' logs are then in a temporary directory.
 */
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Crowd } from "./crowd.ts";
import { LongOutage, type OutageKind, type OutageReport, outageKinds } from "./long-outage.ts";
import { Rig } from "./rig.ts";
import { Witness } from "./witness.ts";

const { values } = parseArgs({
  options: {
    away: { type: "string", default: "60,200" },
    kinds: { type: "string", default: outageKinds.join() },
    runs: { type: "string", default: "1" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    nodes: { type: "string", default: "3" },
    sessions: { type: "string", default: "12" },
    scale: { type: "string", default: "1" },
  },
});

/** Time for opening the cluster and coming to rest, beside each outage, ms. A run that takes longer has failed. */
const spareMs = 300_000;
const kinds = outageKinds.filter((kind) => values.kinds.split(",").includes(kind));
const lengthsMs = values.away.split(",").map((seconds) => Number(seconds) * 1_000);
const timeScale = Number(values.scale);
let stage = "";
let broken = 0;

await using rig = await Rig.open({ nodes: Number(values.nodes), timeScale });
const witness = new Witness(rig.whatsapp);
const crowd = await Crowd.open(rig, Number(values.sessions), true);
const outage = new LongOutage(rig, crowd, witness);
let seed = Number(values.seed);
for (let run = 0; run < Number(values.runs); run += 1) {
  for (const awayMs of lengthsMs) {
    for (const kind of kinds) {
      stage = `${kind} for ${awayMs * timeScale} ms, seed ${seed}`;
      const deadline = setTimeout(giveUp, awayMs * timeScale + spareMs);
      const report = await outage.run({ kind, awayMs, seed });
      clearTimeout(deadline);
      await tell(kind, awayMs * timeScale, report);
      seed += 1;
    }
  }
}
console.log(broken === 0 ? "all promises kept" : `${broken} outages with a broken promise`);
process.exitCode = broken === 0 ? 0 : 1;

async function tell(kind: OutageKind, awayMs: number, report: OutageReport): Promise<void> {
  const { answers, closedAfterMs } = report;
  const counts = [
    `${report.messages} messages, ${report.repeats} repeats, ${report.logins} logins`,
    `answers ${[...answers].map(([status, count]) => `${count} × ${status}`).join(", ")}, slowest ${report.slowestAnswerMs} ms`,
    ...(closedAfterMs === undefined ? [] : [`closed after ${closedAfterMs} ms`]),
    `calls after ${report.callsAfterMs} ms, reports after ${report.firstReportsAfterMs} ms, all of them after ${report.reportsAfterMs} ms`,
    `all online after ${report.onlineAfterMs} ms`,
  ];
  console.log(
    `seed ${seed}: ${kind} for ${awayMs} ms: ${report.broken.length ? "BROKEN" : "kept"}: ${counts.join("; ")}`,
  );
  for (const text of report.texts) console.log(`  said: ${text}`);
  if (report.broken.length === 0) return;
  broken += 1;
  for (const line of report.broken.slice(0, 10)) console.log(`  BROKEN ${line}`);
  const log = rig.nodes.flatMap(({ name, process }) => process.log.map((line) => `${name} ${line}`));
  const file = join(await mkdtemp(join(tmpdir(), "sessiond-outage-")), `${seed}.log`);
  await writeFile(file, [...report.broken, ...log].join("\n"));
  console.log(`  ${report.broken.length} in all; logs in ${file}`);
}

/** Ends a run that does not end by itself. The nodes and PostgreSQL end with this process or soon after. */
function giveUp(): void {
  console.log(
    `no judgement on ${stage} in time: ${crowd.sent.size} messages sent, ${rig.hook.taken.length} deliveries`,
  );
  for (const { process } of rig.nodes) void process.kill();
  process.exit(1);
}
