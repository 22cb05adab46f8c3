import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, createClient, createRouterTransport } from "@connectrpc/connect";
import { ServerService } from "../../gen/sessiond/v1/server_service_pb.js";
import { reporting } from "../../src/api/interceptors.ts";
import { createServerService } from "../../src/api/server-service.ts";
import type { Serving } from "../../src/api/serving-state.ts";
import { epochMs, FakeClock } from "../support/fake-clock.ts";
import { quietOverview } from "./quiet-overview.ts";

function serve(state: Serving = "serving", browser?: string) {
  const clock = new FakeClock();
  const service = createServerService({
    version: "1.2.3",
    engine: "NOWEB",
    browser: async () => browser,
    workerId: "w1",
    nodeList: { self: "a", nodes: async () => [] },
    startedAtMs: epochMs,
    pendingUnlinks: () => 0,
    overview: quietOverview,
    serving: { current: async () => state },
    clock,
  });
  const interceptors = [reporting({ logger: { debug() {}, error() {} }, nowMs: () => clock.nowMs() })];
  const transport = createRouterTransport((router) => router.service(ServerService, service, { interceptors }));
  return { client: createClient(ServerService, transport), clock };
}

describe("the server", () => {
  it("answers a ping and names its version and engine", async () => {
    const { client } = serve();
    assert.equal((await client.ping({})).message, "pong");
    const { version, engine, tier, browser } = await client.getVersion({});
    assert.deepEqual([version, engine, tier, browser], ["1.2.3", "NOWEB", "PLUS", undefined]);
    const withBrowser = serve("serving", "/usr/bin/chromium");
    assert.equal((await withBrowser.client.getVersion({})).browser, "/usr/bin/chromium");
  });

  it("shows its start time", async () => {
    const { client, clock } = serve();
    clock.advance(1_500);
    const { startTimestamp, uptime, worker } = await client.getServerStatus({});
    assert.deepEqual([startTimestamp, uptime, worker?.id], [epochMs, 1_500, "w1"]);
  });

  it("is healthy while it serves", async () => {
    const { status, details } = await serve().client.checkHealth({});
    assert.deepEqual([status, details.store?.status], ["ok", "up"]);
  });

  for (const [state, rawMessage] of [
    ["store_unavailable", "The store takes no writes"],
    ["draining", "The server is shutting down"],
  ] as const) {
    it(`is UNAVAILABLE in the state ${state}`, async () => {
      await assert.rejects(serve(state).client.checkHealth({}), { rawMessage, code: Code.Unavailable });
    });
  }
});
