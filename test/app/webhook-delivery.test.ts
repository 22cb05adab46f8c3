import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Webhook as Verifier } from "standardwebhooks";
import { SessionRecordSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { EventSchema } from "../../gen/sessiond/v1/event_pb.js";
import { WebhookConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { WebhookDelivery_State as State } from "../../gen/sessiond/v1/webhook_pb.js";
import { openMemoryBackend } from "../../src/adapters/memory/backend.ts";
import { nodeSigner } from "../../src/adapters/node/signer.ts";
import { createLogger } from "../../src/adapters/pino/logger.ts";
import { createWebhookSender } from "../../src/adapters/undici/webhook.ts";
import { AllWebhooks } from "../../src/app/all-webhooks.ts";
import { WebhookDispatcher } from "../../src/app/webhook-dispatcher.ts";
import { WebhookLog } from "../../src/app/webhook-log.ts";
import { endpointIdsFor, endpointsOf, stateOf } from "../../src/domain/delivery.ts";
import type { Lease } from "../../src/ports/sessions.ts";
import { epochMs, FakeClock } from "../support/fake-clock.ts";
import { openReceiver, type Received, type WebhookReceiver } from "../support/webhook-receiver.ts";

type Webhook = MessageInitShape<typeof WebhookConfigSchema>;

/** Opens a session "alice" with these webhooks, a running dispatcher and a fake clock. */
async function setUp(...webhooks: Webhook[]) {
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
  const lease: Lease = await backend.sessions.acquire("alice");
  const endpoints = endpointsOf(
    webhooks.map((webhook) => create(WebhookConfigSchema, { events: ["*"], ...webhook })),
    undefined,
  );
  dispatcher.start();
  return {
    clock,
    backend,
    dispatcher,
    async happen(...ids: string[]) {
      const events = ids.map((id) => {
        const event = create(EventSchema, { id: `evt_${id}`, name: "session.status", session: "alice" });
        return { event, endpointIds: endpointIdsFor(event.name, endpoints) };
      });
      await backend.sessions.commit(lease, {
        record: create(SessionRecordSchema, { name: "alice" }),
        events,
        endpoints,
      });
    },
    async [Symbol.asyncDispose]() {
      const stopped = dispatcher.stop(0);
      clock.advance(0);
      await stopped;
      await backend.upkeep.close();
      await sender.close();
    },
  };
}

/** Waits for a condition without moving the clock. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}

const eventOf = (request: Received): string => JSON.parse(request.body.toString()).id;
const eventsOf = (receiver: WebhookReceiver): string[] => receiver.requests.map(eventOf);
const sentAtMs = (request: Received): number => Number(request.headers["x-webhook-timestamp"]) - epochMs;

describe("a webhook delivery", () => {
  it("comes in the order of the events, each after the answer to the former one", async () => {
    let open = 0;
    let most = 0;
    await using receiver = await openReceiver((response) => {
      most = Math.max(most, ++open);
      setImmediate(() => {
        open--;
        response.end();
      });
    });
    await using alice = await setUp({ url: receiver.origin });
    const ids = Array.from({ length: 20 }, (_, i) => `${i}`);
    await alice.happen(...ids.slice(0, 12));
    await alice.happen(...ids.slice(12));
    await receiver.arrived(20);
    assert.deepEqual(
      eventsOf(receiver),
      ids.map((id) => `evt_${id}`),
    );
    assert.equal(most, 1);
  });

  it("is repeated until accepted, with the same id and body and a fresh time and signature", async () => {
    const statuses = [500, 302, 200];
    await using receiver = await openReceiver((response) => response.writeHead(statuses.shift() ?? 200).end());
    await using alice = await setUp({
      url: receiver.origin,
      hmac: { key: "my-secret-key" },
      retries: { policy: "linear" },
    });
    await alice.happen("1");
    await until(() => alice.clock.nextAtMs === epochMs + 2000);
    alice.clock.advance(2000);
    await until(() => alice.clock.nextAtMs === epochMs + 6000);
    alice.clock.advance(4000);
    await receiver.arrived(3);
    await until(() => alice.clock.pending === 0);
    assert.deepEqual(receiver.requests.map(sentAtMs), [0, 2000, 6000]);
    const [first] = receiver.requests;
    for (const { headers, body } of receiver.requests) {
      assert.deepEqual(body, first?.body);
      assert.equal(headers["x-webhook-request-id"], first?.headers["x-webhook-request-id"]);
      assert.equal(headers["x-webhook-hmac"], createHmac("sha512", "my-secret-key").update(body).digest("hex"));
      const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
      const signature = createHmac("sha256", "my-secret-key").update(signed).digest("base64");
      assert.equal(headers["webhook-signature"], `v1,${signature}`);
    }
    assert.equal(new Set(receiver.requests.map(({ headers }) => headers["webhook-signature"])).size, 3);
  });

  it("does not block later events while it waits for its retry", async () => {
    await using receiver = await openReceiver((response, request) =>
      response.writeHead(eventOf(request) === "evt_1" ? 500 : 200).end(),
    );
    await using alice = await setUp({ url: receiver.origin, retries: { attempts: 1 } });
    await alice.happen("1", "2", "3");
    await receiver.arrived(3);
    await until(() => alice.clock.nextAtMs === epochMs + 2000 && alice.clock.pending === 1);
    alice.clock.advance(2000);
    await receiver.arrived(4);
    await until(() => alice.clock.pending === 0);
    assert.deepEqual(eventsOf(receiver), ["evt_1", "evt_2", "evt_3", "evt_1"]);
  });

  it("is repeated 2 seconds after 30 seconds without an answer", async () => {
    await using receiver = await openReceiver((response) => {
      if (receiver.requests.length > 1) response.end();
    });
    await using alice = await setUp({ url: receiver.origin });
    await alice.happen("1");
    await receiver.arrived(1);
    alice.clock.advance(30_000);
    await until(() => alice.clock.nextAtMs === epochMs + 32_000);
    alice.clock.advance(2000);
    await receiver.arrived(2);
    assert.deepEqual(receiver.requests.map(sentAtMs), [0, 32_000]);
  });

  it("is repeated when a receiver is too busy", async () => {
    const busy = { status: 429, headers: { "Retry-After": "60" } };
    await using receiver = await openReceiver((response) => response.writeHead(busy.status, busy.headers).end());
    await using alice = await setUp({ url: receiver.origin });
    await alice.happen("1");
    await until(() => alice.clock.nextAtMs === epochMs + 60_000);
  });

  it("is never repeated to a receiver that is gone", async () => {
    await using receiver = await openReceiver((response) => response.writeHead(410).end());
    await using alice = await setUp({ url: receiver.origin });
    await alice.happen("1");
    await receiver.arrived(1);
    await until(() => alice.clock.pending === 0);
    alice.clock.advance(86_400_000);
    assert.equal(receiver.requests.length, 1);
  });

  it("disables a gone receiver, tells the others, and is sent once the endpoint is enabled", async () => {
    let status = 410;
    await using gone = await openReceiver((response) => response.writeHead(status).end());
    await using other = await openReceiver();
    await using alice = await setUp({ url: gone.origin }, { url: other.origin, events: ["webhook.disabled"] });
    await alice.happen("1", "2", "3");
    await other.arrived(1);
    const { event, payload } = JSON.parse(other.requests[0]?.body.toString() ?? "");
    assert.equal(event, "webhook.disabled");
    assert.deepEqual([payload.url, payload.reason], [gone.origin, "answered 410"]);
    const failed = async () =>
      (await alice.backend.outbox.deliveries("alice", { state: State.FAILED, limit: 9 })).length;
    while ((await failed()) < 3) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(gone.requests.length, 1);
    const log = new WebhookLog({ backend: alice.backend, clock: alice.clock, random: { ulid: () => "02" } });
    const [endpoint] = (await log.endpoints("alice")).filter(({ health }) => health?.disabledAt);
    const filter = { session: "alice", url: "", endpointId: "", sinceMs: 0 };
    const all = new AllWebhooks(alice.backend);
    assert.equal(await all.resendFailed(filter), 0);
    status = 200;
    await log.enable("alice", endpoint?.id ?? "");
    assert.equal(await all.resendFailed(filter), 3);
    await gone.arrived(4);
    assert.deepEqual(new Set(eventsOf(gone)), new Set(["evt_1", "evt_2", "evt_3"]));
  });

  it("pauses a failing receiver without using up the attempts of waiting deliveries", async () => {
    let status = 500;
    await using receiver = await openReceiver((response) => response.writeHead(status).end());
    await using alice = await setUp({ url: receiver.origin, retries: { attempts: 3 } });
    await alice.happen(...Array.from({ length: 50 }, (_, n) => `${n}`));
    await receiver.arrived(20);
    await until(() => alice.clock.nextAtMs === epochMs + 1000);
    // From here on one at a time, at growing intervals: 1, 2, 4, 8, … seconds.
    for (let seconds = 1, probes = 1; seconds <= 16; seconds *= 2, probes += 1) {
      const before = alice.clock.nowMs();
      alice.clock.advance(seconds * 1000);
      await receiver.arrived(20 + probes);
      await until(() => (alice.clock.nextAtMs ?? 0) === before + seconds * 3000);
      assert.equal(receiver.requests.length, 20 + probes);
    }
    status = 200;
    alice.clock.advance(32_000);
    await until(async () => (await alice.backend.outbox.queueStats()).pending === 0);
    while ((await alice.backend.outbox.queueStats()).retrying > 0) {
      alice.clock.advance(2000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const delivered = await alice.backend.outbox.deliveries("alice", { state: State.DELIVERED, limit: 100 });
    assert.equal(delivered.length, 50);
  });

  it("pauses all deliveries to a receiver that is too busy", async () => {
    let status = 503;
    await using receiver = await openReceiver((response) => response.writeHead(status, { "Retry-After": "20" }).end());
    await using alice = await setUp({ url: receiver.origin });
    await alice.happen("1", "2", "3");
    await until(() => alice.clock.nextAtMs === epochMs + 20_000);
    assert.equal(receiver.requests.length, 1);
    status = 200;
    alice.clock.advance(20_000);
    await receiver.arrived(4);
    await until(() => alice.clock.pending === 0);
    assert.deepEqual(new Set(eventsOf(receiver)), new Set(["evt_1", "evt_2", "evt_3"]));
  });

  it("is logged with every attempt", async () => {
    const statuses = [500, 200];
    await using receiver = await openReceiver((response) => response.writeHead(statuses.shift() ?? 200).end());
    const closed = await openReceiver();
    await closed[Symbol.asyncDispose]();
    await using alice = await setUp({ url: receiver.origin }, { url: closed.origin, retries: { attempts: 0 } });
    await alice.happen("1");
    await until(() => alice.clock.nextAtMs === epochMs + 2000);
    alice.clock.advance(2000);
    await receiver.arrived(2);
    await until(async () => alice.clock.pending === 0 && (await alice.backend.outbox.queueStats()).retrying === 0);
    const deliveries = await alice.backend.outbox.deliveries("alice", { limit: 9 });
    const shown = deliveries.map((one) => ({
      state: State[stateOf(one)],
      reason: one.reason,
      log: one.log.map(({ status, error, time, nextAttemptAt }) => [
        status,
        error,
        time && timestampMs(time) - epochMs,
        nextAttemptAt && timestampMs(nextAttemptAt) - epochMs,
      ]),
    }));
    const ended = shown.toSorted((a, b) => (a.state < b.state ? -1 : 1));
    assert.deepEqual(ended, [
      {
        state: "DELIVERED",
        reason: "",
        log: [
          [500, "", 0, 2000],
          [200, "", 2000, undefined],
        ],
      },
      { state: "FAILED", reason: "connection refused", log: [[0, "connection refused", 0, undefined]] },
    ]);
  });

  it("passes the reference verifier of Standard Webhooks with the new and the former key", async () => {
    await using receiver = await openReceiver();
    const keys = ["my-secret-key", `whsec_${Buffer.from("a key as the specification writes it").toString("base64")}`];
    await using alice = await setUp(
      { url: `${receiver.origin}/both`, hmac: { key: keys[1] ?? "", previousKey: keys[0] ?? "" } },
      { url: `${receiver.origin}/one`, hmac: { key: keys[0] ?? "" } },
    );
    alice.clock.advance(Date.now() - alice.clock.nowMs());
    await alice.happen("1", "2");
    await receiver.arrived(4);
    for (const { path, headers, body } of receiver.requests) {
      const names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
      const signed = Object.fromEntries(names.map((name) => [name, String(headers[name])]));
      const verify = (key: string) =>
        new Verifier(key, key.startsWith("whsec_") ? undefined : { format: "raw" }).verify(body.toString(), signed);
      for (const key of path === "/both" ? keys : keys.slice(0, 1))
        assert.deepEqual(verify(key), JSON.parse(body.toString()));
      assert.throws(() => verify("another-key"));
      const current = path === "/both" ? keys[1] : keys[0];
      assert.equal(
        headers["x-webhook-hmac"],
        createHmac("sha512", current ?? "")
          .update(body)
          .digest("hex"),
      );
    }
  });

  it("is independent for each endpoint: one that hangs, one that refuses, one that works", async () => {
    await using hanging = await openReceiver(() => {});
    await using working = await openReceiver();
    const refusing = await openReceiver();
    await refusing[Symbol.asyncDispose]();
    await using alice = await setUp({ url: hanging.origin }, { url: refusing.origin }, { url: working.origin });
    await alice.happen("1", "2", "3");
    await working.arrived(3);
    await hanging.arrived(1);
    await until(() => alice.clock.nextAtMs === epochMs + 2000);
    assert.deepEqual(eventsOf(hanging), ["evt_1"]);
  });
});
