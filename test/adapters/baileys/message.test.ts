import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { toJson } from "@bufbuild/protobuf";
import { proto, type WAMessage } from "@whiskeysockets/baileys";
import { MessagePayload_Ack as Ack, MessagePayloadSchema } from "../../../gen/sessiond/v1/event_pb.js";
import { messagePayload } from "../../../src/adapters/baileys/message.ts";

const me = { id: "15550000001:7@s.whatsapp.net", lid: "900000000001:7@lid" };
const bob = "15551112222@s.whatsapp.net";

const message = (
  content: proto.IMessage,
  key: Partial<WAMessage["key"]> = {},
  rest: Partial<WAMessage> = {},
): WAMessage => ({
  key: { remoteJid: bob, fromMe: false, id: "3EB0", ...key },
  messageTimestamp: 1_767_225_600,
  message: proto.Message.fromObject(content),
  ...rest,
});

const payload = (...args: Parameters<typeof message>) => {
  const result = messagePayload(message(...args), me);
  assert.ok(result);
  return result;
};

const hello = { conversation: "hello" };
const image = { imageMessage: { caption: "look", mediaKey: Buffer.from("key"), fileLength: 5_000_000_000 } };

describe("a WhatsApp message as an event", () => {
  it("has WAHA's ids, and the account at the other end", () => {
    const { id, from, to, fromMe, participant, timestamp, body } = payload(hello);
    assert.deepEqual(
      { id, from, to, fromMe, participant, timestamp, body },
      {
        id: "false_15551112222@c.us_3EB0",
        from: "15551112222@c.us",
        to: "15550000001@c.us",
        fromMe: false,
        participant: undefined,
        timestamp: 1_767_225_600,
        body: "hello",
      },
    );
  });

  it("goes from the account to the chat when it is the account's own", () => {
    const { id, from, to } = payload(hello, { fromMe: true });
    assert.deepEqual([id, from, to], ["true_15551112222@c.us_3EB0", "15550000001@c.us", "15551112222@c.us"]);
  });

  it("names the author in a group", () => {
    const key = { remoteJid: "120363@g.us", participant: "900000000002@lid", participantAlt: bob };
    const { id, from, participant } = payload(hello, key);
    assert.deepEqual(
      [id, from, participant],
      ["false_120363@g.us_3EB0_15551112222@c.us", "120363@g.us", "15551112222@c.us"],
    );
  });

  it("has the phone number where WhatsApp tells it beside a LID, else the LID", () => {
    const lid = "900000000002@lid";
    assert.equal(payload(hello, { remoteJid: lid, remoteJidAlt: bob }).from, "15551112222@c.us");
    assert.equal(payload(hello, { remoteJid: lid }).from, lid);
    // The other name of the sender is not that of the chat.
    const own = { remoteJid: lid, remoteJidAlt: "15550000001@s.whatsapp.net", fromMe: true };
    assert.equal(payload(hello, own).to, lid);
    assert.equal(payload(hello, { ...own, remoteJid: "900000000001@lid" }).to, "15550000001@c.us");
  });

  it("has the text of whatever kind it is, and says whether media came with it", () => {
    const cases: [proto.IMessage, string, boolean][] = [
      [{ extendedTextMessage: { text: "a link" } }, "a link", false],
      [image, "look", true],
      [{ ephemeralMessage: { message: image } }, "look", true],
      [{ viewOnceMessageV2: { message: { videoMessage: { caption: "once" } } } }, "once", true],
      [{ documentWithCaptionMessage: { message: { documentMessage: { caption: "read" } } } }, "read", true],
      [{ audioMessage: {} }, "", true],
      [{ stickerMessage: {} }, "", true],
      [{ pollCreationMessageV3: { name: "tea?" } }, "tea?", false],
    ];
    for (const [content, body, hasMedia] of cases) {
      const result = payload(content);
      assert.deepEqual([result.body, result.hasMedia], [body, hasMedia], Object.keys(content)[0]);
    }
  });

  it("is none when no user wrote it", () => {
    const { Type } = proto.Message.ProtocolMessage;
    const silent: [proto.IMessage, Partial<WAMessage>?][] = [
      [{ protocolMessage: { type: Type.APP_STATE_SYNC_KEY_SHARE, appStateSyncKeyShare: { keys: [] } } }],
      [{ protocolMessage: { type: Type.HISTORY_SYNC_NOTIFICATION } }],
      [{ protocolMessage: { type: Type.REVOKE }, conversation: "x" }],
      [{ senderKeyDistributionMessage: { groupId: "120363@g.us" } }],
      [{ reactionMessage: { text: "+1" } }],
      [{ editedMessage: { message: { protocolMessage: { type: Type.MESSAGE_EDIT } } } }],
      [{ messageContextInfo: {} }],
      [{}],
      [hello, { category: "peer" }],
      [hello, { message: null }],
    ];
    for (const [content, rest] of silent) assert.equal(messagePayload(message(content, {}, rest), me), undefined);
  });

  it("tells how far it has come, in WAHA's numbers", () => {
    const { Status } = proto.WebMessageInfo;
    const acks = [Status.ERROR, Status.PENDING, Status.SERVER_ACK, Status.DELIVERY_ACK, Status.READ, Status.PLAYED];
    assert.deepEqual(
      acks.map((status) => payload(hello, { fromMe: true }, { status }).ack),
      [Ack.ERROR, Ack.PENDING, Ack.SERVER, Ack.DEVICE, Ack.READ, Ack.PLAYED],
    );
    assert.equal(payload(hello).ack, Ack.DEVICE);
  });

  it("holds the place it shows", () => {
    const place = { degreesLatitude: 52.5, degreesLongitude: -13.4 };
    const shown = { latitude: 52.5, longitude: -13.4 };
    const named = { ...place, name: "Cafe", address: "Main Street 1" };
    for (const [content, location] of [
      [{ locationMessage: named }, { ...shown, description: "Cafe\nMain Street 1" }],
      [{ locationMessage: place }, { ...shown, description: "" }],
      [{ liveLocationMessage: place }, { ...shown, description: "" }],
    ] as const) {
      assert.partialDeepStrictEqual(payload(content).location, location);
    }
    assert.deepEqual([payload({ locationMessage: {} }).location, payload(hello).location], [undefined, undefined]);
  });

  it("holds the message it answers and the contact cards it brings", () => {
    const contextInfo = { stanzaId: "ABC", participant: bob, quotedMessage: { conversation: "how are you?" } };
    const { replyTo } = payload({ extendedTextMessage: { text: "fine", contextInfo } });
    assert.deepEqual([replyTo?.id, replyTo?.participant, replyTo?.body], ["ABC", "15551112222@c.us", "how are you?"]);
    assert.deepEqual([replyTo?.hasMedia, replyTo?.media], [false, undefined]);
    const quotedMessage = { documentMessage: { mimetype: "application/pdf", fileName: "plan.pdf", caption: "look" } };
    const answer = payload({ extendedTextMessage: { text: "fine", contextInfo: { ...contextInfo, quotedMessage } } });
    assert.partialDeepStrictEqual(answer.replyTo, {
      body: "look",
      hasMedia: true,
      media: { mimetype: "application/pdf", filename: "plan.pdf" },
    });
    assert.equal(payload(hello).replyTo, undefined);

    const contacts = [{ vcard: "BEGIN:1" }, { vcard: "BEGIN:2" }];
    assert.deepEqual(payload({ contactsArrayMessage: { contacts } }).vCards, ["BEGIN:1", "BEGIN:2"]);
    assert.deepEqual(payload({ contactMessage: { vcard: "BEGIN:3" } }).vCards, ["BEGIN:3"]);
  });

  it("brings the raw message as JSON, without the keys to the group", () => {
    const withKey = {
      ...image,
      senderKeyDistributionMessage: { axolotlSenderKeyDistributionMessage: Buffer.from("s") },
    };
    const { data } = payload(withKey, {}, { pushName: "Bob", messageStubParameters: [undefined, Number.NaN] });
    assert.partialDeepStrictEqual(data, {
      key: { remoteJid: bob, fromMe: false, id: "3EB0" },
      messageTimestamp: 1_767_225_600,
      message: {
        imageMessage: { caption: "look", mediaKey: Buffer.from("key").toString("base64"), fileLength: 5_000_000_000 },
      },
      pushName: "Bob",
      messageStubParameters: [null, null],
    });
    assert.doesNotMatch(JSON.stringify(data), /senderKey/);
    assert.ok(toJson(MessagePayloadSchema, payload(withKey)));
  });
});
