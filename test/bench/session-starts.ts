import { setTimeout as delay } from "node:timers/promises";
import { pairFleet } from "../e2e/fleet.ts";
import { openHarness } from "../e2e/harness.ts";
import type { ServerProcess } from "../e2e/server-process.ts";
import { BareSessions } from "./bare-sessions.ts";
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

/** Time in which saved sessions become WORKING without a limit of connects, beside bare Baileys with the same curve code, in turns. */
export async function measureStarts(count: number): Promise<void> {
  await using it = await openHarness({ SESSIOND_CONNECTS_PER_SECOND: "200" });
  const { whatsapp, server, rest } = it;
  await pairFleet(whatsapp, rest, count);
  await using bare = await BareSessions.pair(count);
  const ours: { seconds: number; cpu: number }[] = [];
  const theirs: { seconds: number; cpu: number }[] = [];
  for (let n = 0; n < rounds; n += 1) {
    await server.kill("SIGTERM");
    const working = untilWorking(server, count);
    const startedAt = performance.now();
    await server.restart({ ...settings.tuned, SESSIOND_CONNECTS_PER_SECOND: "10000" });
    await working();
    const seconds = (performance.now() - startedAt) / 1_000;
    ours.push({ seconds, cpu: await cpuSeconds(server.pid ?? 0) });
    await server.kill("SIGTERM");
    const run = await bare.start(count, settings.tuned ?? {}, "fast-curve");
    theirs.push(run);
    await run.end();
  }
  const row = (what: string, runs: readonly { seconds: number; cpu: number }[]) => ({
    what,
    sessions: count,
    "wall s": median(runs.map(({ seconds }) => seconds)).toFixed(2),
    "CPU s": median(runs.map(({ cpu }) => cpu)).toFixed(2),
  });
  console.table([row("sessiond", ours), row("bare Baileys", theirs)]);
  const ratio = (of: "seconds" | "cpu") => median(ours.map((run) => run[of])) / median(theirs.map((run) => run[of]));
  print("CPU time to WORKING, times bare Baileys", ratio("cpu"), goal);
  print("time to WORKING, times bare Baileys", ratio("seconds"), goal);
}
