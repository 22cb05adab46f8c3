import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { SessionRecordSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { WebhookConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { openLevelBackend } from "../../src/adapters/level/backend.ts";
import { systemClock as clock } from "../../src/adapters/node/system.ts";
import { endpointsOf } from "../../src/domain/delivery.ts";
import { eventOf, sessions } from "./webhook-load.ts";

// How much memory a backlog takes: so many pending deliveries of about 1 KB (1,000,000 unless told otherwise), over 100 sessions
// whose receivers are down, first for the process in which it grows, then for one that starts with it (which is given the
// directory). Exits with 1 where either needs more than 300 MB.
const [, , given = "1000000", grown] = process.argv;
const count = Number(given);
const maxMegabytes = 300;
const eventsPerCommit = 20;
/** Commits at a time. */
const writers = 10;
const directory = grown ?? (await mkdtemp(join(tmpdir(), "sessiond-backlog-")));

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
  const committers = await Promise.all(
    sessions.map(async (session) => {
      const lease = await backend.acquire(session);
      const config = create(WebhookConfigSchema, { url: `http://127.0.0.1:9/${session}`, events: ["*"] });
      const endpoints = endpointsOf([config], undefined);
      const endpointIds = endpoints.map(({ id }) => id);
      const record = create(SessionRecordSchema, { name: session });
      await backend.commit(lease, { record, events: [], endpoints });
      return () => {
        const events = Array.from({ length: eventsPerCommit }, () => ({ event: eventOf(session), endpointIds }));
        return backend.commit(lease, { record, events });
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
