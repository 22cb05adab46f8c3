import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { Agent } from "undici";
import { SessionRecordSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { WebhookConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { openLevelBackend } from "../../src/adapters/level/backend.ts";
import { nodeSigner } from "../../src/adapters/node/signer.ts";
import { systemClock as clock, systemRandom as random } from "../../src/adapters/node/system.ts";
import { createLogger } from "../../src/adapters/pino/logger.ts";
import { openPostgresBackend } from "../../src/adapters/postgres/backend.ts";
import { createWebhookSender } from "../../src/adapters/undici/webhook.ts";
import { WebhookDispatcher } from "../../src/app/webhook-dispatcher.ts";
import { webhookRequest } from "../../src/app/webhook-request.ts";
import { endpointsOf } from "../../src/domain/delivery.ts";
import type { Backend } from "../../src/ports/backend.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { eventOf, sessions } from "./webhook-load.ts";

// Rate of durable webhooks (each event committed with an fsync before it is sent, about 1 KB and signed), compared with
// bare POSTs of the same bytes in the same run. The receiver is a process of its own. Exits with 1 if a goal is missed.
// usage: npm run bench:webhooks [-- --postgres] [count]: with PostgreSQL as the store, for the rate alone.
const environment = { version: "bench", tier: "PLUS", browser: null };
const logger = createLogger({ level: "error", format: "JSON" });
const postgres = process.argv.includes("--postgres")
  ? await startPostgres([
      "fsync=on",
      "full_page_writes=on",
      "autovacuum=on",
      "shared_buffers=128MB",
      "max_wal_size=1GB",
    ])
  : undefined;

interface Report {
  readonly taken: number;
  readonly latenessMs: readonly number[];
}

/** The receiver process. */
class Sink {
  readonly #child: ChildProcess;
  readonly origin: string;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.origin = `http://127.0.0.1:${port}`;
  }

  static async start(): Promise<Sink> {
    const child = fork(new URL("webhook-sink.ts", import.meta.url));
    const [{ port }] = await once(child, "message");
    return new Sink(child, port);
  }

  /** Returns the figures since the last request. */
  async report(): Promise<Report> {
    this.#child.send({});
    const [report] = await once(this.#child, "message");
    return report;
  }

  stop(): void {
    this.#child.disconnect();
  }
}

/** A session has one first attempt at a time, so many sessions are needed to load two cores. */
const crowd = Array.from({ length: 300 }, (_, n) => `crowd-${n}`);

/** Opens a backend on disk and a dispatcher, with one endpoint per session. */
async function harness(sessions: readonly string[], urlOf: (session: string) => string) {
  const directory = await mkdtemp(join(tmpdir(), "sessiond-bench-"));
  const backend: Backend = postgres
    ? await openPostgresBackend({ url: await postgres.createDatabase(), clock })
    : await openLevelBackend({ directory, clock });
  const sender = createWebhookSender({ clock });
  const dispatcher = new WebhookDispatcher({
    outbox: backend.outbox,
    sender,
    clock,
    random,
    logger,
    environment,
    signer: nodeSigner,
  });
  const committers = new Map<string, () => Promise<unknown>>();
  for (const session of sessions) {
    const lease = await backend.sessions.acquire(session);
    const config = create(WebhookConfigSchema, { url: urlOf(session), events: ["*"], hmac: { key: "a-secret-key" } });
    const endpoints = endpointsOf([config], undefined);
    const endpointIds = endpoints.map(({ id }) => id);
    const record = create(SessionRecordSchema, { name: session });
    await backend.sessions.commit(lease, { record, events: [], endpoints });
    committers.set(session, () =>
      backend.sessions.commit(lease, { record, events: [{ event: eventOf(session), endpointIds }] }),
    );
  }
  dispatcher.start();
  return {
    commit: (session: string) => committers.get(session)?.(),
    async close() {
      await dispatcher.stop(0);
      await sender.close();
      await backend.upkeep.close();
      await rm(directory, { recursive: true });
    },
  };
}

/** Returns the rate of bare POSTs of one prepared webhook, with as many in parallel as there are sessions. */
async function bare(sink: Sink, count: number): Promise<number> {
  const agent = new Agent({ connections: crowd.length, pipelining: 1 });
  const config = create(WebhookConfigSchema, { url: sink.origin, hmac: { key: "a-secret-key" } });
  const event = { ...eventOf("session-1"), seq: 1n };
  const webhook = { id: event.id, event, config, nowMs: clock.nowMs(), trusted: true };
  const { headers, body } = webhookRequest(webhook, { environment, signer: nodeSigner });
  let left = count;
  const startMs = performance.now();
  const post = async () => {
    while (left-- > 0) {
      const answer = await agent.request({ origin: sink.origin, path: "/bare", method: "POST", headers, body });
      await answer.body.dump();
    }
  };
  await Promise.all(crowd.map(post));
  const seconds = (performance.now() - startMs) / 1000;
  await agent.close();
  return count / seconds;
}

/** Waits until the sink has received `count` webhooks. Resolves with the time, and the lateness of each. */
async function taken(sink: Sink, count: number, progress = (_got: number) => {}) {
  const latenessMs: number[] = [];
  for (let got = 0; ; ) {
    const report = await sink.report();
    got += report.taken;
    progress(got);
    latenessMs.push(...report.latenessMs);
    if (got >= count) return { atMs: performance.now(), latenessMs };
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waiting deliveries per session, at most, so that no delivery is read back from the disk while receivers keep up. */
const maxWaiting = 12;

/** Returns the rate of durable deliveries, from the first commit to the last delivery. */
async function durable(sink: Sink, count: number): Promise<number> {
  const { commit, close } = await harness(crowd, (session) => `${sink.origin}/${session}`);
  await sink.report();
  let committed = 0;
  let got = 0;
  let progressed = Promise.withResolvers<void>();
  const startMs = performance.now();
  const produce = async (session: string) => {
    while (committed < count) {
      if (committed - got >= maxWaiting * crowd.length) {
        await progressed.promise;
        continue;
      }
      committed += 1;
      await commit(session);
    }
  };
  const done = taken(sink, count, (soFar) => {
    got = soFar;
    progressed.resolve();
    progressed = Promise.withResolvers();
  });
  await Promise.all(crowd.map(produce));
  const { atMs } = await done;
  await close();
  return count / ((atMs - startMs) / 1000);
}

/**
 * Returns the sorted lateness of deliveries, ms, at `perSecond` events spread over the sessions, without those of `ill`
 * sessions.
 */
async function lateness(sink: Sink, perSecond: number, seconds: number, ill: Readonly<Record<string, string>> = {}) {
  const { commit, close } = await harness(sessions, (session) => `${sink.origin}/${ill[session] ?? session}`);
  await sink.report();
  const commits: (Promise<unknown> | undefined)[] = [];
  const startMs = performance.now();
  const total = perSecond * seconds;
  while (commits.length < total) {
    const due = Math.min(total, Math.ceil(((performance.now() - startMs) / 1000) * perSecond));
    while (commits.length < due) commits.push(commit(sessions[commits.length % sessions.length] ?? ""));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(commits);
  const well = (total / sessions.length) * (sessions.length - Object.keys(ill).length);
  const { latenessMs } = await taken(sink, well);
  await close();
  return latenessMs.sort((a, b) => a - b);
}

const median = (rates: readonly number[]) =>
  percentile(
    rates.toSorted((a, b) => a - b),
    0.5,
  );
const percentile = (sorted: readonly number[], part: number) => sorted[Math.floor((sorted.length - 1) * part)] ?? 0;
const told = (sorted: readonly number[]) =>
  `p50 ${percentile(sorted, 0.5)} ms, p99 ${percentile(sorted, 0.99)} ms, most ${sorted.at(-1)} ms`;

const goals: [string, boolean][] = [];
const [size = "40000"] = process.argv.slice(2).filter((one) => !one.startsWith("--"));
const count = Number(size);
const sink = await Sink.start();
try {
  await bare(sink, 5_000);
  await durable(sink, 10_000);
  // Alternates the two, so that other load on the machine affects both.
  const rounds: { bareRate: number; durableRate: number }[] = [];
  for (let round = 1; round <= 3; round += 1) {
    const one = { bareRate: await bare(sink, count), durableRate: await durable(sink, count) };
    rounds.push(one);
    console.log(
      `round ${round}: bare ${Math.round(one.bareRate)} POSTs/s, durable ${Math.round(one.durableRate)} deliveries/s`,
    );
  }
  const bareRate = median(rounds.map((one) => one.bareRate));
  const durableRate = median(rounds.map((one) => one.durableRate));
  console.log(`bare:    ${Math.round(bareRate)} POSTs/s`);
  console.log(`durable: ${Math.round(durableRate)} deliveries/s`);
  console.log(`ratio:   ${(durableRate / bareRate).toFixed(2)}`);
  if (postgres) goals.push(["at least 3,000/s on PostgreSQL", durableRate >= 3_000]);
  else await measureOnLevel(durableRate, bareRate);
} finally {
  sink.stop();
  await postgres?.close();
}
for (const [goal, met] of goals) console.log(`${met ? "met   " : "MISSED"} ${goal}`);
if (goals.some(([, met]) => !met)) process.exitCode = 1;

async function measureOnLevel(durableRate: number, bareRate: number): Promise<void> {
  goals.push(["at least 5,000/s or 0.25 of bare, whichever is more", durableRate >= Math.max(5_000, bareRate / 4)]);

  const late = await lateness(sink, 1_000, 10);
  console.log(`commit to POST at 1,000/s: ${told(late)}`);
  goals.push(["p99 from commit to POST at 1,000/s at most 50 ms", percentile(late, 0.99) <= 50]);

  const without = await lateness(sink, 500, 10);
  const beside = await lateness(sink, 500, 10, { "session-3": "hang", "session-7": "fail" });
  console.log(`100 endpoints, all well, at 500/s: ${told(without)}`);
  console.log(`one hanging, one with 500: the others ${told(beside)}`);
  const growth = percentile(beside, 0.99) - percentile(without, 0.99);
  goals.push(["the others' p99 grows by at most 250 ms", growth <= 250]);
}
