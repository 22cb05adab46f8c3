import assert from "node:assert/strict";
import { it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type OutgoingMessage, OutgoingMessageSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { Outgoing_State as State } from "../../gen/sessiond/v1/outgoing_pb.js";
import type { Backend } from "../../src/ports/backend.ts";
import { LeaseLost } from "../../src/ports/sessions.ts";
import type { Limits } from "../../src/ports/upkeep.ts";
import { epochMs } from "../support/fake-clock.ts";
import { createSession, history, newEvent, type OpenBackend, openFixture } from "./backend-fixtures.ts";

const messageOf = (id: string, parts: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
  ...create(OutgoingMessageSchema, {
    id,
    chatId: "1@c.us",
    state: State.QUEUED,
    acceptedAt: timestampFromMs(epochMs),
    content: { kind: { case: "text", value: { text: `text of ${id}` } } },
  }),
  ...parts,
});

const all: Limits = { maxCount: Number.MAX_SAFE_INTEGER, maxAgeMs: Number.MAX_SAFE_INTEGER };
const everything = { events: all, delivered: all, failed: all };

const listed = async ({ outgoing }: Backend, query = {}) =>
  (await outgoing.list("alice", { limit: 100, ...query })).map(({ id }) => id);

/** Contract for the messages that sessions have sent or are to send. */
export function outgoingContract(open: OpenBackend): void {
  it("accepts messages in places from 1, and returns each whole", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const first = await backend.outgoing.accept(lease, messageOf("A"));
    await backend.outgoing.accept(lease, messageOf("B"));
    assert.deepEqual([first.isNew, first.message.place], [true, 1n]);
    assert.deepEqual(await backend.outgoing.get("alice", "A"), first.message);
    assert.equal((await backend.outgoing.get("alice", "B"))?.place, 2n);
    assert.equal(await backend.outgoing.get("alice", "C"), undefined);
    assert.equal(await backend.outgoing.get("bob", "A"), undefined);
  });

  it("accepts an id once, however many calls bring it at once", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const calls = ["A", "A", "B", "A"].map((id) => backend.outgoing.accept(lease, messageOf(id)));
    const accepted = await Promise.all(calls);
    assert.deepEqual(
      accepted.map(({ isNew, message }) => [isNew, message.id, message.place]),
      [
        [true, "A", 1n],
        [false, "A", 1n],
        [true, "B", 2n],
        [false, "A", 1n],
      ],
    );
  });

  it("accepts a key once, and answers with the message that it was used for", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const keyHash = Buffer.from("key");
    await backend.outgoing.accept(lease, messageOf("A", { keyHash }));
    const again = await backend.outgoing.accept(lease, messageOf("B", { keyHash }), { isNewId: true });
    const other = await backend.outgoing.accept(lease, messageOf("C", { keyHash: Buffer.from("other") }));
    assert.equal((await backend.outgoing.getByKey(lease.session, keyHash))?.id, "A");
    assert.equal(await backend.outgoing.getByKey(lease.session, Buffer.from("unknown")), undefined);
    assert.deepEqual([again.isNew, again.message.id, other.isNew], [false, "A", true]);
  });

  it("goes on with the next place under a new lease", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    await backend.outgoing.accept(lease, messageOf("A"));
    const next = await backend.sessions.acquire("alice");
    await assert.rejects(backend.outgoing.accept(lease, messageOf("B")), LeaseLost);
    await assert.rejects(backend.outgoing.write(lease, { messages: [messageOf("A")] }), LeaseLost);
    assert.equal((await backend.outgoing.accept(next, messageOf("C"))).message.place, 2n);
    assert.deepEqual(await listed(backend), ["C", "A"]);
  });

  it("writes a state and its events at once", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice", ["hook"]);
    const { message } = await backend.outgoing.accept(lease, messageOf("A"));
    const event = newEvent("alice", "hook");
    const logged = await backend.outgoing.write(lease, {
      messages: [{ ...message, state: State.SENT }],
      events: [event],
    });
    assert.equal((await backend.outgoing.get("alice", "A"))?.state, State.SENT);
    assert.deepEqual(
      (await history(backend, "alice")).map(({ id, seq }) => [id, seq]),
      [[event.event.id, logged[0]?.seq]],
    );
    assert.equal((await backend.outbox.deliveries("alice", { limit: 10 })).length, 1);
  });

  it("returns the unsent messages in the order of their acceptance", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const accepted = await Promise.all(
      ["A", "B", "C", "D", "E"].map((id) => backend.outgoing.accept(lease, messageOf(id))),
    );
    const states = [State.QUEUED, State.SENT, State.SENDING, State.FAILED, State.WAITING];
    await backend.outgoing.write(lease, {
      messages: accepted.map(({ message }, index) => ({ ...message, state: states[index] ?? State.QUEUED })),
    });
    assert.deepEqual(
      (await backend.outgoing.unsent("alice")).map(({ id }) => id),
      ["A", "C", "E"],
    );
    assert.deepEqual(await backend.outgoing.unsent("bob"), []);
  });

  it("lists the newest first, by state, chat and place", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    for (let n = 1; n <= 250; n += 1) {
      const chatId = n % 2 === 0 ? "even@c.us" : "odd@c.us";
      const state = n <= 3 ? State.SENT : State.QUEUED;
      await backend.outgoing.accept(lease, messageOf(`${n}`, { chatId, state }));
    }
    assert.deepEqual(await listed(backend, { limit: 2 }), ["250", "249"]);
    assert.deepEqual(await listed(backend, { limit: 2, before: 249n }), ["248", "247"]);
    assert.deepEqual(await listed(backend, { states: [State.SENT] }), ["3", "2", "1"]);
    assert.deepEqual(await listed(backend, { states: [State.SENT, State.FAILED], chatId: "odd@c.us" }), ["3", "1"]);
    assert.deepEqual(await listed(backend, { chatId: "nobody@c.us" }), []);
  });

  it("trims finished messages by number and age, and keeps those that are unsent", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const keyHash = Buffer.from("key");
    const trim = (sent: Partial<Limits>) =>
      backend.upkeep.trim({ ...everything, sent: { ...all, ...sent } }, clock.wallMs(), signal);
    await backend.outgoing.accept(lease, messageOf("old", { state: State.SENT, acceptedAt: timestampFromMs(1) }));
    await backend.outgoing.accept(lease, messageOf("old unsent", { acceptedAt: timestampFromMs(1) }));
    for (const id of ["A", "B", "C"]) {
      await backend.outgoing.accept(lease, messageOf(id, { state: State.READ, ...(id === "A" && { keyHash }) }));
    }
    assert.equal(await backend.upkeep.trim(everything, clock.wallMs(), signal), 0);
    assert.equal(await trim({ maxAgeMs: 14 * 86_400_000 }), 1);
    assert.deepEqual(await listed(backend), ["C", "B", "A", "old unsent"]);
    assert.equal(await trim({ maxCount: 2 }), 1);
    assert.deepEqual(await listed(backend), ["C", "B", "old unsent"]);
    assert.equal(await backend.outgoing.get("alice", "A"), undefined);
    assert.equal((await backend.outgoing.accept(lease, messageOf("D", { keyHash, state: State.SENT }))).isNew, true);
    assert.equal(await trim({ maxCount: 2 }), 1);
    assert.deepEqual(await listed(backend), ["D", "C", "old unsent"]);
    assert.deepEqual(
      (await backend.outgoing.unsent("alice")).map(({ id }) => id),
      ["old unsent"],
    );
  });

  it("trims more messages than fit into one write, around those that are unsent", async (t) => {
    const { backend, clock, signal } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    for (let n = 1; n <= 300; n += 1) {
      const state = n === 5 || n === 200 ? State.WAITING : State.FAILED;
      await backend.outgoing.accept(lease, messageOf(`${n}`, { state }));
    }
    const retention = { ...everything, sent: { ...all, maxCount: 10 } };
    await backend.upkeep.trim(retention, clock.wallMs(), signal);
    assert.deepEqual((await listed(backend)).slice(-3), ["291", "200", "5"]);
    assert.equal(await backend.upkeep.trim(retention, clock.wallMs(), signal), 0);
  });

  it("removes them with the session", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const keyHash = Buffer.from("key");
    await backend.outgoing.accept(lease, messageOf("A", { keyHash }));
    await backend.sessions.remove(lease, []);
    assert.deepEqual(await listed(backend), []);
    assert.deepEqual(await backend.outgoing.unsent("alice"), []);
    const again = await createSession(backend, "alice");
    const accepted = await backend.outgoing.accept(again.lease, messageOf("A", { keyHash }));
    assert.deepEqual([accepted.isNew, accepted.message.place], [true, 1n]);
  });
}
