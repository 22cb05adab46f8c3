/**
 * Time in which a server restores saved sessions, with the settings of `npm start` and the image: `node
 * test/bench/restored-sessions.ts [sessions] [of which fail]`.
 */
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { installFastCurve } from "../../src/adapters/baileys/curve.ts";
import { pairFleet, statusCounts } from "../e2e/fleet.ts";
import { openHarness } from "../e2e/harness.ts";

const count = Number(process.argv[2] ?? 200);
const failing = Number(process.argv[3] ?? Math.ceil(count / 20));

// The emulator's phones sign a lot too.
installFastCurve();

const secondsSince = (startedAt: number) => ((performance.now() - startedAt) / 1000).toFixed(1);

await using it = await openHarness({ SESSIOND_CONNECTS_PER_SECOND: process.env.BENCH_PAIR_RATE ?? "200" });
const { whatsapp, server, rest } = it;
let startedAt = performance.now();
const { names, phoneOf } = await pairFleet(whatsapp, rest, count);
console.log(`paired ${count} in ${secondsSince(startedAt)} s`);
await server.kill("SIGKILL");
for (const name of names.slice(0, failing)) phoneOf(name).loginRefusal = { reason: 503 };

startedAt = performance.now();
const loginsBefore = whatsapp.counters.logins;
await server.restart({
  SESSIOND_CONNECTS_PER_SECOND: "20",
  SESSIOND_METRICS: "true",
  NODE_OPTIONS: "--max-semi-space-size=2",
  MALLOC_ARENA_MAX: "1",
});
console.log(`listening after ${secondsSince(startedAt)} s`);
await whatsapp.until(() => whatsapp.counters.logins - loginsBefore >= count - failing, "the logins", 300_000);
console.log(`${count - failing} logins, ${failing} refused, after ${secondsSince(startedAt)} s`);
let longestBlockMs = 0;
for (;;) {
  const counts = await statusCounts(rest);
  // Longest value since the last request.
  const metrics = String((await rest.get("/metrics")).body);
  longestBlockMs = Math.max(
    longestBlockMs,
    Number(/^nodejs_eventloop_lag_max_seconds (\S+)/m.exec(metrics)?.[1]) * 1_000,
  );
  if ((counts.WORKING ?? 0) >= count - failing) break;
}
console.log(`WORKING: ${count - failing} after ${secondsSince(startedAt)} s`);
await delay(8_000);
const memory = await readFile(`/proc/${server.pid}/status`, "utf8");
console.log(`the event loop was blocked for at most ${longestBlockMs.toFixed(0)} ms`);
console.log(/VmRSS:.*/.exec(memory)?.[0], /VmHWM:.*/.exec(memory)?.[0]);
console.log(server.log.filter((line) => /restored|blocked/.test(line)).join("\n"));
