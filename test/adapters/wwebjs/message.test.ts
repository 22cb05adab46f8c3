import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MessagePayload_Ack as Ack } from "../../../gen/sessiond/v1/event_pb.js";
import { messagePayload } from "../../../src/adapters/wwebjs/message.ts";
import { type ChangeKind, changeIn } from "../../../src/adapters/wwebjs/message-change.ts";
import { refusalIn } from "../../../src/adapters/wwebjs/send-errors.ts";
import { SendRefused } from "../../../src/ports/sending.ts";

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

  it("carries a place, without the picture of its map", () => {
    const place = message({ type: "location", body: "/9j/4AAQ", lat: 52.5, lng: -13.4, loc: "Cafe\nMain Street 1" });
    const { location, body } = messagePayload(place, account) ?? {};
    assert.partialDeepStrictEqual(location, { latitude: 52.5, longitude: -13.4, description: "Cafe\nMain Street 1" });
    assert.equal(body, "Cafe\nMain Street 1");
  });

  it("names the message it replies to", () => {
    const fields = { quotedStanzaID: "3EB0BB", quotedParticipant: bob, quotedMsg: { type: "chat", body: "before" } };
    const { replyTo } = messagePayload(message(fields), account) ?? {};
    assert.deepEqual([replyTo?.id, replyTo?.participant, replyTo?.body], ["3EB0BB", "15557654321@c.us", "before"]);
    const quotedMsg = { type: "image", mimetype: "image/png", caption: "look", body: "/9j/4AAQ" };
    const answer = messagePayload(message({ ...fields, quotedMsg }), account)?.replyTo;
    assert.partialDeepStrictEqual(answer, { body: "look", hasMedia: true, media: { mimetype: "image/png" } });
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

describe("a change of a message on WEBJS", () => {
  const group = "120363000000000001@g.us";
  const ana = "15559990000@c.us";
  const wid = (id: string) => ({ server: id.split("@")[1], user: id.split("@")[0], _serialized: id });
  const key = (id: string, fromMe: boolean, remote: unknown, participant?: unknown) => ({
    id,
    fromMe,
    remote,
    participant,
  });
  const reaction = (id: object, msgId: object, senderId: string, text = "👍") => ({
    ...{ id, msgId, senderId, reaction: text, timestamp: 1_700_000_000.5, orphan: 0, read: false },
  });
  const cases: [string, ChangeKind, object, object][] = [
    [
      "a reaction of the other side to the account's message",
      "messageReaction",
      reaction(key("R1", false, bob), key("T1", true, bob), bob._serialized),
      {
        targetId: "T1",
        message: { id: `false_${bob._serialized}_R1`, from: bob._serialized, body: "👍", timestamp: 1_700_000_000 },
      },
    ],
    [
      "a reaction that was taken back",
      "messageReaction",
      reaction(key("R2", false, bob), key("T1", true, bob), bob._serialized, ""),
      { targetId: "T1", message: { body: "" } },
    ],
    [
      "a reaction of the account to the other side's message",
      "messageReaction",
      reaction(key("R3", true, "15557654321@c.us"), key("T2", false, "15557654321@c.us"), me),
      {
        targetId: "T2",
        message: { fromMe: true, from: me, to: bob._serialized, replyTo: { participant: bob._serialized } },
      },
    ],
    [
      "a reaction in a group",
      "messageReaction",
      reaction(key("R4", false, group, wid(ana)), key("T3", false, wid(group), bob), ana),
      { message: { id: `false_${group}_R4_${ana}`, participant: ana, replyTo: { participant: bob._serialized } } },
    ],
    [
      "a reaction whose keys are texts",
      "messageReaction",
      reaction(`false_${bob._serialized}_R5` as never, `true_${bob._serialized}_T5` as never, bob._serialized),
      { targetId: "T5", message: { id: `false_${bob._serialized}_R5`, replyTo: { participant: me } } },
    ],
    [
      "an edit, by the id and time of the edit",
      "messageEdited",
      message({ body: "new", latestEditMsgKey: { id: "E1" }, latestEditSenderTimestampMs: 1_700_000_009_000 }),
      { targetId: "3EB0AA", message: { id: `false_${bob._serialized}_E1`, body: "new", timestamp: 1_700_000_009 } },
    ],
    [
      "an edit of a caption",
      "messageEdited",
      message({ type: "image", body: "/9j/4AAQ", caption: "new" }),
      { targetId: "3EB0AA", message: { body: "new", hasMedia: true } },
    ],
    [
      "a deletion, by the key that it names",
      "messageRevoked",
      message({ type: "revoked", body: "", protocolMessageKey: { id: "T4", fromMe: false, remote: bob } }),
      { targetId: "T4", message: { from: bob._serialized, body: "" } },
    ],
    ["a deletion, by its own id", "messageRevoked", message({ type: "revoked" }), { targetId: "3EB0AA" }],
  ];
  for (const [what, kind, data, expected] of cases) {
    it(`is ${what}`, () => assert.partialDeepStrictEqual(changeIn(kind, data, account), expected));
  }

  it("is none if the page does not name the message", () => {
    for (const data of [{}, { id: null }, { id: { id: "x" }, msgId: {} }, reaction({}, {}, me)]) {
      assert.equal(changeIn("messageReaction", data, account), undefined);
    }
    assert.equal(changeIn("messageEdited", { type: "chat" }, account), undefined);
  });
});

describe("an error of the page while it sends", () => {
  for (const [text, reason] of [
    ["Could not get the quoted message.", "QUOTE_UNKNOWN"],
    ["No LID for user", "NO_ACCOUNT"],
    ["Contact is blocked", "BLOCKED"],
    ["Reaction send error", "WHATSAPP_ERROR"],
    ["upload failed: media entry was not created", "MEDIA_UNAVAILABLE"],
  ]) {
    it(`is a refusal for ${reason} if it says "${text}"`, () => {
      const refusal = refusalIn(new Error(`${text}\n    at pptr:evaluate`));
      assert.equal(refusal instanceof SendRefused && refusal.reason, reason);
    });
  }

  it("lets the page be asked again if its document was replaced", () => {
    for (const text of [
      "Execution context was destroyed.",
      "the page is not ready",
      "Attempted to use detached Frame",
    ]) {
      assert.equal(refusalIn(new Error(text)), "between documents");
    }
  });

  it("stays as it is otherwise", () => {
    const error = new TypeError("x is not a function");
    assert.equal(refusalIn(error), error);
  });
});
