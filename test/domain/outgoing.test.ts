import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { OutgoingMessageSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { MessagePayload_Ack as Ack } from "../../gen/sessiond/v1/event_pb.js";
import { Outgoing_State as State } from "../../gen/sessiond/v1/outgoing_pb.js";
import { acknowledged, ackOf } from "../../src/domain/outgoing.ts";

const messageIn = (state: State, chatId = "11111111111@c.us") =>
  create(OutgoingMessageSchema, { id: "AAAA", chatId, state });

describe("acknowledgements of a message", () => {
  for (const [from, ack, to] of [
    [State.SENDING, Ack.SERVER, State.SENT],
    [State.SENDING, Ack.READ, State.READ],
    [State.QUEUED, Ack.DEVICE, State.DELIVERED],
    [State.SENT, Ack.DEVICE, State.DELIVERED],
    [State.DELIVERED, Ack.READ, State.READ],
    [State.READ, Ack.PLAYED, State.PLAYED],
    [State.SENDING, Ack.ERROR, State.FAILED],
    [State.UNCERTAIN, Ack.ERROR, State.FAILED],
    [State.UNCERTAIN, Ack.SERVER, State.SENT],
    [State.FAILED, Ack.DEVICE, State.DELIVERED],
    [State.EXPIRED, Ack.SERVER, State.SENT],
  ] as const) {
    it(`${Ack[ack]} takes it from ${State[from]} to ${State[to]}`, () => {
      const next = acknowledged(messageIn(from), { ack }, 5_000);
      assert.equal(next?.state, to);
      assert.equal(next.changedAt && timestampMs(next.changedAt), 5_000);
    });
  }

  for (const [from, ack] of [
    [State.SENT, Ack.SERVER],
    [State.READ, Ack.DEVICE],
    [State.READ, Ack.SERVER],
    [State.SENT, Ack.ERROR],
    [State.DELIVERED, Ack.ERROR],
    [State.FAILED, Ack.ERROR],
    [State.SENDING, Ack.PENDING],
  ] as const) {
    it(`${Ack[ack]} is nothing new in ${State[from]}`, () => {
      assert.equal(acknowledged(messageIn(from), { ack }, 5_000), undefined);
    });
  }

  it("an error brings its reason, and a later success removes it", () => {
    const failed = acknowledged(messageIn(State.SENDING), { ack: Ack.ERROR, reason: "REACHOUT_LOCKED" }, 5_000);
    assert.equal(failed?.reason, "REACHOUT_LOCKED");
    assert.equal(acknowledged(failed, { ack: Ack.SERVER }, 6_000)?.reason, "");
  });

  it("a group message is as far as its first participant, and remembers each", () => {
    const sent = messageIn(State.SENT, "123456789@g.us");
    const one = acknowledged(sent, { ack: Ack.READ, participant: "1@c.us" }, 5_000);
    assert.ok(one);
    const two = acknowledged(one, { ack: Ack.DEVICE, participant: "2@c.us" }, 6_000);
    assert.ok(two);
    assert.deepEqual(
      [two.state, two.participants, two.changedAt && timestampMs(two.changedAt)],
      [State.READ, { "1@c.us": State.READ, "2@c.us": State.DELIVERED }, 5_000],
    );
    assert.equal(acknowledged(two, { ack: Ack.DEVICE, participant: "2@c.us" }, 7_000), undefined);
  });

  it("events show each state as the acknowledgement that led to it", () => {
    const acks = [State.QUEUED, State.SENDING, State.SENT, State.DELIVERED, State.READ, State.PLAYED, State.FAILED].map(
      ackOf,
    );
    assert.deepEqual(acks, [Ack.PENDING, Ack.PENDING, Ack.SERVER, Ack.DEVICE, Ack.READ, Ack.PLAYED, Ack.ERROR]);
    assert.deepEqual([State.UNCERTAIN, State.CANCELLED, State.EXPIRED].map(ackOf), [Ack.PENDING, Ack.ERROR, Ack.ERROR]);
  });
});
