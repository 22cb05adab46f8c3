import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { DeliverySchema, EndpointSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { nodeSigner } from "../../src/adapters/node/signer.ts";
import { WebhookDispatcher } from "../../src/app/webhook-dispatcher.ts";
import type { Claim } from "../../src/ports/outbox.ts";
import type { Logger } from "../../src/ports/system.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FakeStanding } from "../support/fake-standing.ts";
import { settle } from "./harness.ts";

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** Starts a dispatcher that has three claims to carry. */
function start(t: TestContext, standing: FakeStanding) {
  const log: string[] = [];
  const claimOf = (id: string): Claim => ({
    delivery: create(DeliverySchema, { id, event: { id: "evt_1", name: "session.status", session: "alice" } }),
    endpoint: create(EndpointSchema, { id: "ep_1", config: { url: "http://a.test/hook" } }),
    done: async () => void log.push(`${id} done`),
    retry: async () => void log.push(`${id} retry`),
    giveUp: async () => void log.push(`${id} given up`),
  });
  async function* claims(signal: AbortSignal): AsyncIterable<Claim> {
    for (const id of ["1", "2", "3"]) yield claimOf(id);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  }
  const dispatcher = new WebhookDispatcher({
    outbox: { claims, endpoints: async () => [] },
    sender: {
      post: async () => {
        log.push("posted");
        return { type: "answered", status: 200 };
      },
      close: async () => {},
    },
    clock: new FakeClock(),
    random: { unit: () => 0, ulid: () => "" },
    logger: silent,
    signer: nodeSigner,
    environment: { version: "1", tier: "PLUS", browser: null },
    standing,
  });
  t.after(() => dispatcher.stop(0));
  dispatcher.start();
  return { dispatcher, log };
}

describe("webhooks of a frozen node", () => {
  it("are sent after its thaw, and not before", async (t) => {
    const standing = new FakeStanding();
    standing.freeze();
    const { log } = start(t, standing);
    await settle();
    assert.deepEqual(log, []);
    standing.thaw();
    await settle();
    assert.deepEqual(log.toSorted(), ["1 done", "2 done", "3 done", "posted", "posted", "posted"]);
  });

  it("are left to the new owner if the sessions were taken", async (t) => {
    const standing = new FakeStanding();
    standing.freeze();
    const { log } = start(t, standing);
    await settle();
    standing.lose();
    await settle();
    assert.deepEqual(log, []);
  });

  it("hold no stop up, and stay unsettled", async (t) => {
    const standing = new FakeStanding();
    standing.freeze();
    const { dispatcher, log } = start(t, standing);
    await settle();
    await dispatcher.stop();
    assert.deepEqual(log, []);
  });
});
