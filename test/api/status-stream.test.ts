import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { SessionRecord_Phase as Phase, SessionRecordSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { type Event, EventSchema } from "../../gen/sessiond/v1/event_pb.js";
import { Session_StatusReason as Reason, Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import {
  StatusStreamResponse_Kind as Kind,
  StatusStreamResponseSchema,
} from "../../gen/sessiond/v1/session_service_pb.js";
import { changeItem, snapshotItem, statusStream } from "../../src/api/status-stream.ts";
import { SessionError } from "../../src/domain/errors.ts";

const atMs = 1_767_225_600_000;
const time = "2026-01-01T00:00:00Z";
const me = { id: "7911@c.us", pushName: "Alice" };
const record = (name: string, phase = Phase.WORKING) => create(SessionRecordSchema, { name, phase, me });
const event = (seq: bigint, more: MessageInitShape<typeof EventSchema>): Event =>
  create(EventSchema, { seq, time: timestampFromMs(atMs), name: "session.status", session: "alice", ...more });
const status = (status: Status, statusReason = Reason.STATUS_REASON_UNSPECIFIED) =>
  ({ payload: { case: "sessionStatus", value: { status, statusReason } } }) as const;

suite("an item of the status stream", () => {
  test("a snapshot tells the state and the place in the log", () => {
    assert.deepEqual(toJson(StatusStreamResponseSchema, snapshotItem(record("alice"), 7n, atMs)), {
      kind: "KIND_SNAPSHOT",
      seq: "7",
      time,
      name: "alice",
      status: "WORKING",
      me,
    });
  });

  test("a change tells what the event told", () => {
    const item = changeItem(event(8n, { me, ...status(Status.FAILED, Reason.BANNED) }));
    assert.ok(item);
    assert.deepEqual(toJson(StatusStreamResponseSchema, item), {
      kind: "KIND_CHANGE",
      seq: "8",
      time,
      name: "alice",
      status: "FAILED",
      statusReason: "BANNED",
      me,
    });
  });

  test("a removal is told as DELETED; other events tell nothing", () => {
    assert.equal(changeItem(event(9n, { name: "session.deleted" }))?.kind, Kind.DELETED);
    assert.equal(changeItem(event(9n, { name: "message", payload: { case: "message", value: {} } })), undefined);
  });
});

suite("the stream of statuses", () => {
  /** A manager with this past; it ends as if the server stopped. */
  function source(records: string[], log: Event[]) {
    const asked: (string | undefined | bigint)[] = [];
    return {
      asked,
      snapshot: async (name: string) => ({
        record: records.includes(name) ? record(name) : undefined,
        pairing: undefined,
        seq: 5n,
      }),
      snapshotAll: async () => ({ records: records.map((name) => record(name)), seq: 5n }),
      events: async function* (session: string | undefined, afterSeq: bigint) {
        asked.push(session, afterSeq);
        yield* log;
      },
    };
  }

  async function read(from: ReturnType<typeof source>, session: string) {
    const items: string[] = [];
    const { signal } = new AbortController();
    const end = await (async () => {
      for await (const { kind, seq, name } of statusStream(from, session, () => atMs, signal)) {
        items.push(`${Kind[kind]} ${seq} ${name}`);
      }
    })().catch((error: unknown) => (error instanceof SessionError ? error.reason : error));
    return { items, end };
  }

  const change = (seq: bigint, session: string) => event(seq, { session, ...status(Status.STARTING) });
  const removal = (seq: bigint, session: string) => event(seq, { session, name: "session.deleted" });

  test("that of one session begins with its state, goes on after it, and ends when it is deleted", async () => {
    const from = source(["alice"], [change(6n, "alice"), removal(7n, "alice"), change(8n, "alice")]);
    const { items, end } = await read(from, "alice");
    assert.deepEqual(items, ["SNAPSHOT 5 alice", "CHANGE 6 alice", "DELETED 7 alice"]);
    assert.equal(end, undefined);
    assert.deepEqual(from.asked, ["alice", 5n]);
  });

  test("that of all goes on over a deletion and shows sessions that come later", async () => {
    const from = source(["alice", "bob"], [removal(6n, "alice"), change(7n, "carol")]);
    const { items, end } = await read(from, "");
    assert.deepEqual(items, ["SNAPSHOT 5 alice", "SNAPSHOT 5 bob", "DELETED 6 alice", "CHANGE 7 carol"]);
    assert.equal(end, "SHUTTING_DOWN");
    assert.deepEqual(from.asked, [undefined, 5n]);
  });

  test("a session that does not exist is not waited for", async () => {
    assert.deepEqual(await read(source([], []), "alice"), { items: [], end: "SESSION_NOT_FOUND" });
  });
});
