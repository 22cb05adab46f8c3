import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { SessionRecord_Phase as Phase, SessionRecordSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { Session_DesiredState as Desired, Engine_Kind } from "../../gen/sessiond/v1/session_pb.js";
import { me, messageOf, openHarness, settle } from "./harness.ts";

/** A session as the former version wrote it, with its messages in its record. */
const former = create(SessionRecordSchema, {
  name: "alice",
  engine: Engine_Kind.NOWEB,
  phase: Phase.WORKING,
  desiredState: Desired.RUNNING,
  revision: 1,
  recentMessages: ["one", "two"],
  lastMessageAt: timestampFromMs(5_000),
});

describe("a session whose messages were logged in its record", () => {
  it("does not report them again, and tells its engine where to go on", async (t) => {
    const { backend, manager, engine, events } = openHarness(t);
    const lease = await backend.sessions.acquire("alice");
    await backend.sessions.commit(lease, { record: former, events: [] });
    await manager.boot();
    assert.equal(engine().reportedUntilMs, 5_000);
    engine().report({ type: "opened", me });
    for (const id of ["one", "three", "two"]) engine().report({ type: "message", message: messageOf(id, 6) });
    await settle();
    const messages = (await events("alice")).filter(({ name }) => name === "message");
    assert.deepEqual(
      messages.map(({ payload }) => payload.case === "message" && payload.value.id),
      ["three"],
    );
  });

  it("has them carried over by its first write", async (t) => {
    const { backend, manager } = openHarness(t);
    const lease = await backend.sessions.acquire("alice");
    await backend.sessions.commit(lease, { record: former, events: [] });
    await manager.boot();
    const { record } = await backend.sessions.get("alice");
    assert.deepEqual([record?.recentMessages, record?.lastMessageAt], [[], undefined]);
    assert.deepEqual((await backend.sessions.messages("alice"))?.reported, ["one", "two"]);
  });
});

it("a message is written without its session's record, and known to the next process", async (t) => {
  const { backend, start, engine, reopen, engines, events } = openHarness(t);
  await start();
  engine().report({ type: "opened", me });
  await settle();
  const before = await backend.sessions.get("alice");
  engine().report({ type: "message", message: messageOf("one", 7) });
  await settle();
  assert.deepEqual((await backend.sessions.get("alice")).record, before.record);
  await reopen().boot();
  assert.equal(engines.length, 2);
  assert.equal(engine().reportedUntilMs, 7_000);
  engine().report({ type: "message", message: messageOf("one", 7) });
  await settle();
  assert.equal((await events("alice")).filter(({ name }) => name === "message").length, 1);
});
