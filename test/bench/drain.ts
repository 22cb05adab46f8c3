/**
 * Drain of a node at SIGTERM, at the cluster's real times and connect rate: its NOWEB sessions go to one other node, which has just started,
 * as in a rolling update. Both nodes, PostgreSQL and WhatsApp share this machine.
 *
 * `node test/bench/drain.ts [sessions: 1000]`.
 */
import { setTimeout as delay } from "node:timers/promises";
import { installFastCurve } from "../../src/adapters/baileys/curve.ts";
import { Witness } from "../cluster/witness.ts";
import { pairFleet } from "../e2e/fleet.ts";
import { type RestAnswer, RestClient } from "../e2e/rest-client.ts";
import { ServerProcess } from "../e2e/server-process.ts";
import { startWhatsApp } from "../emulator/whatsapp.ts";
import { percentile } from "../support/percentile.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { cpuSeconds } from "./memory.ts";
import { print, settings } from "./session-goals.ts";

const count = Number(process.argv[2] ?? 1_000);
const [drainGoalS, gapGoalMs] = [60, 2_000];
const limitMs = 600_000;
const retryMs = 500;
/** Time for the nodes to come to rest, and to follow each other's news. */
const restMs = 5_000;

// The emulator's phones sign a lot too.
installFastCurve();

/** Calls again if an idle connection ends while it is used, or a node is frozen. */
class PatientClient extends RestClient {
  override async call(...args: Parameters<RestClient["call"]>): Promise<RestAnswer> {
    const answer = await super.call(...args).catch(() => undefined);
    if (answer && answer.status < 500) return answer;
    await delay(retryMs);
    return this.call(...args);
  }
}

await using stack = new AsyncDisposableStack();
const postgres = await startPostgres(["fsync=on", "full_page_writes=on"]);
stack.defer(() => postgres.close());
const storeUrl = await postgres.createDatabase();
const whatsapp = await startWhatsApp();
stack.defer(() => whatsapp.close());
const witness = new Witness(whatsapp);

const startNode = async (name: string, env: Readonly<Record<string, string>> = {}) =>
  stack.use(
    await ServerProcess.start({
      ...settings.tuned,
      SESSIOND_STORE: storeUrl,
      SESSIOND_NODE: name,
      SESSIOND_NOWEB_URL: `${whatsapp.url}?node=${name}`,
      ...env,
    }),
  );

// Pairing is not measured.
const old = await startNode("old", { SESSIOND_CONNECTS_PER_SECOND: "200" });
const { names, phoneOf } = await pairFleet(whatsapp, new PatientClient(() => old.baseUrl), count);
const nameOf = new Map(names.flatMap((name) => phoneOf(name).devices.map((device) => [device, name])));
console.log(`${count} sessions paired`);
const next = await startNode("next");
await delay(restMs);

const former = witness.gaps.length;
const gaps = () => witness.gaps.slice(former);
const cpuBefore = await cpuSeconds(next.pid ?? 0);
const ownCpuBefore = process.cpuUsage();
const startMs = Date.now();
const secondsSince = () => (Date.now() - startMs) / 1_000;
const ending = old.kill("SIGTERM").then(secondsSince);
await whatsapp.until(() => gaps().length >= count, `${count} sessions`, limitMs);
const onlineS = secondsSince();
const endedS = await ending;
const cpuS = (await cpuSeconds(next.pid ?? 0)) - cpuBefore;
const { user, system } = process.cpuUsage(ownCpuBefore);

/** Unix times at which the new node has begun to connect sessions, by its log, ms. */
const startedMs = new Map<string, number>();
for (const line of next.log) {
  if (!line.includes('"status":"STARTING"')) continue;
  const { session, time } = JSON.parse(line);
  startedMs.set(session, Date.parse(time));
}
const parts = gaps().map((gap) => {
  const atMs = startedMs.get(nameOf.get(gap.device) ?? "") ?? Number.NaN;
  return { closed: gap.startMs - startMs, taken: atMs - gap.startMs, connected: gap.endMs - atMs };
});
const shown = (of: (part: (typeof parts)[number]) => number) => {
  const values = parts.map(of);
  return `p50 ${percentile(values, 0.5)}, p99 ${percentile(values, 0.99)} ms`;
};
const lengths = gaps().map((gap) => gap.endMs - gap.startMs);
console.log(`old node ended after ${endedS.toFixed(1)} s, all sessions online after ${onlineS.toFixed(1)} s`);
console.log(`closed until taken by the new node: ${shown(({ taken }) => taken)}`);
console.log(`taken until online: ${shown(({ connected }) => connected)}`);
console.log(`CPU: new node ${cpuS.toFixed(1)} s, WhatsApp ${((user + system) / 1e6).toFixed(1)} s`);
console.log(`hand-over: p50 ${percentile(lengths, 0.5)} ms`);
print("hand-over, p99, ms", percentile(lengths, 0.99), gapGoalMs);
print(`drain of ${count} sessions, s`, Math.max(onlineS, endedS), drainGoalS);
print("connections replaced", witness.conflicts.length, 0);
