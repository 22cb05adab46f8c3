/**
 * Rate of texts that are stored before they leave and answered once WhatsApp's server has them (or after 10 s), over many NOWEB sessions
 * without a rate of their own, with the settings of `npm start`. In turns with bare Baileys, which sends the same texts in as many chats of
 * as many sessions, with keys in SQLite and the same curve code, and stores no messages. WhatsApp, its phones and the callers run in this
 * process, which takes a part of the processors. Exits with 1 if a goal is missed.
 *
 * `node test/bench/sends.ts [--sessions=100] [--chats=4] [--rounds=3] [--sends=5000]`, the sends of each round.
 */
import { parseArgs } from "node:util";
import { Agent } from "undici";
import { installFastCurve } from "../../src/adapters/baileys/curve.ts";
import { installKeyObjects } from "../../src/adapters/baileys/key-objects.ts";
import { pairFleet } from "../e2e/fleet.ts";
import { openHarness } from "../e2e/harness.ts";
import type { Phone } from "../emulator/phone.ts";
import { percentile } from "../support/percentile.ts";
import { BareSessions } from "./bare-sessions.ts";
import { cpuMicros } from "./cpu.ts";
import { rssKb } from "./memory.ts";
import { print, settings } from "./session-goals.ts";
import { untilWorking } from "./session-starts.ts";

const { values } = parseArgs({
  options: {
    sessions: { type: "string", default: "100" },
    chats: { type: "string", default: "4" },
    rounds: { type: "string", default: "3" },
    sends: { type: "string", default: "5000" },
  },
});
const [sessions, chatsEach, rounds, sends] = [values.sessions, values.chats, values.rounds, values.sends].map(Number);
const goalPerSecond = 500;
/** Growth of the memory from the first round's end to the last one's. */
const goalGrowthMb = 48;

// The emulator's phones sign and decrypt a lot too.
installFastCurve();
installKeyObjects();

/** A chat of a session, with the ids that callers were answered, in order. */
interface Chat {
  readonly session: string;
  readonly phone: Phone;
  readonly ids: string[];
}

const env = { SESSIOND_CONNECTS_PER_SECOND: "200", SESSIOND_SENDS_PER_SECOND: "0", ...settings.tuned };
await using opened = new AsyncDisposableStack();
const it = opened.use(await openHarness(env));
const { whatsapp, server, rest } = it;
const { names } = await pairFleet(whatsapp, rest, sessions ?? 0);
// Pairing leaves things in memory.
await server.kill("SIGTERM");
const working = untilWorking(server, names.length);
await server.restart();
await working();
const chats = names.flatMap((session) =>
  Array.from({ length: chatsEach ?? 0 }, (): Chat => ({ session, phone: whatsapp.phone(), ids: [] })),
);
const agent = new Agent({ connections: chats.length, pipelining: 1 });

/** Sends one text and waits for the answer. */
async function send({ session, phone, ids }: Chat): Promise<number> {
  const message = { session, chatId: `${phone.number}@c.us`, text: `text ${ids.length} of a message that is sent` };
  const startMs = performance.now();
  const { statusCode, body } = await agent.request({
    origin: server.baseUrl,
    path: "/api/sendText",
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(message),
  });
  const answer = JSON.parse(await body.text());
  if (statusCode !== 201) throw new Error(`${statusCode} ${JSON.stringify(answer)}`);
  ids.push(answer.key.id);
  return performance.now() - startMs;
}

/** Sends from all chats at once, in each one after another; returns the times of the calls. */
async function sendMany(count: number): Promise<number[]> {
  let left = count;
  const latenciesMs: number[] = [];
  await Promise.all(
    chats.map(async (chat) => {
      while (left-- > 0) latenciesMs.push(await send(chat));
    }),
  );
  return latenciesMs;
}

/** Figures of some sends. */
interface Measured<T> {
  readonly perSecond: number;
  readonly cpuMicros: number;
  readonly ownMicros: number;
  readonly rssMb: number;
  readonly result: T;
}

/** Measures `count` sends of a process. */
async function measure<T>(pid: number, count: number, work: (count: number) => Promise<T>): Promise<Measured<T>> {
  const [cpuBefore, ownBefore, startMs] = [await cpuMicros(pid), process.cpuUsage(), performance.now()];
  const result = await work(count);
  const seconds = (performance.now() - startMs) / 1_000;
  const own = process.cpuUsage(ownBefore);
  return {
    perSecond: count / seconds,
    cpuMicros: ((await cpuMicros(pid)) - cpuBefore) / count,
    ownMicros: (own.user + own.system) / count,
    rssMb: (await rssKb(pid)) / 1_024,
    result,
  };
}

const bare = opened.use(await BareSessions.pair(names.length));
const run = await bare.start(names.length, { ...settings.tuned }, "fast-curve", "sends");
const bareChats = names.flatMap((session) =>
  Array.from({ length: chatsEach ?? 0 }, () => ({ session, jid: bare.whatsapp.phone().jid })),
);
const sendBare = (count: number) => run.send({ chats: bareChats, count });

// Each chat's first message looks up the devices of its recipient and starts a Signal session.
await sendMany(2 * chats.length);
await sendBare(2 * chats.length);
const results: Measured<number[]>[] = [];
const bareResults: Measured<void>[] = [];
for (let round = 0; round < (rounds ?? 0); round += 1) {
  results.push(await measure(server.pid ?? 0, sends ?? 0, sendMany));
  bareResults.push(await measure(run.pid, sends ?? 0, sendBare));
}
await agent.close();
await run.end();
for (const { phone, ids } of chats) {
  await whatsapp.until(() => phone.shown.length >= ids.length, "the last messages", 10_000).catch(() => {});
  const shown = phone.shown.map(({ id }) => id);
  if (shown.join() !== ids.join()) throw new Error(`${phone.number} shows ${shown}, not ${ids}`);
}
const rowOf = (name: string, one: Omit<Measured<unknown>, "result">) => ({
  sender: name,
  "sends/s": one.perSecond.toFixed(0),
  "its CPU, µs each": one.cpuMicros.toFixed(0),
  "CPU of this process, µs each": one.ownMicros.toFixed(0),
  "RSS MB": one.rssMb.toFixed(0),
});
console.table([
  ...results.map((one) => ({
    ...rowOf("sessiond", one),
    "p50 ms": percentile(one.result, 0.5).toFixed(0),
    "p99 ms": percentile(one.result, 0.99).toFixed(0),
  })),
  ...bareResults.map((one) => rowOf("bare Baileys", one)),
]);
const medianOf = (values: readonly number[]) => percentile(values, 0.5);
const ratioOf = (key: "perSecond" | "cpuMicros") =>
  (medianOf(results.map((one) => one[key])) / medianOf(bareResults.map((one) => one[key]))).toFixed(2);
console.log(`times bare Baileys: rate ${ratioOf("perSecond")}, CPU time ${ratioOf("cpuMicros")}`);
const best = Math.max(...results.map(({ perSecond }) => perSecond));
const isMet = best >= goalPerSecond;
console.log(`sends a second: ${best.toFixed(0)} (goal: at least ${goalPerSecond}; ${isMet ? "met" : "missed"})`);
if (!isMet) process.exitCode = 1;
print("growth of the memory, MB", (results.at(-1)?.rssMb ?? 0) - (results[0]?.rssMb ?? 0), goalGrowthMb);
