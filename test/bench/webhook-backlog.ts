import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { SessionRecordSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { WebhookConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { openLevelBackend } from "../../src/adapters/level/backend.ts";
import { nodeSigner } from "../../src/adapters/node/signer.ts";
import { systemClock as clock, systemRandom as random } from "../../src/adapters/node/system.ts";
import { createLogger } from "../../src/adapters/pino/logger.ts";
import { createWebhookSender } from "../../src/adapters/undici/webhook.ts";
import { WebhookDispatcher } from "../../src/app/webhook-dispatcher.ts";
import { endpointsOf } from "../../src/domain/delivery.ts";
import type { Backend } from "../../src/ports/backend.ts";
import { eventOf, sessions } from "./webhook-load.ts";

// Memory of a backlog: 1,000,000 pending deliveries (or the given number) of about 1 KB, over 100 sessions whose
// receivers are down, while all are attempted. Measures the process in which it grows, then one that starts with it
// (and gets the directory). Exits with 1 if either needs more than 300 MB. The peak is printed too; it depends on the
// speed of the commits and is similar for a tenth of the backlog.
const [, script = "", given = "1000000", grown] = process.argv;
const count = Number(given);
const maxMegabytes = 300;
const eventsPerCommit = 20;
/** Concurrent commits. */
const writers = 10;

let mostMegabytes = 0;
const watching = setInterval(() => {
  mostMegabytes = Math.max(mostMegabytes, process.memoryUsage.rss() / 1_000_000);
}, 100);

/** Commits `count` events, as fast as the disk takes them. */
async function fill(backend: Backend): Promise<void> {
  const committers = await Promise.all(
    sessions.map(async (session) => {
      const lease = await backend.sessions.acquire(session);
      const config = create(WebhookConfigSchema, { url: `http://127.0.0.1:9/${session}`, events: ["*"] });
      const endpoints = endpointsOf([config], undefined);
      const endpointIds = endpoints.map(({ id }) => id);
      const record = create(SessionRecordSchema, { name: session });
      await backend.sessions.commit(lease, { record, events: [], endpoints });
      return () => {
        const events = Array.from({ length: eventsPerCommit }, () => ({ event: eventOf(session), endpointIds }));
        return backend.sessions.commit(lease, { record, events });
      };
    }),
  );
  let left = count;
  const commits = async (first: number) => {
    for (let n = first; left > 0; n += writers) {
      left -= eventsPerCommit;
      await committers[n % sessions.length]?.();
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, first) => commits(first)));
}

/** Resolves when the backend has counted the pending deliveries and has attempted due ones for a while. */
async function goThrough(backend: Backend): Promise<void> {
  for (;;) {
    const { pending, retrying } = await backend.outbox.queueStats();
    if (pending + retrying >= count) break;
    await seconds(1);
  }
  await seconds(10);
}

const seconds = (n: number) => new Promise((resolve) => setTimeout(resolve, n * 1000));

async function live(directory: string, work: (backend: Backend) => Promise<void>): Promise<void> {
  const backend = await openLevelBackend({ directory, clock });
  const sender = createWebhookSender({ clock });
  const logger = createLogger({ level: "error", format: "JSON" });
  const environment = { version: "bench", tier: "PLUS", browser: null };
  const dispatcher = new WebhookDispatcher({
    outbox: backend.outbox,
    sender,
    clock,
    random,
    logger,
    environment,
    signer: nodeSigner,
  });
  dispatcher.start();
  await work(backend);
  const { pending, retrying } = await backend.outbox.queueStats();
  const nowMegabytes = Math.round(process.memoryUsage.rss() / 1_000_000);
  if (nowMegabytes > maxMegabytes) process.exitCode = 1;
  console.log(
    `${grown ? "begun with" : "grown"}: ${pending} pending, ${retrying} retrying; RSS ${nowMegabytes} MB, at most ${Math.round(mostMegabytes)} MB`,
  );
  await dispatcher.stop(0);
  await sender.close();
  await backend.upkeep.close();
}

async function grow(backend: Backend): Promise<void> {
  await fill(backend);
  await goThrough(backend);
}

if (grown) await live(grown, goThrough);
else {
  const directory = await mkdtemp(join(tmpdir(), "sessiond-backlog-"));
  try {
    await live(directory, grow);
    const [code] = await once(fork(script, [given, directory]), "exit");
    if (code !== 0) process.exitCode = 1;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
clearInterval(watching);
