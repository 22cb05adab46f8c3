import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { SessionRecord_Phase as Phase, SessionRecordSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import { type Event, EventSchema } from "../../../gen/sessiond/v1/event_pb.js";
import { Session_StatusReason as Reason, Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import {
  StatusStreamResponse_Kind as Kind,
  StatusStreamRequestSchema,
  StatusStreamResponseSchema,
} from "../../../gen/sessiond/v1/session_service_pb.js";
import { defaultStreamPolicy } from "../../../src/api/streams/live-stream.ts";
import { changeItem, snapshotItem } from "../../../src/api/streams/status-items.ts";
import { statusStream } from "../../../src/api/streams/status-stream.ts";
import { SessionError } from "../../../src/domain/errors.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { allRead, deletion, LogSource, messageEvent, statusEvent } from "./log-source.ts";

const atMs = 1_767_225_600_000;
const time = "2026-01-01T00:00:00Z";
const me = { id: "7911@c.us", pushName: "Alice" };
const itemContext = { clock: new FakeClock(), hasProxyPool: false };
const record = (name: string, phase = Phase.WORKING) => create(SessionRecordSchema, { name, phase, me });
const event = (seq: bigint, more: MessageInitShape<typeof EventSchema>): Event =>
  create(EventSchema, { seq, time: timestampFromMs(atMs), name: "session.status", session: "alice", ...more });
const status = (status: Status, statusReason = Reason.STATUS_REASON_UNSPECIFIED) =>
  ({ payload: { case: "sessionStatus", value: { status, statusReason } } }) as const;

describe("an item of the status stream", () => {
  it("is the state and the position for a snapshot", () => {
    assert.deepEqual(toJson(StatusStreamResponseSchema, snapshotItem(record("alice"), 7n, atMs, itemContext)), {
      kind: "KIND_SNAPSHOT",
      seq: "7",
      time,
      name: "alice",
      status: "WORKING",
      me,
      account: me,
    });
  });

  it("has the event's content for a change", () => {
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
      previousStatus: "FAILED",
    });
  });

  it("marks the change: a new status, or a new code during SCAN_QR_CODE", () => {
    const past = (status: Status, ms: number) => ({ status, time: timestampFromMs(ms) });
    const told = (now: Status, statuses: ReturnType<typeof past>[]) => {
      const item = changeItem(event(8n, { payload: { case: "sessionStatus", value: { status: now, statuses } } }));
      return [Status[item?.previousStatus ?? 0], ...(item?.changed ?? [])];
    };
    const { STARTING, SCAN_QR_CODE, WORKING } = Status;
    assert.deepEqual(told(WORKING, [past(STARTING, 1), past(WORKING, atMs)]), ["STARTING", "status"]);
    assert.deepEqual(told(STARTING, [past(STARTING, atMs)]), ["STATUS_UNSPECIFIED", "status"]);
    const first = told(SCAN_QR_CODE, [past(WORKING, 1), past(STARTING, 2), past(SCAN_QR_CODE, atMs)]);
    assert.deepEqual(first, ["STARTING", "status", "qr"]);
    assert.deepEqual(told(SCAN_QR_CODE, [past(STARTING, 2), past(SCAN_QR_CODE, 3)]), ["SCAN_QR_CODE", "qr"]);
  });

  it("is DELETED for a removal; other events yield none", () => {
    assert.equal(changeItem(event(9n, { name: "session.deleted" }))?.kind, Kind.DELETED);
    assert.equal(changeItem(event(9n, { name: "message", payload: { case: "message", value: {} } })), undefined);
  });
});

/** Opens a stream on a log and returns its items in short. */
function open(source: LogSource, request: MessageInitShape<typeof StatusStreamRequestSchema>, maxLag = 10) {
  const clock = new FakeClock();
  const controller = new AbortController();
  const options = { policy: { ...defaultStreamPolicy, maxLag }, clock, signal: controller.signal };
  const items = statusStream(
    { log: source, sessions: source.sessions, itemContext },
    create(StatusStreamRequestSchema, request),
    options,
  )[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await items.next();
    if (done) return "the end";
    return `${Kind[value.kind]} ${value.seq} ${value.name}${value.coalesced ? " coalesced" : ""}`.trimEnd();
  };
  return {
    clock,
    next,
    async take(count: number) {
      const taken: string[] = [];
      while (taken.length < count) taken.push(await next());
      return taken;
    },
    /** Ends the stream like a caller that leaves. */
    async leave() {
      controller.abort(new Error("left"));
      await items.return?.();
    },
    reason: () => next().catch((error: unknown) => (error instanceof SessionError ? error.reason : String(error))),
  };
}

function logOf(...sessions: string[]) {
  const source = new LogSource(5n);
  for (const name of sessions) source.metadata.set(name, {});
  return source;
}

describe("the status stream", () => {
  it("of one session begins with its state and ends with its deletion", async () => {
    const source = logOf("alice");
    const stream = open(source, { session: "alice" });
    assert.equal(await stream.next(), "SNAPSHOT 5 alice");
    source.add(statusEvent(6n, "alice"), statusEvent(7n, "bob"), deletion(8n, "alice"), statusEvent(9n, "alice"));
    assert.deepEqual(await stream.take(3), ["CHANGE 6 alice", "DELETED 8 alice", "the end"]);
  });

  it("of all sessions survives deletions and shows new sessions", async () => {
    const source = logOf("alice", "bob");
    const stream = open(source, {});
    source.add(deletion(6n, "alice"), statusEvent(7n, "carol"));
    assert.deepEqual(await stream.take(2), ["SNAPSHOT 0 alice", "SNAPSHOT 7 bob"]);
    source.add(deletion(8n, "bob"), statusEvent(9n, "carol"));
    assert.deepEqual(await stream.take(2), ["DELETED 8 bob", "CHANGE 9 carol"]);
    await stream.leave();
  });

  it("of a list shows existing and missing sessions, and outlives each of them", async () => {
    const source = logOf("alice", "bob");
    const stream = open(source, { sessions: ["bob", "carol"] });
    assert.equal(await stream.next(), "SNAPSHOT 5 bob");
    source.add(statusEvent(6n, "alice"), deletion(7n, "bob"), statusEvent(8n, "carol"));
    assert.deepEqual(await stream.take(2), ["DELETED 7 bob", "CHANGE 8 carol"]);
    await stream.leave();
  });

  it("of a filter shows sessions with matching metadata", async () => {
    const source = logOf("alice");
    source.metadata.set("bob", { team: "a", city: "x" });
    const stream = open(source, { metadata: { team: "a" } });
    assert.equal(await stream.next(), "SNAPSHOT 5 bob");
    source.add(statusEvent(6n, "alice"), statusEvent(7n, "carol", Status.WORKING, { team: "b" }));
    source.add(statusEvent(8n, "dora", Status.WORKING, { team: "a" }));
    assert.equal(await stream.next(), "CHANGE 8 dora");
    await stream.leave();
  });

  it("does not wait for a missing session, new or deleted", async () => {
    assert.equal(await open(logOf(), { session: "alice" }).reason(), "SESSION_NOT_FOUND");
    assert.equal(await open(logOf(), { session: "alice", afterSeq: 3n }).reason(), "SESSION_NOT_FOUND");
  });

  it("after a position has no snapshot, but every later change and deletion", async () => {
    const source = logOf("alice");
    source.add(statusEvent(6n, "alice"), statusEvent(7n, "alice"), messageEvent(8n, "alice"), statusEvent(9n, "alice"));
    const stream = open(source, { session: "alice", afterSeq: 6n });
    assert.deepEqual(await stream.take(2), ["CHANGE 7 alice", "CHANGE 9 alice"]);
    await stream.leave();
    source.metadata.delete("alice");
    source.add(deletion(10n, "alice"));
    assert.deepEqual(await open(source, { session: "alice", afterSeq: 9n }).take(2), ["DELETED 10 alice", "the end"]);
  });

  it("after a trimmed position has a gap without a position, and a snapshot", async () => {
    const source = logOf("alice", "bob");
    source.add(statusEvent(6n, "alice"), statusEvent(7n, "bob"));
    source.trim(7n);
    const stream = open(source, { afterSeq: 4n });
    assert.deepEqual(await stream.take(3), ["GAP 0", "SNAPSHOT 0 alice", "SNAPSHOT 7 bob"]);
    source.add(statusEvent(8n, "bob"));
    assert.equal(await stream.next(), "CHANGE 8 bob");
    await stream.leave();
  });

  it("has a gap for a reader overtaken by trimming, or from another log", async () => {
    const source = logOf("alice");
    const stream = open(source, {});
    await stream.next();
    source.add(statusEvent(6n, "alice"), statusEvent(7n, "alice"));
    source.trim(7n);
    assert.deepEqual(await stream.take(2), ["GAP 0", "SNAPSHOT 7 alice"]);
    await stream.leave();
    const other = open(source, { afterSeq: 1_000n });
    assert.deepEqual(await other.take(2), ["GAP 0", "SNAPSHOT 7 alice"]);
    await other.leave();
  });

  it("ends with the first item of the awaited status, also the very first", async () => {
    const source = logOf("alice");
    const working = open(source, { session: "alice", until: [Status.WORKING] });
    assert.deepEqual(await working.take(2), ["SNAPSHOT 5 alice", "the end"]);
    const failed = open(source, { session: "alice", until: [Status.FAILED, Status.STOPPED] });
    await failed.next();
    source.add(statusEvent(6n, "alice"), statusEvent(7n, "alice", Status.FAILED), statusEvent(8n, "alice"));
    assert.deepEqual(await failed.take(3), ["CHANGE 6 alice", "CHANGE 7 alice", "the end"]);
  });

  it("has heartbeats with the time and the position when nothing happens", async () => {
    const source = logOf("alice");
    const stream = open(source, { session: "alice" });
    await stream.next();
    source.add(messageEvent(6n, "alice"));
    const beat = stream.next();
    await allRead();
    stream.clock.advance(15_000);
    assert.equal(await beat, "HEARTBEAT 6");
    await stream.leave();
    assert.equal(stream.clock.pending, 0);
  });

  it("gives a slow reader the latest state of each session, marked if others were left out", async () => {
    const source = logOf("alice", "bob");
    const stream = open(source, {}, 3);
    await stream.take(2);
    for (let seq = 6n; seq <= 20n; seq += 1n) source.add(statusEvent(seq, seq === 10n ? "bob" : "alice"));
    assert.deepEqual(await stream.take(2), ["CHANGE 10 bob", "CHANGE 20 alice coalesced"]);
    source.add(statusEvent(21n, "alice"));
    assert.equal(await stream.next(), "CHANGE 21 alice");
    await stream.leave();
  });

  it("never leaves out an awaited status for a slow reader", async () => {
    const source = logOf("alice");
    const stream = open(source, { session: "alice", until: [Status.FAILED] }, 3);
    await stream.next();
    for (let seq = 6n; seq <= 20n; seq += 1n) {
      source.add(statusEvent(seq, "alice", seq === 9n ? Status.FAILED : Status.STARTING));
    }
    assert.deepEqual(await stream.take(2), ["CHANGE 9 alice coalesced", "the end"]);
  });

  it("hides a session whose metadata does not match", async () => {
    const source = new LogSource(5n);
    source.metadata.set("alice", { team: "b" });
    const stream = open(source, { session: "alice", metadata: { team: "a" } });
    const first = stream.next();
    await allRead();
    for (const [seq, team] of [
      [6n, "b"],
      [7n, "a"],
    ] as const) {
      source.add(statusEvent(seq, "alice", Status.STARTING, { team }));
    }
    assert.equal(await first, "CHANGE 7 alice");
    await stream.leave();
  });

  it("gives a returning reader all changes, however far behind", async () => {
    const source = logOf("alice");
    for (let seq = 6n; seq <= 40n; seq += 1n) source.add(statusEvent(seq, "alice"));
    const stream = open(source, { afterSeq: 5n }, 3);
    const items = await stream.take(35);
    assert.equal(items.at(-1), "CHANGE 40 alice");
    assert.ok(items.every((item) => !item.includes("coalesced")));
    await stream.leave();
  });
});
