import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { SessionRecord_Phase as Phase, SessionRecordSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { EventSchema } from "../../gen/sessiond/v1/event_pb.js";
import { Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import { openLevelBackend } from "../../src/adapters/level/backend.ts";
import { systemClock as clock, systemRandom as random } from "../../src/adapters/node/system.ts";
import { defaultStreamPolicy as policy } from "../../src/api/streams/live-stream.ts";
import { statusStream } from "../../src/api/streams/status-stream.ts";
import { keepRetention } from "../../src/app/retention-keeper.ts";
import { readConfig } from "../../src/config/config.ts";
import { createHandler } from "../../src/http/server/handler.ts";
import { createServer } from "../../src/http/server/server.ts";

// Server without an engine whose session changes on its parent's request, with the default retention of logs. It
// answers { changes } when they are written.

const directory = await mkdtemp(join(tmpdir(), "sessiond-bench-"));
const backend = await openLevelBackend({ directory, clock });
const { config } = await readConfig(async () => "", {});
const { retention } = config.webhooks;
const logger = { debug() {}, error: console.error };
const keeping = new AbortController();
const kept = keepRetention({ upkeep: backend.upkeep, retention, clock, logger }, keeping.signal);
const lease = await backend.sessions.acquire("busy");
const record = create(SessionRecordSchema, {
  name: "busy",
  phase: Phase.WORKING,
  createdAt: timestampFromMs(clock.nowMs()),
});
await backend.sessions.commit(lease, { record, events: [] });

const itemContext = { clock, hasProxyPool: false };
const handler = createHandler({
  routes: (router) =>
    router.service(SessionService, {
      statusStream: (request, { signal }) =>
        statusStream({ ...backend, itemContext }, request, { policy, clock, signal }),
    }),
  rest: (_req, res) => res.end(),
});
const server = createServer({ host: "127.0.0.1", port: 0, handler });
const { port } = await server.listen();
process.send?.({ port });

const eventsEach = 500;

async function write(changes: number): Promise<void> {
  for (let written = 0; written < changes; written += eventsEach) {
    const nowMs = clock.nowMs();
    const events = Array.from({ length: eventsEach }, (_, n) => {
      const status = n % 2 ? Status.STARTING : Status.STOPPED;
      const time = timestampFromMs(nowMs);
      const payload = { case: "sessionStatus" as const, value: { name: "busy", status, statuses: [{ status, time }] } };
      const about = { id: `evt_${random.ulid(nowMs)}`, session: "busy", name: "session.status", time };
      return { event: create(EventSchema, { ...about, payload }), endpointIds: [] };
    });
    await backend.sessions.commit(lease, { record, events });
  }
}

process.on("message", async ({ changes }: { changes: number }) => {
  await write(changes);
  process.send?.({ lastSeq: String(await backend.log.lastSeq()) });
});

process.once("disconnect", async () => {
  await server.close(0);
  keeping.abort();
  await kept;
  await backend.upkeep.close();
  await rm(directory, { recursive: true, force: true });
});
