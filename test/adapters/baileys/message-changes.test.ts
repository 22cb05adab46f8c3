import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type { proto } from "@whiskeysockets/baileys";
import { createBaileysFactory } from "../../../src/adapters/baileys/factory.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { EngineSession, type OpenEngine } from "../../contract/engine-session.ts";
import { reaction } from "../../emulator/message-content.ts";
import { sendContent } from "../../emulator/messages.ts";
import type { Phone } from "../../emulator/phone.ts";
import { startWhatsApp, type WhatsApp } from "../../emulator/whatsapp.ts";

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
