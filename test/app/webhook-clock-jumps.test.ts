import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { SessionRecordSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { EventSchema } from "../../gen/sessiond/v1/event_pb.js";
import { WebhookConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { openMemoryBackend } from "../../src/adapters/memory/backend.ts";
import { nodeSigner } from "../../src/adapters/node/signer.ts";
import { createLogger } from "../../src/adapters/pino/logger.ts";
import { deliveryView, endpointView } from "../../src/api/webhook-service.ts";
import { WebhookDispatcher } from "../../src/app/webhook-dispatcher.ts";
import type { AttemptOutcome } from "../../src/domain/delivery.ts";
import { endpointIdsFor, endpointsOf } from "../../src/domain/delivery.ts";
import type { WebhookRequest } from "../../src/ports/webhook.ts";
import { jumps } from "../support/clock-jumps.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { settle } from "./harness.ts";

const dayMs = 86_400_000;

/** Opens a session with one endpoint that answers `outcome`, and a running dispatcher. */
async function setUp(t: TestContext, outcome: AttemptOutcome, delaySeconds = 60) {
  const clock = new FakeClock();
  const backend = openMemoryBackend({ clock });
  const posted: WebhookRequest[] = [];
  const dispatcher = new WebhookDispatcher({
    outbox: backend.outbox,
    sender: {
      async post(request) {
        posted.push(request);
        return outcome;
      },
      close: async () => {},
    },
    clock,
    random: { unit: () => 0.5, ulid: () => "01" },
    logger: createLogger({ level: "silent", format: "JSON" }),
    environment: { version: "0.1.0", tier: "PLUS", browser: null },
    signer: nodeSigner,
  });
  t.after(async () => {
    await dispatcher.stop(0);
    await backend.upkeep.close();
  });
  const retries = { policy: "constant", delaySeconds, attempts: 1_000 };
  const config = create(WebhookConfigSchema, { url: "http://a.test/hook", events: ["*"], retries });
  const endpoints = endpointsOf([config], undefined);
  const lease = await backend.sessions.acquire("alice");
  const happen = async (count: number) => {
    const events = Array.from({ length: count }, (_, n) => {
      const time = timestampFromMs(clock.wallMs());
      const event = create(EventSchema, { id: `evt_${n}`, name: "session.status", session: "alice", time });
      return { event, endpointIds: endpointIdsFor(event.name, endpoints) };
    });
    await backend.sessions.commit(lease, { record: create(SessionRecordSchema, { name: "alice" }), events, endpoints });
    await settle();
  };
  dispatcher.start();
  return {
    clock,
    posted,
    happen,
    async advance(ms: number) {
      clock.advance(ms);
      await settle();
    },
    async delivery() {
      const [delivery] = await backend.outbox.deliveries("alice", { limit: 1 });
      assert.ok(delivery);
      return deliveryView({ session: "alice", delivery, endpoint: undefined }, clock);
    },
    async endpoint() {
      const [endpoint] = await backend.outbox.endpoints("alice");
      assert.ok(endpoint);
      return endpointView("alice", endpoint, clock);
    },
  };
}

for (const [name, jumpMs] of jumps) {
  describe(`webhooks when the clock is set ${name}`, () => {
    it("are retried after their delay, and shown so", async (t) => {
      const { clock, posted, happen, advance, delivery } = await setUp(t, { type: "answered", status: 500 });
      await happen(1);
      clock.jumpWall(jumpMs);
      const { nextAttemptAt } = await delivery();
      assert.equal(nextAttemptAt && timestampMs(nextAttemptAt) - clock.wallMs(), 60_000);
      await advance(59_999);
      assert.equal(posted.length, 1);
      await advance(1);
      assert.equal(posted.length, 2);
      const { attempts } = await delivery();
      const [first, second] = attempts.map(({ time }) => time && timestampMs(time));
      assert.equal((second ?? 0) - (first ?? 0), jumpMs + 60_000);
      assert.equal(posted[1]?.headers["X-Webhook-Timestamp"], String(second));
      assert.deepEqual(
        attempts.map(({ latencyMs }) => latencyMs),
        [0, 0],
      );
    });

    it("are paused as long as their receiver has asked", async (t) => {
      const { clock, posted, happen, advance, endpoint } = await setUp(
        t,
        { type: "answered", status: 429, retryAfterMs: 120_000 },
        1,
      );
      await happen(1);
      clock.jumpWall(jumpMs);
      await happen(1);
      const { sparedUntil } = await endpoint();
      assert.equal(sparedUntil && timestampMs(sparedUntil) - clock.wallMs(), 120_000);
      await advance(119_999);
      assert.equal(posted.length, 1);
      await advance(1);
      assert.equal(posted.length, 2);
    });

    it("disable an endpoint after five days of failures, no sooner", async (t) => {
      const { clock, happen, advance, endpoint } = await setUp(t, { type: "failed", error: "refused" }, dayMs / 1_000);
      await happen(1);
      for (let day = 1; day <= 4; day += 1) {
        clock.jumpWall(jumpMs);
        await advance(dayMs);
        assert.equal((await endpoint()).disabled, false, `day ${day}`);
      }
      const { failingSince } = await endpoint();
      assert.equal(failingSince && clock.wallMs() - timestampMs(failingSince), 4 * dayMs);
      await advance(dayMs);
      const { disabled, disabledAt } = await endpoint();
      assert.equal(disabled, true);
      assert.equal(disabledAt && timestampMs(disabledAt), clock.wallMs());
    });
  });
}
