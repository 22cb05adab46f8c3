import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { SessionRecordSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { EventSchema } from "../../gen/sessiond/v1/event_pb.js";
import { WebhookConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { openLevelBackend } from "../../src/adapters/level/backend.ts";
import { systemClock as clock, systemRandom as random } from "../../src/adapters/node/system.ts";
import { endpointsOf } from "../../src/domain/delivery.ts";

// How much memory a backlog takes: so many pending deliveries of about 1 KB (1,000,000 unless told otherwise), over 100 sessions
// whose receivers are down. Exits with 1 where the process needs more than 300 MB.
const count = Number(process.argv[2] ?? 1_000_000);
const maxMegabytes = 300;
const sessions = Array.from({ length: 100 }, (_, n) => `session-${n}`);
const eventsPerCommit = 50;
const body = "x".repeat(560);
const directory = await mkdtemp(join(tmpdir(), "sessiond-backlog-"));

const eventOf = (session: string) => {
  const nowMs = clock.nowMs();
  return create(EventSchema, {
    id: `evt_${random.ulid(nowMs)}`,
    time: timestampFromMs(nowMs),
    name: "message",
    session,
    payload: { case: "message", value: { id: `false_${random.hex(16)}`, from: "1@c.us", to: "2@c.us", body } },
  });
};

let mostMegabytes = 0;
const watching = setInterval(() => {
  mostMegabytes = Math.max(mostMegabytes, process.memoryUsage.rss() / 1_000_000);
}, 100);
const told = (what: string) => {
  console.log(
    `${what}: RSS ${Math.round(process.memoryUsage.rss() / 1_000_000)} MB, at most ${Math.round(mostMegabytes)} MB`,
  );
};

try {
  const backend = await openLevelBackend({ directory, clock });
  // Every claim fails: what is read comes back to the queue.
  const failing = new AbortController();
  const claims = (async () => {
    for await (const claim of backend.claims(failing.signal)) void claim.retry(3_600_000).catch(() => {});
  })();
  told("open");
  const committing = sessions.map(async (session) => {
    const lease = await backend.acquire(session);
    const config = create(WebhookConfigSchema, { url: `http://127.0.0.1:9/${session}`, events: ["*"] });
    const endpoints = endpointsOf([config], undefined);
    const endpointIds = endpoints.map(({ id }) => id);
    const record = create(SessionRecordSchema, { name: session });
    await backend.commit(lease, { record, events: [], endpoints });
    for (let n = 0; n < count / sessions.length; n += eventsPerCommit) {
      const events = Array.from({ length: eventsPerCommit }, () => ({ event: eventOf(session), endpointIds }));
      await backend.commit(lease, { record, events });
    }
  });
  await Promise.all(committing);
  failing.abort();
  await claims;
  told(`${JSON.stringify(backend.queueStats())} pending`);
  await backend.close();
  const again = await openLevelBackend({ directory, clock });
  told("opened again");
  await again.close();
} finally {
  clearInterval(watching);
  await rm(directory, { recursive: true, force: true });
}
if (mostMegabytes > maxMegabytes) process.exitCode = 1;
