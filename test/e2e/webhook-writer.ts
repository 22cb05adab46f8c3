import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { SessionRecordSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { EventSchema } from "../../gen/sessiond/v1/event_pb.js";
import { WebhookConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { openLevelBackend } from "../../src/adapters/level/backend.ts";
import { nodeSigner } from "../../src/adapters/node/signer.ts";
import { systemClock as clock, systemRandom as random } from "../../src/adapters/node/system.ts";
import { createLogger } from "../../src/adapters/pino/logger.ts";
import { openPostgresBackend } from "../../src/adapters/postgres/backend.ts";
import { createWebhookSender } from "../../src/adapters/undici/webhook.ts";
import { WebhookDispatcher } from "../../src/app/webhook-dispatcher.ts";
import { endpointsOf } from "../../src/domain/delivery.ts";

// Commits events to several sessions at once, as fast as the disk takes them, and posts them, until it is killed. Each
// output line confirms an event on disk: "c <session> <seq>". With "drain" it commits nothing, and ends when no
// delivery is pending. The store is in a directory, or in a database by its URL.
const [place = "", origin = "", mode = "", ...sessions] = process.argv.slice(2);
const backend = place.startsWith("postgres://")
  ? await openPostgresBackend({ url: place, clock })
  : await openLevelBackend({ directory: place, clock });
const logger = createLogger({ level: "error", format: "JSON" });
const sender = createWebhookSender({ clock });
const environment = { version: "0.0.0", tier: "PLUS", browser: null };
const dispatcher = new WebhookDispatcher({
  outbox: backend.outbox,
  sender,
  clock,
  random,
  logger,
  environment,
  signer: nodeSigner,
});

async function commits(session: string): Promise<void> {
  const lease = await backend.sessions.acquire(session);
  const config = create(WebhookConfigSchema, { url: `${origin}/${session}`, events: ["*"], hmac: { key: "a key" } });
  const endpoints = endpointsOf([config], undefined);
  const endpointIds = endpoints.map(({ id }) => id);
  const record = create(SessionRecordSchema, { name: session });
  await backend.sessions.commit(lease, { record, events: [], endpoints });
  for (;;) {
    const nowMs = clock.nowMs();
    const id = `evt_${random.ulid(nowMs)}`;
    const event = create(EventSchema, { id, name: "session.status", session, time: timestampFromMs(nowMs) });
    const [logged] = await backend.sessions.commit(lease, { record, events: [{ event, endpointIds }] });
    process.stdout.write(`c ${session} ${logged?.seq}\n`);
  }
}

dispatcher.start();
if (mode === "drain") {
  const name = { state: 0, limit: 1 };
  const isPending = async (session: string) => {
    const [pending, retrying] = await Promise.all(
      [1, 2].map(async (state) => (await backend.outbox.deliveries(session, { ...name, state })).length > 0),
    );
    return pending || retrying;
  };
  for (const session of sessions)
    while (await isPending(session)) await new Promise((resolve) => setTimeout(resolve, 20));
  await dispatcher.stop();
  await sender.close();
  await backend.upkeep.close();
} else await Promise.all(sessions.map(commits));
