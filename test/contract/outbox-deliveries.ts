import assert from "node:assert/strict";
import { it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  WebhookDelivery_State as State,
  type WebhookAttempt,
  WebhookAttemptSchema,
} from "../../gen/sessiond/v1/webhook_pb.js";
import { stateOf } from "../../src/domain/delivery.ts";
import type { Backend } from "../../src/ports/backend.ts";
import type { Claim, DeliveryQuery } from "../../src/ports/outbox.ts";
import {
  createSession,
  endpointOf,
  eventOf,
  newEvent,
  type OpenBackend,
  openFixture,
  Reader,
  recordOf,
  seqOf,
} from "./backend-fixtures.ts";

const attemptAt = (nowMs: number, status: number): WebhookAttempt =>
  create(WebhookAttemptSchema, { time: timestampFromMs(nowMs), status, latencyMs: 7 });

/** Lists seqs, states and endpoints of deliveries as short texts. */
const shown = async (backend: Backend, query: Partial<DeliveryQuery> = {}) =>
  (await backend.outbox.deliveries("alice", { limit: 100, ...query })).map(
    (one) => `${one.event?.seq} ${one.endpointId} ${State[stateOf(one)]}`,
  );

const nameOf = (claim: Claim) => ({ seq: seqOf(claim), endpointId: claim.delivery.endpointId });

/** Contract for the delivery log and for resending deliveries. */
export function deliveriesContract(open: OpenBackend): void {
  it("a delivery is shown from its event to its end, with every attempt", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    const { events } = await createSession(backend, "alice", ["one"], 1);
    const reader = new Reader(backend.outbox.claims(signal));
    const claim = await reader.next();
    const name = nameOf(claim);
    const look = async () => {
      const found = await backend.outbox.delivery("alice", name);
      assert.ok(found);
      assert.equal(found.id, claim.delivery.id);
      return found;
    };
    assert.equal(stateOf(await look()), State.PENDING);
    const first = attemptAt(clock.nowMs(), 500);
    await claim.retry(1000, { attempt: first });
    const retrying = await look();
    assert.deepEqual([stateOf(retrying), retrying.attempts, retrying.log], [State.RETRYING, 1, [first]]);
    assert.deepEqual(retrying.event, events[0]);
    clock.advance(1000);
    const second = attemptAt(clock.nowMs(), 200);
    await (await reader.next()).done({ attempt: second });
    const delivered = await look();
    assert.deepEqual([stateOf(delivered), delivered.attempts, delivered.log], [State.DELIVERED, 2, [first, second]]);
    assert.equal(delivered.settledAt && timestampMs(delivered.settledAt), clock.nowMs());
    assert.equal(delivered.dueAt, undefined);
    assert.equal(delivered.event?.name, "session.status");
    assert.equal(await backend.outbox.delivery("alice", { seq: 9n, endpointId: "one" }), undefined);
    assert.equal(await backend.outbox.delivery("bob", name), undefined);
    assert.deepEqual(await backend.outbox.queueStats(), { pending: 0, retrying: 0, oldestMs: undefined });
  });

  it("the sessions with deliveries in a state are known", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    for (const name of ["dora", "carol", "bob", "alice"]) await createSession(backend, name, ["one"], 2);
    await createSession(backend, "none", ["one"]);
    const reader = new Reader(backend.outbox.claims(signal));
    for (const claim of await reader.take(4)) {
      const { session } = claim.delivery.event ?? {};
      if (session === "alice") await claim.done();
      if (session === "bob") await claim.retry(60_000);
      if (session === "carol") await claim.giveUp("answered 400");
    }
    const found = (state: State) => backend.outbox.sessionsWith(state);
    assert.deepEqual(await found(State.PENDING), ["alice", "bob", "carol", "dora"]);
    assert.deepEqual(await found(State.RETRYING), ["bob"]);
    assert.deepEqual(await found(State.DELIVERED), ["alice"]);
    assert.deepEqual(await found(State.FAILED), ["carol"]);
  });

  it("a failed delivery is stored with its event and its reason", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    const { events } = await createSession(backend, "alice", ["one"], 2);
    const reader = new Reader(backend.outbox.claims(signal));
    await (await reader.next()).giveUp("timed out", { attempt: attemptAt(clock.nowMs(), 0) });
    await (await reader.next()).giveUp("the endpoint is disabled");
    const [second, first] = await backend.outbox.deliveries("alice", { limit: 10, state: State.FAILED });
    assert.deepEqual([first?.reason, first?.attempts, first?.event], ["timed out", 1, events[0]]);
    assert.deepEqual([second?.reason, second?.attempts, second?.log], ["the endpoint is disabled", 0, []]);
  });

  it("deliveries are listed newest first, by state, by endpoint and page by page", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    await createSession(backend, "alice", ["one", "two"], 6);
    await createSession(backend, "alicea", ["one"], 2);
    const claims = backend.outbox.claims(signal);
    for await (const claim of claims) {
      if (claim.delivery.event?.session !== "alice") continue;
      const seq = seqOf(claim);
      if (seq === 1n) await claim.done();
      else if (seq === 2n) await claim.retry(5000);
      else if (seq === 3n) await claim.giveUp("no");
      if (seq === 3n && claim.endpoint.id === "two") break;
    }
    const all = await shown(backend);
    const pendings = [
      "6 two PENDING",
      "6 one PENDING",
      "5 two PENDING",
      "5 one PENDING",
      "4 two PENDING",
      "4 one PENDING",
    ];
    assert.deepEqual(all, [
      ...pendings,
      ...["3 two FAILED", "3 one FAILED", "2 two RETRYING", "2 one RETRYING", "1 two DELIVERED", "1 one DELIVERED"],
    ]);
    for (const state of [State.PENDING, State.RETRYING, State.DELIVERED, State.FAILED]) {
      assert.deepEqual(
        await shown(backend, { state }),
        all.filter((line) => line.endsWith(State[state])),
      );
    }
    assert.deepEqual(
      await shown(backend, { endpointId: "two" }),
      all.filter((line) => line.includes(" two ")),
    );
    const paged: string[] = [];
    let before: DeliveryQuery["before"];
    for (;;) {
      const page = await backend.outbox.deliveries("alice", { limit: 5, ...(before && { before }) });
      paged.push(...page.map((one) => `${one.event?.seq} ${one.endpointId} ${State[stateOf(one)]}`));
      const last = page.at(-1);
      if (!last) break;
      before = { seq: last.event?.seq ?? 0n, endpointId: last.endpointId };
    }
    assert.deepEqual(paged, all);
    assert.deepEqual(await shown(backend, { state: State.RETRYING, limit: 1 }), ["2 two RETRYING"]);
  });

  it("a settled delivery can be resent with its id, its event and all its retries", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    const { events } = await createSession(backend, "alice", ["one"], 3);
    const reader = new Reader(backend.outbox.claims(signal));
    const failed = await reader.next();
    await failed.giveUp("timed out", { attempt: attemptAt(clock.nowMs(), 0) });
    const done = await reader.next();
    await done.done();
    const third = await reader.next();
    assert.deepEqual(await backend.outbox.resend("alice", [nameOf(third), { seq: 9n, endpointId: "one" }]), []);
    const resent = await backend.outbox.resend("alice", [nameOf(failed), nameOf(done), nameOf(failed)]);
    assert.deepEqual(new Set(resent.map(({ id }) => id)), new Set([failed.delivery.id, done.delivery.id]));
    assert.deepEqual((await backend.outbox.queueStats()).retrying, 2);
    const again = await reader.take(2);
    for (const claim of again) {
      assert.equal(claim.delivery.attempts, 0);
      assert.deepEqual(claim.delivery.event, events[Number(seqOf(claim)) - 1]);
      assert.equal(stateOf(claim.delivery), State.RETRYING);
    }
    assert.equal(again.find((claim) => claim.delivery.id === failed.delivery.id)?.delivery.log.length, 1);
    for (const claim of again) await claim.done();
    assert.deepEqual(await shown(backend), ["3 one PENDING", "2 one DELIVERED", "1 one DELIVERED"]);
    await third.done();
    assert.equal(clock.pending, 0);
  });

  it("a delivery without an endpoint is not resent", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", ["one", "two"], 1);
    const reader = new Reader(backend.outbox.claims(signal));
    const claims = await reader.take(2);
    for (const claim of claims) await claim.giveUp("no");
    await backend.sessions.commit(lease, { record: recordOf("alice"), events: [], endpoints: [endpointOf("two")] });
    const resent = await backend.outbox.resend("alice", claims.map(nameOf));
    assert.deepEqual(
      resent.map(({ endpointId }) => endpointId),
      ["two"],
    );
    assert.deepEqual(await shown(backend, { state: State.FAILED }), ["1 one FAILED"]);
  });

  it("a removed session's deliveries are deleted, except those under way", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", ["one"], 3);
    const reader = new Reader(backend.outbox.claims(signal));
    await (await reader.next()).giveUp("no");
    await (await reader.next()).done();
    await backend.sessions.remove(lease, []);
    assert.deepEqual(await shown(backend), ["3 one PENDING"]);
    await (await reader.next()).done();
    assert.deepEqual(await shown(backend), []);
  });

  it("events can be logged beside a session's changes, for existing endpoints", async (t) => {
    const { backend, signal } = await openFixture(t, open);
    await createSession(backend, "alice", ["one"], 1);
    const reader = new Reader(backend.outbox.claims(signal));
    const first = await reader.next();
    const [logged] = await backend.outbox.append("alice", [newEvent("alice", "one", "gone")]);
    assert.equal(logged?.seq, 2n);
    assert.deepEqual(await backend.outbox.append("nobody", [newEvent("nobody")]), []);
    await first.retry(1000, { events: [{ event: eventOf("alice", "webhook.disabled"), endpointIds: ["one"] }] });
    const second = await reader.next();
    assert.equal(seqOf(second), 2n);
    await second.done();
    const noted = await reader.next();
    assert.deepEqual([seqOf(noted), noted.delivery.event?.name], [3n, "webhook.disabled"]);
    const log = new Reader(backend.log.events("alice", 1n, signal));
    assert.deepEqual(
      (await log.take(2)).map(({ name }) => name),
      ["session.status", "webhook.disabled"],
    );
  });
}
