/**
 * CPU time per call of a server with its default settings and an API key, beside servers that answer the same and do
 * nothing else: node:http for REST, connect-node for the RPCs. They take turns in one run. Exits with 1 if a goal is
 * missed. Linux only.
 *
 *   node test/bench/calls.ts [--rows=REST,gRPC] [--rounds=5] [--cpu-ms=700] [--node-options=--max-semi-space-size=2]
 *
 * `--rows` chooses the rows whose name has one of these parts. `--cpu-ms` is the CPU time that a server gets in each
 * round for each row. `--node-options` are sessiond's, by default those of `npm start`; the bare servers have none.
 */
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { LoadCommand } from "./call-load.ts";
import { type Row, rowsFor } from "./call-rows.ts";
import { startBareServers, startProgram, startSessiond, type Target } from "./call-servers.ts";
import { cpuMicros } from "./cpu.ts";

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "" },
    rounds: { type: "string", default: "5" },
    "cpu-ms": { type: "string", default: "700" },
    "node-options": { type: "string", default: "--max-semi-space-size=2" },
  },
});
const parts = values.rows.split(",");
const rounds = Number(values.rounds);
const cpuMs = Number(values["cpu-ms"]);
/** Rounds in which code is compiled and nothing is counted. */
const warmUpRounds = 2;
const listed = 10;

const load = startProgram("call-load.ts");
const ended = once(load, "exit").then(() => Promise.reject(new Error("the load process ended")));

/** Has the load process do something, and returns the number of calls that were answered. */
async function command(todo: LoadCommand): Promise<number> {
  load.send(todo);
  const [{ answered }] = await Promise.race([once(load, "message"), ended]);
  return answered;
}

/** Returns the CPU time of a server per call, µs. */
async function cpuPerCall(row: Row, { pid, port }: Target): Promise<number> {
  await command({ type: "open", load: row.load(port) });
  const before = await cpuMicros(pid);
  await command({ type: "start" });
  // The same work is done on a busy machine.
  while ((await cpuMicros(pid)) - before < cpuMs * 1000) await Promise.race([delay(20), ended]);
  const answered = await command({ type: "stop" });
  const used = (await cpuMicros(pid)) - before;
  await command({ type: "close" });
  return used / answered;
}

const median = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

async function measure(): Promise<boolean> {
  await using sessiond = await startSessiond(listed, values["node-options"]);
  const { baseUrl, session } = sessiond;
  const bareServers = await startBareServers(baseUrl, session);
  const measured = rowsFor(session, listed)
    .filter(({ name }) => parts.some((part) => name.includes(part)))
    .map((row) => ({ row, ours: [] as number[], bare: [] as number[] }));
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    for (const { row, ours, bare } of measured) {
      const baseline = bareServers.get(row.bare);
      if (!baseline) throw new Error(`there is no server "${row.bare}"`);
      const pair = [await cpuPerCall(row, sessiond.target), await cpuPerCall(row, baseline)] as const;
      if (round < 0) continue;
      ours.push(pair[0]);
      bare.push(pair[1]);
    }
  }
  const results = measured.map(({ row, ours, bare }) => {
    const ratio = median(ours) / median(bare);
    return { row, ours: median(ours), bare: median(bare), ratio, isMet: ratio <= row.goal };
  });
  console.table(
    results.map(({ row, ours, bare, ratio, isMet }) => ({
      call: row.name,
      "sessiond, µs": ours.toFixed(0),
      "beside it": row.bare,
      "its µs": bare.toFixed(0),
      ratio: ratio.toFixed(2),
      goal: `<= ${row.goal}`,
      "": isMet ? "met" : "MISSED",
    })),
  );
  return results.every(({ isMet }) => isMet);
}

process.exitCode = (await measure()) ? 0 : 1;
