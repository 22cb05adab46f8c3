import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { proto } from "@whiskeysockets/baileys";
import { createBaileysFactory } from "../../../src/adapters/baileys/factory.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { EngineSession, type OpenEngine } from "../../contract/engine-session.ts";
import { sendContent } from "../../emulator/messages.ts";
import type { Phone } from "../../emulator/phone.ts";
import { startWhatsApp, type WhatsApp } from "../../emulator/whatsapp.ts";

const { REVOKE, MESSAGE_EDIT } = proto.Message.ProtocolMessage.Type;

/** Content of messages that change the message `id`, which the sender of the change wrote if `fromMe`. */
const reaction = (id: string, remoteJid: string, fromMe: boolean, text: string): proto.IMessage => ({
  reactionMessage: { key: { id, remoteJid, fromMe }, text },
});
const edit = (id: string, remoteJid: string, text: string): proto.IMessage => ({
  editedMessage: {
    message: {
      protocolMessage: {
        key: { id, remoteJid, fromMe: true },
        type: MESSAGE_EDIT,
        editedMessage: { conversation: text },
      },
    },
  },
});
const revocation = (id: string, remoteJid: string): proto.IMessage => ({
  protocolMessage: { key: { id, remoteJid, fromMe: true }, type: REVOKE },
});

describe("a change of a message that WhatsApp sends to a NOWEB engine", () => {
  let whatsapp: WhatsApp;
  let phone: Phone;
  let bob: Phone;
  let session: EngineSession;
  let engine: OpenEngine;

  before(async () => {
    whatsapp = await startWhatsApp();
  });
  beforeEach(async () => {
    await session?.close();
    phone = whatsapp.phone();
    bob = whatsapp.phone();
    session = new EngineSession(createBaileysFactory({ clock: systemClock, waWebSocketUrl: whatsapp.url }));
    engine = await session.openLoggedIn(({ seen }) => {
      const qr = seen.findLast((event) => event.type === "qr");
      return phone.scan(qr?.value ?? "");
    });
    await whatsapp.waitForLogin(phone.devices[0] ?? assert.fail());
  });
  after(async () => {
    await session?.close();
    await whatsapp.close();
    assert.deepEqual(whatsapp.faults, []);
  });

  const changeAfter = async (from: Phone, content: proto.IMessage, reader = engine) => {
    const to = from === phone ? bob : phone;
    const id = await sendContent(whatsapp, from, to, content);
    return { id, change: (await reader.until("message_change")).change };
  };
  const [chat, me] = [() => `${bob.number}@c.us`, () => `${phone.number}@c.us`];

  for (const text of ["👍", ""]) {
    it(`is reported as a reaction ${text === "" ? "that was removed" : "with its emoji"}`, async () => {
      const { id, change } = await changeAfter(bob, reaction("AAAA", phone.jid, false, text));
      assert.ok(change.case === "messageReaction");
      const { from, to, fromMe, reaction: found } = change.value;
      assert.deepEqual([from, to, fromMe, found?.text], [chat(), me(), false, text]);
      assert.equal(found?.messageId, `true_${chat()}_AAAA`);
      assert.equal(change.value.id, `false_${chat()}_${id}`);
    });
  }

  it("names the other side's message if that side reacts to its own", async () => {
    const { change } = await changeAfter(bob, reaction("BBBB", phone.jid, true, "❤"));
    assert.ok(change.case === "messageReaction");
    assert.equal(change.value.reaction?.messageId, `false_${chat()}_BBBB`);
  });

  it("is reported if the account reacts on its phone", async () => {
    const { change } = await changeAfter(phone, reaction("BBBB", bob.jid, false, "❤"));
    assert.ok(change.case === "messageReaction");
    assert.deepEqual([change.value.fromMe, change.value.from, change.value.to], [true, me(), chat()]);
    assert.equal(change.value.reaction?.messageId, `false_${chat()}_BBBB`);
  });

  it("is reported as an edit with the new text and the id of the message", async () => {
    const { change } = await changeAfter(bob, edit("CCCC", phone.jid, "corrected"));
    assert.ok(change.case === "messageEdited");
    assert.deepEqual([change.value.editedMessageId, change.value.message?.body], ["CCCC", "corrected"]);
    assert.equal(change.value.message?.from, chat());
  });

  it("is reported as a deletion with the id of the message", async () => {
    const { change } = await changeAfter(bob, revocation("DDDD", phone.jid));
    assert.ok(change.case === "messageRevoked");
    assert.deepEqual([change.value.revokedMessageId, change.value.after?.from], ["DDDD", chat()]);
  });

  it("is reported again by the next engine if it was not committed, and acknowledged once it is", async () => {
    const device = phone.devices[0] ?? assert.fail();
    const { id } = await changeAfter(bob, reaction("AAAA", phone.jid, false, "👍"));
    assert.equal(device.ledger.acknowledged(id), false);
    const next = session.open();
    const { change } = await next.until("message_change");
    assert.ok(change.case === "messageReaction");
    assert.equal(change.value.reaction?.messageId, `true_${chat()}_AAAA`);
    void next.rest();
    await whatsapp.until(() => device.stored.size === 0, "its acknowledgement");
  });
});
