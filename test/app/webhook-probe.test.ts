import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { SessionRecordSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { EventSchema } from "../../gen/sessiond/v1/event_pb.js";
import { WebhookConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { WebhookDelivery_State as State } from "../../gen/sessiond/v1/webhook_pb.js";
import { openMemoryBackend } from "../../src/adapters/memory/backend.ts";
import { nodeSigner } from "../../src/adapters/node/signer.ts";
import { createLogger } from "../../src/adapters/pino/logger.ts";
import { createWebhookSender } from "../../src/adapters/undici/webhook.ts";
import { WebhookDispatcher } from "../../src/app/webhook-dispatcher.ts";
import { endpointsOf } from "../../src/domain/delivery.ts";
import { epochMs, FakeClock } from "../support/fake-clock.ts";
import { openReceiver } from "../support/webhook-receiver.ts";

const dayMs = 86_400_000;

/** Opens a session "alice" whose receiver answered 410 at `epochMs`, a running dispatcher and a fake clock. */
async function openDisabled() {
  const answers = { status: 410, until: Promise.resolve() };
  const receiver = await openReceiver((response) => {
    void answers.until.then(() => response.writeHead(answers.status).end());
  });
  const clock = new FakeClock();
  const backend = openMemoryBackend({ clock });
  const sender = createWebhookSender({ clock });
  const dispatcher = new WebhookDispatcher({
    outbox: backend.outbox,
    sender,
    clock,
    random: { unit: () => 0.5, ulid: () => "01" },
    logger: createLogger({ level: "silent", format: "JSON" }),
    environment: { version: "0.1.0", tier: "PLUS", browser: null },
    signer: nodeSigner,
  });
  const lease = await backend.sessions.acquire("alice");
  const config = create(WebhookConfigSchema, { url: receiver.origin, events: ["*"], retries: { attempts: 5 } });
  const endpoints = endpointsOf([config], undefined);
  const id = endpoints[0]?.id ?? "";
  let happened = 0;
  dispatcher.start();
  const opened = {
    answers,
    receiver,
    clock,
    async happen(count = 1) {
      const events = Array.from({ length: count }, () => {
        const event = create(EventSchema, { id: `evt_${++happened}`, name: "session.status", session: "alice" });
        return { event, endpointIds: [id] };
      });
      await backend.sessions.commit(lease, {
        record: create(SessionRecordSchema, { name: "alice" }),
        events,
        endpoints,
      });
    },
    /** Resolves when everything is settled, with the number of deliveries in each state and the reasons. */
    async settled() {
      for (;;) {
        const deliveries = await backend.outbox.deliveries("alice", { limit: 100 });
        const { pending, retrying } = await backend.outbox.queueStats();
        if (pending + retrying === 0 && deliveries.length === happened) {
          const of = (state: State) => backend.outbox.deliveries("alice", { state, limit: 100 });
          const failed = await of(State.FAILED);
          return { delivered: (await of(State.DELIVERED)).length, reasons: failed.map(({ reason }) => reason) };
        }
        await new Promise(setImmediate);
      }
    },
    health: async () => (await backend.outbox.endpoints("alice"))[0]?.health,
    stats: () => backend.outbox.queueStats(),
    enable: () => backend.outbox.setHealth("alice", id, undefined),
    async [Symbol.asyncDispose]() {
      const stopped = dispatcher.stop(0);
      clock.advance(0);
      await stopped;
      await backend.upkeep.close();
      await sender.close();
      await receiver[Symbol.asyncDispose]();
    },
  };
  await opened.happen();
  await opened.settled();
  return opened;
}

describe("a disabled endpoint", () => {
  it("gets nothing for a day, and its deliveries are stored as failed", async () => {
    await using alice = await openDisabled();
    alice.answers.status = 200;
    alice.clock.advance(dayMs - 1);
    await alice.happen(3);
    const { delivered, reasons } = await alice.settled();
    assert.deepEqual([alice.receiver.requests.length, delivered, reasons.length], [1, 0, 4]);
    assert.equal(reasons[0], "the endpoint is disabled: answered 410");
  });

  it("gets one delivery after a day and is enabled if it accepts that", async () => {
    await using alice = await openDisabled();
    alice.answers.status = 200;
    alice.clock.advance(dayMs);
    await alice.happen(3);
    const { delivered, reasons } = await alice.settled();
    assert.deepEqual([alice.receiver.requests.length, delivered, reasons.length], [4, 3, 1]);
    assert.equal(await alice.health(), undefined);
  });

  for (const status of [410, 500, 302, 503]) {
    it(`stays disabled for another day if the probe is answered ${status}, without a retry`, async () => {
      await using alice = await openDisabled();
      alice.answers.status = status;
      alice.clock.advance(dayMs);
      await alice.happen(3);
      const { delivered, reasons } = await alice.settled();
      assert.deepEqual([alice.receiver.requests.length, delivered, reasons.length], [2, 0, 4]);
      const probed = reasons.filter((reason) => reason.includes("tried again"));
      assert.equal(probed.length, 1);
      assert.match(
        probed[0] ?? "",
        new RegExp(`^the endpoint is disabled: answered 410; tried again: answered ${status}`),
      );
      const health = await alice.health();
      assert.equal(health?.probeAt && timestampMs(health.probeAt) - epochMs, 2 * dayMs);
      assert.equal(health?.disabledAt && timestampMs(health.disabledAt), epochMs);
      alice.clock.advance(dayMs);
      alice.answers.status = 200;
      await alice.happen();
      assert.equal((await alice.settled()).delivered, 1);
    });
  }

  it("stays enabled if it is enabled during a probe", async () => {
    await using alice = await openDisabled();
    const { promise, resolve } = Promise.withResolvers<void>();
    Object.assign(alice.answers, { status: 500, until: promise });
    alice.clock.advance(dayMs);
    await alice.happen();
    await alice.receiver.arrived(2);
    await alice.enable();
    resolve();
    while ((await alice.stats()).retrying === 0) await new Promise(setImmediate);
    assert.equal((await alice.health())?.disabledAt, undefined);
  });
});
