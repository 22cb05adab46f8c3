import assert from "node:assert/strict";
import { it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { EndpointHealthSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  arrival,
  createSession,
  endpointOf,
  type OpenBackend,
  openFixture,
  quiet,
  Reader,
  recordOf,
} from "./backend-fixtures.ts";

const healthOf = (init: MessageInitShape<typeof EndpointHealthSchema>) => create(EndpointHealthSchema, init);

/** Contract for the health of endpoints, and the pauses that follow from it. */
export function healthContract(open: OpenBackend): void {
  it("a paused endpoint gets nothing until it is due, then one at a time until it is healthy", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    await createSession(backend, "alice", ["ill"], 6);
    await createSession(backend, "bob", ["well"], 1);
    const reader = new Reader(backend.outbox.claims(signal));
    const claims = [];
    for (let n = 0; n < 5; n += 1) {
      const claim = await reader.next();
      if (claim.endpoint.id === "ill") await claim.retry(100);
      else claims.push(claim);
    }
    const failing = await reader.next();
    const sparedUntil = timestampFromMs(clock.nowMs() + 5000);
    await failing.retry(100, { health: healthOf({ failures: 1, sparedUntil }) });
    assert.equal(failing.endpoint.health?.failures, 1);
    const next = arrival(reader.next());
    clock.advance(4999);
    await quiet(backend);
    assert.equal(next.arrived, false);
    clock.advance(1);
    const probe = await next.promise;
    const second = arrival(reader.next());
    await quiet(backend);
    assert.equal(second.arrived, false);
    await probe.retry(0, { health: healthOf({ failures: 2, sparedUntil: timestampFromMs(clock.nowMs() + 10_000) }) });
    await quiet(backend);
    assert.equal(second.arrived, false);
    clock.advance(10_000);
    await (await second.promise).done({ health: null });
    assert.equal(probe.endpoint.health, undefined);
    // All waiting deliveries come at once, without a lost attempt.
    const rest = await reader.take(5);
    assert.ok(rest.every(({ delivery }) => delivery.attempts <= 2));
    for (const claim of [...rest, ...claims]) await claim.done();
    assert.equal(clock.pending, 0);
  });

  it("an endpoint's health survives a change of configuration and is deleted with its URL", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", ["one"], 1);
    const disabled = healthOf({ disabledAt: timestampFromMs(1), disabledReason: "answered 410" });
    await (await new Reader(backend.outbox.claims(signal)).next()).giveUp("answered 410", { health: disabled });
    const [endpoint] = await backend.outbox.endpoints("alice");
    assert.deepEqual(endpoint, { ...endpointOf("one"), health: disabled });
    await backend.sessions.commit(lease, {
      record: recordOf("alice"),
      events: [],
      endpoints: [endpointOf("one"), endpointOf("two")],
    });
    const after = await backend.outbox.endpoints("alice");
    assert.deepEqual(
      new Map(after.map(({ id, health }) => [id, health])),
      new Map([
        ["one", disabled],
        ["two", undefined],
      ]),
    );
    await backend.sessions.commit(lease, {
      record: recordOf("alice"),
      events: [],
      endpoints: [endpointOf("one", "http://moved.test/")],
    });
    assert.equal((await backend.outbox.endpoints("alice")).find(({ id }) => id === "one")?.health, undefined);
  });

  it("a new configuration enables disabled endpoints and leaves the health of others", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", ["off", "failing"], 1);
    const disabled = healthOf({ failures: 1, disabledAt: timestampFromMs(1), disabledReason: "answered 410" });
    const failing = healthOf({ failures: 3 });
    const reader = new Reader(backend.outbox.claims(signal));
    for (const claim of await reader.take(2)) {
      const health = claim.endpoint.id === "off" ? disabled : failing;
      await claim.giveUp("failed", { health });
    }
    const endpoints = [endpointOf("off"), endpointOf("failing")];
    const healths = async () =>
      Object.fromEntries((await backend.outbox.endpoints("alice")).map(({ id, health }) => [id, health]));
    await backend.sessions.commit(lease, { record: recordOf("alice"), events: [], endpoints });
    assert.deepEqual(await healths(), { off: disabled, failing });
    await backend.sessions.commit(lease, { record: recordOf("alice"), events: [], endpoints, isReconfigured: true });
    assert.deepEqual(await healths(), { off: undefined, failing });
  });

  it("a caller can declare an endpoint healthy", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    await createSession(backend, "alice", ["one"], 2);
    const reader = new Reader(backend.outbox.claims(signal));
    const sparedUntil = timestampFromMs(clock.nowMs() + 60_000);
    await (await reader.next()).retry(0, { health: healthOf({ failures: 9, sparedUntil }) });
    const next = arrival(reader.next());
    await quiet(backend);
    assert.equal(next.arrived, false);
    assert.deepEqual(await backend.outbox.setHealth("alice", "one", undefined), endpointOf("one"));
    assert.equal((await next.promise).endpoint.health, undefined);
    assert.equal(await backend.outbox.setHealth("alice", "two", undefined), undefined);
    assert.deepEqual(await backend.outbox.endpoints("nobody"), []);
  });

  it("many failing endpoints leave room for healthy ones", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    const names = Array.from({ length: 40 }, (_, n) => `ill-${n}`);
    for (const name of names) await createSession(backend, name, ["one"], 6);
    const reader = new Reader(backend.outbox.claims(signal));
    for (let n = 0; n < 240; n += 1) await (await reader.next()).retry(1000);
    clock.advance(1000);
    // Eight of each endpoint would be 240; at most 128 are claimed in total.
    const held = await reader.take(128);
    const next = arrival(reader.next());
    await quiet(backend);
    assert.equal(next.arrived, false);
    await createSession(backend, "well", ["one"], 1);
    const { delivery } = await next.promise;
    assert.equal(delivery.event?.session, "well");
    for (const claim of held) await claim.done();
  });
}
