/**
 * Runs the nemesis with many seeds: `npm run test:nemesis -- --runs=1000 --jobs=4 --scale=1`. Each run prints its seed, faults and
 * judgement; `--seed` repeats one. At most `--reuse` runs share a cluster, which ends after a broken promise; the others go on.
 * `--scale=1` means the real times. Ends with code 1 if a promise was broken, and lists the seeds; the nodes' logs are then in a
 * temporary directory.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { percentile } from "../support/percentile.ts";
import type { PastFault } from "./faults.ts";
import type { NemesisOptions, RunReport } from "./nemesis.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "10" },
    seed: { type: "string", default: process.env.SESSIOND_TEST_SEED ?? String(Date.now() % 1_000_000) },
    nodes: { type: "string", default: "3" },
    sessions: { type: "string", default: "8" },
    faults: { type: "string", default: "6" },
    scale: { type: "string", default: "0.25" },
    jobs: { type: "string", default: "1" },
    reuse: { type: "string", default: "10" },
    anyNode: { type: "boolean", default: true },
  },
  allowNegative: true,
});
const number = (name: Exclude<keyof typeof values, "anyNode">) => Number(values[name]);
const options: NemesisOptions = {
  nodes: number("nodes"),
  sessions: number("sessions"),
  faults: number("faults"),
  timeScale: number("scale"),
  anyNode: values.anyNode,
};

/** Times on a machine that is busy: for one run with its cluster's start, for a process that is done, and for writing its report, ms. */
const [runLimitMs, endLimitMs, reportLimitMs] = [600_000, 60_000, 5_000];
const worker = new URL("./nemesis-worker.ts", import.meta.url).pathname;

const directory = await mkdtemp(join(tmpdir(), "sessiond-nemesis-"));
const startedMs = performance.now();
const waiting = Array.from({ length: number("runs") }, (_, i) => number("seed") + i);
const workers = new Set<ChildProcess>();
const reports: RunReport[] = [];
const failed: number[] = [];
/** Processes that did not end by themselves. */
let stuck = 0;
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    for (const child of workers) end(child);
    summarize();
    process.exit(1);
  });

await Promise.all(Array.from({ length: number("jobs") }, runSeeds));
summarize();
const isGood = failed.length === 0 && stuck === 0;
if (isGood) await rm(directory, { recursive: true });
process.exit(isGood ? 0 : 1);

/** Takes seeds to one cluster after the other, until none waits. */
async function runSeeds(): Promise<void> {
  for (;;) {
    const seeds = waiting.splice(0, Math.max(1, Math.min(number("reuse"), Math.ceil(waiting.length / number("jobs")))));
    if (seeds.length === 0) return;
    const left = await runOnOneCluster(seeds);
    waiting.unshift(...left);
  }
}

/** Runs seeds until one fails, and returns those that are left. */
async function runOnOneCluster(seeds: readonly number[]): Promise<readonly number[]> {
  const child = fork(worker, [JSON.stringify(options), JSON.stringify(seeds)], {
    // A group of its own, so that its nodes end with it.
    detached: true,
    serialization: "advanced",
    execArgv: ["--report-on-signal", `--report-directory=${directory}`],
  });
  workers.add(child);
  const judged: RunReport[] = [];
  let stage = "starting";
  const timer = setTimeout(() => void giveUp(child, stage), runLimitMs);
  child.on("message", (message: RunReport | string) => {
    if (typeof message === "string") {
      stage = message;
      return;
    }
    timer.refresh();
    judged.push(message);
    void tell(message);
  });
  let ending: NodeJS.Timeout | undefined;
  child.once("disconnect", () => {
    ending = setTimeout(() => void giveUp(child, stage), endLimitMs);
  });
  await once(child, "exit");
  clearTimeout(timer);
  clearTimeout(ending);
  // A process that was ended by a signal leaves its nodes behind.
  end(child);
  workers.delete(child);
  const left = seeds.slice(judged.length);
  const [open] = left;
  if (open === undefined || judged.at(-1)?.broken.length) return left;
  failed.push(open);
  console.log(`seed ${open}: BROKEN: came to no judgement: ${child.exitCode ?? child.signalCode}, at "${stage}"`);
  return left.slice(1);
}

/** Ends a process that does not end by itself, and lets it tell first where it is. One that spins tells nothing but its last stage. */
async function giveUp(child: ChildProcess, stage: string): Promise<void> {
  stuck += 1;
  console.log(`process ${child.pid} stands at "${stage}"; its stack and its handles are in ${directory}`);
  child.kill("SIGUSR2");
  await delay(reportLimitMs);
  end(child);
}

function end(child: ChildProcess): void {
  try {
    if (child.pid) process.kill(-child.pid, "SIGKILL");
  } catch {
    // No process of the group is left.
  }
}

async function tell(report: RunReport): Promise<void> {
  reports.push(report);
  const { seed, broken } = report;
  const answers = report.answers.map(([answer, count]) => `${count} × ${answer}`).join(", ");
  const counts = [
    `${report.messages} messages, ${report.repeats} repeats, ${report.conflicts} conflicts`,
    `${report.read} events read over ${report.moves} moves`,
    `commands ${answers}`,
    `at rest after ${report.restMs === undefined ? "?" : Math.round(report.restMs)} ms`,
  ];
  const judgement = broken.length === 0 ? "kept" : "BROKEN";
  console.log(`seed ${seed}: ${judgement}: ${told(report.faults)}: ${counts.join(", ")}`);
  if (broken.length === 0) return;
  failed.push(seed);
  const file = join(directory, `${seed}.log`);
  for (const line of broken.slice(0, 10)) console.log(`  BROKEN ${line}`);
  console.log(`  ${broken.length} in all; logs in ${file}`);
  await writeFile(file, [...broken, ...report.log].join("\n"));
}

function told(faults: readonly PastFault[]): string {
  return faults
    .map(({ kind, node, startMs, endMs }) => `${kind} ${node ?? ""} ${Math.round(endMs - startMs)}`)
    .join(", ");
}

function summarize(): void {
  const gapsMs = reports.flatMap(({ killGapsMs }) => killGapsMs);
  const [p50, p99] = [0.5, 0.99].map((share) => Math.round(percentile(gapsMs, share)));
  const sum = (count: (report: RunReport) => number) => reports.reduce((total, report) => total + count(report), 0);
  const counts = [
    `${sum(({ faults }) => faults.length)} faults`,
    `${sum(({ messages }) => messages)} messages`,
    `${sum(({ repeats }) => repeats)} repeats`,
    `${sum(({ conflicts }) => conflicts)} conflicts`,
    `${sum(({ read }) => read)} events read over ${sum(({ moves }) => moves)} moves`,
  ];
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  console.log(`${reports.length} runs in ${seconds} s: ${counts.join(", ")}`);
  console.log(`kill -9 to login at scale ${options.timeScale}: p50 ${p50} ms, p99 ${p99} ms of ${gapsMs.length}`);
  console.log(
    failed.length === 0
      ? "all promises kept"
      : `${failed.length} seeds with a broken promise: ${failed.sort((a, b) => a - b).join(" ")}`,
  );
}
