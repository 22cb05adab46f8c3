import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { ServerService } from "../../gen/sessiond/v1/server_service_pb.js";
import { reporting } from "../../src/api/interceptors.ts";
import { createServerService } from "../../src/api/server-service.ts";
import { epochMs, FakeClock } from "../support/fake-clock.ts";

function serve(checkStore: () => Promise<void>, browser?: string) {
  const clock = new FakeClock();
  const errors: string[] = [];
  const logger = { debug: () => {}, error: (_: object, message: string) => void errors.push(message) };
  const facts = {
    version: "1.2.3",
    engine: "NOWEB",
    browser: async () => browser,
    workerId: "w1",
    startedAtMs: epochMs,
    pendingUnlinks: () => 0,
  };
  const service = createServerService({ ...facts, checkStore, clock, logger });
  const interceptors = [reporting({ logger, nowMs: () => clock.nowMs() })];
  const transport = createRouterTransport((router) => router.service(ServerService, service, { interceptors }));
  return { client: createClient(ServerService, transport), clock, errors };
}

const sick = { name: "ConnectError", rawMessage: "The store takes no writes", code: 14 };

describe("the server", () => {
  it("answers a ping and names its version and engine", async () => {
    const { client } = serve(async () => {});
    assert.equal((await client.ping({})).message, "pong");
    const { version, engine, tier, browser } = await client.getVersion({});
    assert.deepEqual([version, engine, tier, browser], ["1.2.3", "NOWEB", "PLUS", undefined]);
    const withBrowser = serve(async () => {}, "/usr/bin/chromium");
    assert.equal((await withBrowser.client.getVersion({})).browser, "/usr/bin/chromium");
  });

  it("shows its start time", async () => {
    const { client, clock } = serve(async () => {});
    clock.advance(1_500);
    const { startTimestamp, uptime, worker } = await client.getServerStatus({});
    assert.deepEqual([startTimestamp, uptime, worker?.id], [epochMs, 1_500, "w1"]);
  });

  it("is healthy when the store takes writes", async () => {
    const { client, clock } = serve(async () => {});
    const { status, details } = await client.checkHealth({});
    assert.deepEqual([status, details.store?.status], ["ok", "up"]);
    assert.equal(clock.pending, 0);
  });

  it("is UNAVAILABLE when the store refuses, and only the log has the reason", async () => {
    const { client, errors } = serve(() => Promise.reject(new Error("disk full")));
    await assert.rejects(client.checkHealth({}), sick);
    assert.deepEqual(errors, ["the store takes no writes"]);
  });

  it("is UNAVAILABLE when the store does not answer", async () => {
    const asked = Promise.withResolvers<void>();
    const { client, clock } = serve(() => {
      asked.resolve();
      return new Promise(() => {});
    });
    const health = client.checkHealth({});
    await asked.promise;
    // The deadline is set synchronously with the call.
    clock.advance(60_000);
    await assert.rejects(health, sick);
  });
});
