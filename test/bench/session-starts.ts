import { setTimeout as delay } from "node:timers/promises";
import { pairFleet } from "../e2e/fleet.ts";
import { openHarness } from "../e2e/harness.ts";
import type { ServerProcess } from "../e2e/server-process.ts";
import { type BareOption, BareSessions } from "./bare-sessions.ts";
import { cpuSeconds } from "./memory.ts";
import { print, settings } from "./session-goals.ts";

/** Highest ratio to bare Baileys with the same curve code. */
const goal = 1.3;
const rounds = 3;
const pollMs = 20;

/**
 * Returns a function that resolves when this many sessions have become WORKING from now on. It reads the log, since calls would cost the
 * server time and memory.
 */
export function untilWorking(server: ServerProcess, count: number): () => Promise<void> {
  let next = server.log.length;
  let working = 0;
  return async () => {
    for (;;) {
      for (; next < server.log.length; next += 1) if (server.log[next]?.includes('"status":"WORKING"')) working += 1;
      if (working >= count) return;
      await delay(pollMs);
    }
  };
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

interface Run {
  readonly seconds: number;
  readonly cpu: number;
}

/** The settings of `npm start`, compile cache included, so that neither side compiles its code anew. */
const startSettings = {
  ...settings.tuned,
  NODE_OPTIONS: `${settings.tuned?.NODE_OPTIONS} --import ${new URL("../../src/compile-cache.js", import.meta.url)}`,
};

/** Starts a server that was stopped with this many saved sessions, and stops it when all are WORKING. */
async function startOurs(server: ServerProcess, count: number): Promise<Run> {
  const working = untilWorking(server, count);
  const startedAt = performance.now();
  await server.restart({ ...startSettings, SESSIOND_CONNECTS_PER_SECOND: "10000" });
  await working();
  const seconds = (performance.now() - startedAt) / 1_000;
  const cpu = await cpuSeconds(server.pid ?? 0);
  await server.kill("SIGTERM");
  return { seconds, cpu };
}

async function startBare(bare: BareSessions, count: number, ...options: readonly BareOption[]): Promise<Run> {
  const run = await bare.start(count, startSettings, "fast-curve", ...options);
  await run.end();
  return run;
}

const row = (what: string, count: number, runs: readonly Run[]) => ({
  what,
  sessions: count,
  "wall s": median(runs.map(({ seconds }) => seconds)).toFixed(2),
  "CPU s": median(runs.map(({ cpu }) => cpu)).toFixed(2),
});

/** Returns the median over rounds of one side's figure divided by the other's in the same round. */
const ratio = (of: keyof Run, ours: readonly Run[], theirs: readonly Run[]) =>
  median(ours.map((run, round) => run[of] / (theirs[round]?.[of] ?? Number.NaN)));

/**
 * Time in which saved sessions become WORKING without a limit of connects, beside bare Baileys with the same curve code, in turns: once
 * with keys that are synced, as sessiond does, and once without.
 */
export async function measureStarts(count: number): Promise<void> {
  await using it = await openHarness({ SESSIOND_CONNECTS_PER_SECOND: "200" });
  const { whatsapp, server, rest } = it;
  await pairFleet(whatsapp, rest, count);
  await using bare = await BareSessions.pair(count);
  await server.kill("SIGTERM");
  // Fills the compile cache.
  await startOurs(server, count);
  await startBare(bare, count);
  const ours: Run[] = [];
  const synced: Run[] = [];
  const unsynced: Run[] = [];
  for (let n = 0; n < rounds; n += 1) {
    ours.push(await startOurs(server, count));
    synced.push(await startBare(bare, count));
    unsynced.push(await startBare(bare, count, "unsynced"));
  }
  console.table([
    row("sessiond", count, ours),
    row("bare Baileys", count, synced),
    row("bare Baileys, no sync", count, unsynced),
  ]);
  for (const [what, theirs] of [
    ["bare Baileys", synced],
    ["bare Baileys without sync", unsynced],
  ] as const) {
    print(`CPU time to WORKING, times ${what}`, ratio("cpu", ours, theirs), goal);
    print(`time to WORKING, times ${what}`, ratio("seconds", ours, theirs), goal);
  }
}
