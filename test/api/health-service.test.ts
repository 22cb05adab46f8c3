import assert from "node:assert/strict";
import { it } from "node:test";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../../gen/health/v1/health_pb.js";
import { createHealthService } from "../../src/api/health-service.ts";
import { ServingState } from "../../src/api/serving-state.ts";
import { FakeClock } from "../support/fake-clock.ts";

function open() {
  const clock = new FakeClock();
  const store = { checks: 0, isUp: true };
  const checkStore = async () => {
    store.checks += 1;
    if (!store.isUp) throw new Error("the disk is full");
  };
  const state = new ServingState({ clock, checkStore, logger: { info() {}, error() {} } });
  const transport = createRouterTransport((router) => router.service(Health, createHealthService(state, ["a.B"])));
  return { clock, store, state, health: createClient(Health, transport) };
}

it("health is the store's, at most 1 s old", async () => {
  const { clock, store, health } = open();
  assert.equal((await health.check({})).status, ServingStatus.SERVING);
  store.isUp = false;
  assert.equal((await health.check({ service: "a.B" })).status, ServingStatus.SERVING);
  assert.equal(store.checks, 1);
  clock.advance(1_000);
  assert.equal((await health.check({})).status, ServingStatus.NOT_SERVING);
  const { statuses } = await health.list({});
  assert.deepEqual(
    Object.entries(statuses).map(([name, { status }]) => [name, status]),
    [
      ["", ServingStatus.NOT_SERVING],
      ["a.B", ServingStatus.NOT_SERVING],
    ],
  );
});

it("an unknown service is NOT_FOUND to check, and SERVICE_UNKNOWN to watch", async () => {
  const { health, clock } = open();
  await assert.rejects(health.check({ service: "x" }), (error) => ConnectError.from(error).code === Code.NotFound);
  const controller = new AbortController();
  const watched = health.watch({ service: "x" }, { signal: controller.signal })[Symbol.asyncIterator]();
  assert.equal((await watched.next()).value?.status, ServingStatus.SERVICE_UNKNOWN);
  controller.abort();
  await watched.next().catch(() => {});
  assert.equal(clock.pending, 0);
});

it("a watcher gets each change once, and the draining of the server at once", async () => {
  const { health, state, store, clock } = open();
  const controller = new AbortController();
  const watched = health.watch({}, { signal: controller.signal })[Symbol.asyncIterator]();
  const next = async () => (await watched.next()).value?.status;
  assert.equal(await next(), ServingStatus.SERVING);
  store.isUp = false;
  const failing = next();
  while (clock.pending === 0) await new Promise(setImmediate);
  clock.advance(5_000);
  assert.equal(await failing, ServingStatus.NOT_SERVING);
  store.isUp = true;
  const better = next();
  while (clock.pending === 0) await new Promise(setImmediate);
  clock.advance(5_000);
  assert.equal(await better, ServingStatus.SERVING);
  const draining = next();
  while (clock.pending === 0) await new Promise(setImmediate);
  state.drain();
  assert.equal(await draining, ServingStatus.NOT_SERVING);
  controller.abort();
  await watched.next().catch(() => {});
});
