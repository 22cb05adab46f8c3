import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { MessagePayloadSchema } from "../../gen/sessiond/v1/event_pb.js";
import { isReported, noMessages, withReported } from "../../src/domain/message-log.ts";

const bob = { number: "15551112222@c.us", lid: "900000000002@lid" };
const carol = { number: "15553334444@c.us", lid: "900000000003@lid" };
const group = "120363@g.us";
const message = (init: MessageInitShape<typeof MessagePayloadSchema>) => create(MessagePayloadSchema, init);
const reported = (init: MessageInitShape<typeof MessagePayloadSchema>) => withReported(noMessages, message(init));

const byLid = { id: `false_${bob.lid}_3E_B0`, from: bob.lid, fromLid: bob.lid };
const byNumber = { id: `false_${bob.number}_3E_B0`, from: bob.number, fromLid: bob.lid };
const ownByLid = { id: `true_${bob.lid}_3EB0`, fromMe: true, to: bob.lid, toLid: bob.lid };
const ownByNumber = { id: `true_${bob.number}_3EB0`, fromMe: true, to: bob.number, toLid: bob.lid };
const inGroup = (author: string) => ({
  id: `false_${group}_3EB0_${author}`,
  from: group,
  participant: author,
  participantLid: bob.lid,
});

describe("a repeated message", () => {
  const repeats: [
    string,
    MessageInitShape<typeof MessagePayloadSchema>,
    MessageInitShape<typeof MessagePayloadSchema>,
  ][] = [
    ["by the same id", byNumber, byNumber],
    ["by number after it was reported by LID", byLid, byNumber],
    ["by LID as before", byLid, byLid],
    ["as the account's own, by number after LID", ownByLid, ownByNumber],
    ["in a group, by its author's number after the LID", inGroup(bob.lid), inGroup(bob.number)],
  ];
  for (const [how, first, again] of repeats) {
    it(`is recognized ${how}`, () => assert.equal(isReported(reported(first), message(again)), true));
  }

  const others: [string, MessageInitShape<typeof MessagePayloadSchema>][] = [
    [
      "from another person with the same id",
      { id: `false_${carol.number}_3E_B0`, from: carol.number, fromLid: carol.lid },
    ],
    ["to the person with the same id", { ...ownByNumber, id: `true_${bob.number}_3E_B0` }],
    ["in a group with the same id", { ...inGroup(bob.number), id: `false_${group}_3E_B0_${bob.number}` }],
    ["from the person with another id", { ...byNumber, id: `false_${bob.number}_3EB1` }],
  ];
  for (const [what, init] of others) {
    it(`is not confused with one ${what}`, () => assert.equal(isReported(reported(byLid), message(init)), false));
  }
});
