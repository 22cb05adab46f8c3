import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { StreamEventsRequestSchema } from "../../../gen/sessiond/v1/event_service_pb.js";
import { eventStream } from "../../../src/api/streams/event-stream.ts";
import { defaultStreamPolicy } from "../../../src/api/streams/live-stream.ts";
import { SessionError } from "../../../src/domain/errors.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { allRead, deletion, LogSource, messageEvent, statusEvent } from "./log-source.ts";

function open(source: LogSource, request: MessageInitShape<typeof StreamEventsRequestSchema>, maxLag = 10) {
  const clock = new FakeClock();
  const controller = new AbortController();
  const options = { policy: { ...defaultStreamPolicy, maxLag }, clock, signal: controller.signal };
  const items = eventStream(source, create(StreamEventsRequestSchema, request), options);
  const next = async () => {
    const { value, done } = await items.next();
    if (done) return "the end";
    const { seq, item } = value;
    return item.case === "event" ? `${seq} ${item.value.name} ${item.value.session}` : `${item.case} ${seq}`;
  };
  return {
    clock,
    next,
    async take(count: number) {
      const taken: string[] = [];
      while (taken.length < count) taken.push(await next());
      return taken;
    },
    async leave() {
      controller.abort(new Error("left"));
      await items.return();
    },
  };
}

function logged(): LogSource {
  const source = new LogSource();
  source.add(statusEvent(1n, "alice"), messageEvent(2n, "bob"), statusEvent(3n, "bob"), deletion(4n, "bob"));
  return source;
}

describe("a stream of events", () => {
  it("without a cursor begins now", async () => {
    const source = logged();
    const stream = open(source, {});
    const next = stream.next();
    await new Promise(setImmediate);
    source.add(statusEvent(5n, "alice"));
    assert.equal(await next, "5 session.status alice");
    await stream.leave();
  });

  it("begins after its cursor, and with 0 at the beginning", async () => {
    const after = open(logged(), { cursor: 2n });
    assert.deepEqual(await after.take(2), ["3 session.status bob", "4 session.deleted bob"]);
    await after.leave();
    const whole = open(logged(), { cursor: 0n, names: ["*"] });
    assert.equal((await whole.take(4))[0], "1 session.status alice");
    await whole.leave();
  });

  it("has only the requested sessions and names", async () => {
    const bobs = open(logged(), { cursor: 0n, session: "bob", names: ["message", "session.status"] });
    assert.deepEqual(await bobs.take(2), ["2 message bob", "3 session.status bob"]);
    await bobs.leave();
    const listed = open(logged(), { cursor: 0n, sessions: ["alice", "carol"] });
    assert.equal(await listed.next(), "1 session.status alice");
    await listed.leave();
  });

  it("of a consumer continues after its acknowledgement; a new one misses nothing", async () => {
    const source = logged();
    const first = open(source, { consumer: "billing" });
    const next = first.next();
    await new Promise(setImmediate);
    await first.leave();
    await next.catch(() => {});
    source.add(statusEvent(5n, "alice"), statusEvent(6n, "alice"));
    const second = open(source, { consumer: "billing" });
    assert.equal(await second.next(), "5 session.status alice");
    await second.leave();
    await source.acknowledge("billing", 5n);
    const third = open(source, { consumer: "billing" });
    assert.equal(await third.next(), "6 session.status alice");
    await third.leave();
    const explicit = open(source, { consumer: "billing", cursor: 3n });
    assert.equal(await explicit.next(), "4 session.deleted bob");
    await explicit.leave();
  });

  it("reports a gap if the log was trimmed or is another one", async () => {
    const source = logged();
    source.trim(3n);
    const behind = open(source, { cursor: 1n });
    assert.deepEqual(await behind.take(2), ["gap 0", "3 session.status bob"]);
    await behind.leave();
    const oldest = open(source, { cursor: 0n });
    assert.equal(await oldest.next(), "3 session.status bob");
    await oldest.leave();
    const ahead = open(source, { cursor: 99n });
    assert.deepEqual(await ahead.take(2), ["gap 0", "3 session.status bob"]);
    await ahead.leave();
  });

  it("drops a reader too slow for new events, with a cursor to continue from", async () => {
    const source = logged();
    const stream = open(source, { cursor: 0n }, 2);
    assert.deepEqual((await stream.take(4)).length, 4);
    for (let seq = 5n; seq <= 9n; seq += 1n) source.add(statusEvent(seq, "alice"));
    const error = await stream.next().catch((thrown: unknown) => thrown);
    assert.ok(error instanceof SessionError);
    assert.deepEqual([error.reason, error.metadata.cursor], ["READER_TOO_SLOW", "4"]);
    const again = open(source, { cursor: 4n }, 2);
    assert.equal((await again.take(5)).at(-1), "9 session.status alice");
    await again.leave();
  });

  it("has heartbeats with its position, also past events it leaves out", async () => {
    const source = logged();
    const stream = open(source, { cursor: 0n, names: ["message"] });
    assert.equal(await stream.next(), "2 message bob");
    const beat = stream.next();
    await allRead();
    stream.clock.advance(15_000);
    assert.equal(await beat, "heartbeat 4");
    await stream.leave();
  });
});
