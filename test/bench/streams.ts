import { ServerProcess } from "../e2e/server-process.ts";
import { connectGrpc, nowhere } from "../e2e/stream-clients.ts";
import { restingRssKb, rssKb } from "./memory.ts";
import { RawStreams } from "./raw-streams.ts";
import { growth } from "./unread.ts";

// Costs of open streams: memory per stream, latency of a change for all watchers, and the cost of a reader that never
// reads.

const idleStreams = 9_000;
const watchers = 1_000;
const changes = 200;

const failures: string[] = [];

function report(what: string, value: number, unit: string, limit: number): void {
  const ok = value <= limit;
  console.log(`${ok ? "ok  " : "OVER"} ${what}: ${value.toFixed(1)} ${unit} (at most ${limit})`);
  if (!ok) failures.push(what);
}

async function openStreams(): Promise<void> {
  await using server = await ServerProcess.start(nowhere);
  using client = connectGrpc(server.baseUrl);
  for (const name of ["quiet", "busy"]) await client.sessions.createSession({ name });
  const pid = server.pid ?? 0;
  // The first streams cost more (compiled code, buffers), whatever their number.
  const warm = new RawStreams();
  await warm.open(server.baseUrl, "quiet", 500);
  await warm.close();
  const baseKb = await restingRssKb(pid);

  const streams = new RawStreams();
  await streams.open(server.baseUrl, "quiet", idleStreams);
  let arrivals: number[] = [];
  let all = Promise.withResolvers<void>();
  await streams.open(server.baseUrl, "busy", watchers, () => {
    arrivals.push(performance.now());
    if (arrivals.length === watchers) all.resolve();
  });
  const openKb = await restingRssKb(pid);
  report("memory of each of 10,000 open streams", (openKb - baseKb) / (idleStreams + watchers), "KB", 48);

  const latencies: number[] = [];
  for (let n = 0; n < changes; n += 1) {
    arrivals = [];
    all = Promise.withResolvers();
    const startMs = performance.now();
    await toggleOnce(client, n);
    await all.promise;
    for (const atMs of arrivals) latencies.push(atMs - startMs);
  }
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? Number.NaN;
  console.log(`     a change reaches its watchers: p50 ${at(0.5).toFixed(1)} ms, p90 ${at(0.9).toFixed(1)} ms`);
  report("a change reaches 1,000 watchers, p99, from the call that made it", at(0.99), "ms", 50);

  await streams.close();
  const afterKb = await restingRssKb(pid, 20);
  console.log(`     memory: ${baseKb} KB before, ${openKb} KB with all open, ${afterKb} KB after`);
  report("memory after they left, over what it was before", (afterKb - baseKb) / 1024, "MB", 30);
  console.log(`     now: ${await rssKb(pid)} KB`);
}

const toggleOnce = (client: ReturnType<typeof connectGrpc>, n: number) =>
  n % 2 === 0 ? client.sessions.stopSession({ session: "busy" }) : client.sessions.startSession({ session: "busy" });

await openStreams();
const alone = await growth(false);
const unread = await growth(true);
for (const [who, { peakMb, restMb, seconds }] of [
  ["nobody reads", alone],
  ["a reader never reads", unread],
] as const) {
  console.log(
    `     1,000,000 changes in ${seconds.toFixed(0)} s while ${who}: ${peakMb.toFixed(1)} MB more at the peak, ${restMb.toFixed(1)} MB after`,
  );
}
report("memory of a reader that never reads, after 1,000,000 changes", unread.restMb - alone.restMb, "MB", 50);
process.exitCode = failures.length > 0 ? 1 : 0;
