import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MessagePayload_Ack as Ack } from "../../../gen/sessiond/v1/event_pb.js";
import { messagePayload } from "../../../src/adapters/wwebjs/message.ts";

const account = { id: "15551234567@c.us" };
const me = account.id;
const bob = { server: "c.us", user: "15557654321", _serialized: "15557654321@c.us" };

/** A message as the page serialises it. */
const message = (fields: object = {}, id: object = {}) => ({
  id: { fromMe: false, remote: "15557654321@c.us", id: "3EB0AA", _serialized: "x", ...id },
  type: "chat",
  body: "hello",
  t: 1_700_000_000,
  from: bob,
  to: { ...bob, _serialized: me },
  ack: 1,
  ...fields,
});

describe("a WEBJS message", () => {
  it("is an event in the words of the contract", () => {
    const payload = messagePayload(message(), account);
    assert.ok(payload);
    const { $typeName: _, data, ...fields } = payload;
    assert.deepEqual(fields, {
      id: "false_15557654321@c.us_3EB0AA",
      timestamp: 1_700_000_000,
      from: "15557654321@c.us",
      fromMe: false,
      to: me,
      body: "hello",
      hasMedia: false,
      ack: Ack.SERVER,
      vCards: [],
      source: "",
    });
    assert.equal(data?.body, "hello");
  });

  it("is from the account when the account sent it, from whichever device", () => {
    const payload = messagePayload(message({}, { fromMe: true, remote: bob }), account);
    assert.deepEqual(
      [payload?.id, payload?.from, payload?.to],
      ["true_15557654321@c.us_3EB0AA", me, "15557654321@c.us"],
    );
  });

  it("names its author within a group", () => {
    const payload = messagePayload(
      message({ author: { ...bob, _serialized: "15557654321:7@c.us" } }, { remote: "1203@g.us" }),
      account,
    );
    assert.deepEqual([payload?.participant, payload?.from], ["15557654321@c.us", "1203@g.us"]);
    assert.equal(payload?.id, "false_1203@g.us_3EB0AA_15557654321@c.us");
  });

  const bodies: [string, object, string, boolean][] = [
    ["an image's caption, not its thumbnail", { type: "image", body: "/9j/4AAQ", caption: "look" }, "look", true],
    ["nothing for a voice message", { type: "ptt", body: undefined }, "", true],
    ["a poll's question", { type: "poll_creation", body: "", pollName: "When?" }, "When?", false],
    ["a contact's name", { type: "vcard", body: "BEGIN:VCARD", vcardFormattedName: "Bob" }, "Bob", false],
  ];
  for (const [what, fields, body, hasMedia] of bodies) {
    it(`has as its body ${what}`, () => {
      const payload = messagePayload(message(fields), account);
      assert.deepEqual([payload?.body, payload?.hasMedia], [body, hasMedia]);
    });
  }

  it("carries contact cards, one or several", () => {
    assert.deepEqual(messagePayload(message({ type: "vcard", body: "BEGIN" }), account)?.vCards, ["BEGIN"]);
    const several = message({ type: "multi_vcard", vcardList: [{ vcard: "A" }, { vcard: "B" }] });
    assert.deepEqual(messagePayload(several, account)?.vCards, ["A", "B"]);
  });

  it("names the message it replies to", () => {
    const fields = { quotedStanzaID: "3EB0BB", quotedParticipant: bob, quotedMsg: { type: "chat", body: "before" } };
    const { replyTo } = messagePayload(message(fields), account) ?? {};
    assert.deepEqual([replyTo?.id, replyTo?.participant, replyTo?.body], ["3EB0BB", "15557654321@c.us", "before"]);
  });

  it("contains no decryption keys", () => {
    const payload = messagePayload(message({ type: "image", mediaKey: "k", messageSecret: { 0: 1 } }), account);
    assert.deepEqual([payload?.data?.mediaKey, payload?.data?.messageSecret], [undefined, undefined]);
  });

  const none = [
    "e2e_notification",
    "gp2",
    "protocol",
    "ciphertext",
    "revoked",
    "reaction",
    "call_log",
    "something new",
  ];
  for (const type of none) {
    it(`is none when its type is ${type}`, () => {
      assert.equal(messagePayload(message({ type }), account), undefined);
    });
  }
});
