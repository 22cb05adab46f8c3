import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { MessageLogSchema, SessionRecord_Phase as Phase } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  MessageEditedPayloadSchema,
  MessagePayloadSchema,
  MessageReactionPayloadSchema,
  MessageRevokedPayloadSchema,
} from "../../gen/sessiond/v1/event_pb.js";
import { carriedOver, noMessages } from "../../src/domain/message-log.ts";
import { type MessageChange, type SessionInput, type StoredSession, transition } from "../../src/domain/session.ts";
import { inPhase, me, nowMs, policy, stopped } from "./session-states.ts";

const moment = { nowMs, wallMs: nowMs + 5 };
const messageOf = (id: string, timestamp: number): SessionInput => ({
  type: "message",
  message: create(MessagePayloadSchema, { id, timestamp, from: "1@c.us" }),
});
const apply = (session: StoredSession, ...inputs: SessionInput[]) =>
  inputs.reduce((stored, input) => {
    const { state, messages = stored.messages } = transition(stored, input, moment, policy);
    return { record: state, messages };
  }, session);
const working = { record: inPhase(Phase.WORKING), messages: noMessages };
const newestMs = ({ messages: { newestAt } }: StoredSession) => newestAt && timestampMs(newestAt);

describe("a message that a session receives", () => {
  it("is announced and logged, and leaves the record as it is", () => {
    const next = transition(working, messageOf("a", 7), moment, policy);
    assert.equal(next.state, working.record);
    assert.deepEqual([next.events, next.message?.id, next.messages?.reported], [["message"], "a", ["a"]]);
  });

  it("changes nothing when it comes again", () => {
    const once = apply(working, messageOf("a", 7));
    const again = transition(once, messageOf("a", 7), moment, policy);
    assert.deepEqual([again.state, again.events, again.messages], [once.record, [], undefined]);
  });

  it("has each of its changes announced once", () => {
    const changes: MessageChange[] = [
      { case: "messageReaction", value: create(MessageReactionPayloadSchema, { id: "r" }) },
      { case: "messageEdited", value: create(MessageEditedPayloadSchema, { editedMessageId: "a" }) },
      { case: "messageRevoked", value: create(MessageRevokedPayloadSchema, { revokedMessageId: "a" }) },
    ];
    for (const change of changes) {
      const input: SessionInput = { type: "message_change", change };
      assert.deepEqual(transition(working, input, moment, policy).events, ["message_change"]);
      assert.deepEqual(transition(apply(working, input), input, moment, policy).events, []);
    }
  });

  it("is remembered for the next hundred messages", () => {
    const ids = Array.from({ length: 101 }, (_, n) => `m${n}`);
    const { messages } = apply(working, ...ids.map((id) => messageOf(id, 1)));
    assert.deepEqual(messages.reported, ids.slice(1));
  });

  for (const [order, times] of [
    ["in order", [7, 9]],
    ["late", [9, 7]],
  ] as const)
    it(`sets the time of the newest one, coming ${order}`, () => {
      const inputs = times.map((time) => messageOf(`m${time}`, time));
      assert.equal(newestMs(apply(working, ...inputs)), 9_000);
    });

  it("counts for its own login only; its id counts for the next one too", () => {
    const next = apply({ ...working, record: inPhase(Phase.PAIRING) }, messageOf("a", 7), { type: "paired", me });
    assert.deepEqual([newestMs(next), next.messages.reported], [undefined, ["a"]]);
  });

  const minuteAgo = timestampFromMs(nowMs - 60_000);
  for (const [login, record, log, sinceMs] of [
    ["from its pairing on", inPhase(Phase.CONNECTING), { since: minuteAgo }, nowMs - 60_000],
    ["from its first connection on if its pairing is not known", inPhase(Phase.CONNECTING), {}, nowMs],
    [
      "from its last connection on in an older store",
      inPhase(Phase.CONNECTING, { openedAt: minuteAgo }),
      {},
      nowMs - 60_000,
    ],
    ["from the newest message on in an older store", inPhase(Phase.CONNECTING), { newestAt: minuteAgo }, undefined],
  ] as const) {
    it(`is reported ${login}`, () => {
      const session = { record, messages: create(MessageLogSchema, log) };
      const { since } = apply(session, { type: "opened", me }).messages;
      assert.equal(since && timestampMs(since), sinceMs);
    });
  }
});

describe("a record", () => {
  it("is stamped with the time of the step, and with a status that is new", () => {
    const { record } = apply({ record: stopped(), messages: noMessages }, { type: "start" });
    assert.equal(record.updatedAt && timestampMs(record.updatedAt), moment.wallMs);
    assert.deepEqual(
      record.statuses.map(({ time }) => time && timestampMs(time)),
      [moment.wallMs],
    );
  });

  it("is left as it is by an input that means nothing to it", () => {
    assert.equal(apply(working, { type: "start" }).record, working.record);
  });

  it("of an earlier version gives its messages over, after those of the log", () => {
    const record = { ...stopped(), recentMessages: ["b", "c"], lastMessageAt: timestampFromMs(9) };
    const log = create(MessageLogSchema, { reported: ["a", "b"], newestAt: timestampFromMs(5) });
    const [separated, messages] = carriedOver(record, log);
    assert.deepEqual([separated.recentMessages, separated.lastMessageAt], [[], undefined]);
    assert.deepEqual([messages.reported, messages.newestAt], [["a", "b", "c"], timestampFromMs(9)]);
  });
});
