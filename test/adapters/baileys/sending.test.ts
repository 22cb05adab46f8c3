import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  OutgoingContentSchema,
  type OutgoingMessage,
  OutgoingMessageSchema,
} from "../../../gen/sessiond/store/v1/store_pb.js";
import { MessagePayload_Ack as Ack } from "../../../gen/sessiond/v1/event_pb.js";
import { createBaileysFactory } from "../../../src/adapters/baileys/factory.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import type { Sending, SentMessage } from "../../../src/ports/sending.ts";
import { EngineSession, type OpenEngine } from "../../contract/engine-session.ts";
import type { Phone } from "../../emulator/phone.ts";
import { startWhatsApp, type WhatsApp } from "../../emulator/whatsapp.ts";

let nextId = 0;

const outgoing = (
  chatId: string,
  content: MessageInitShape<typeof OutgoingContentSchema>,
  more: MessageInitShape<typeof OutgoingMessageSchema> = {},
): OutgoingMessage => {
  nextId += 1;
  const id = `3EB0${String(nextId).padStart(18, "0")}`;
  return create(OutgoingMessageSchema, { id, chatId, content: create(OutgoingContentSchema, content), ...more });
};
const text = (value: string): MessageInitShape<typeof OutgoingContentSchema> => ({
  kind: { case: "text", value: { text: value } },
});
const chatOf = (phone: Phone) => `${phone.number}@c.us`;

/** Returns the next `count` acknowledgements, each as id, name and what else it says. */
async function acks(engine: OpenEngine, count: number): Promise<unknown[][]> {
  const found = [];
  while (found.length < count) {
    const { report } = await engine.until("ack");
    found.push([report.id, Ack[report.ack], ...[report.participant ?? report.reason ?? []].flat()]);
  }
  return found;
}

describe("a NOWEB engine that sends", () => {
  let whatsapp: WhatsApp;
  let phone: Phone;
  let bob: Phone;
  let session: EngineSession;
  let engine: OpenEngine;
  const sent = new Map<string, SentMessage>();

  const send = async (message: OutgoingMessage): Promise<SentMessage> => {
    const one = await sending().send(message);
    sent.set(message.id, one);
    return one;
  };
  const sending = (): Sending => engine.engine.sending ?? assert.fail("the engine cannot send");
  const open = async () => {
    session = new EngineSession(createBaileysFactory({ clock: systemClock, waWebSocketUrl: whatsapp.url }));
    session.sentMessage = async (id) => sent.get(id);
    engine = await session.openLoggedIn(({ seen }) => {
      const qr = seen.findLast((event) => event.type === "qr");
      return phone.scan(qr?.value ?? "");
    });
    await whatsapp.waitForLogin(phone.devices[0] ?? assert.fail());
  };

  before(async () => {
    whatsapp = await startWhatsApp();
  });
  beforeEach(async () => {
    await session?.close();
    whatsapp.answerTo = () => ({});
    phone = whatsapp.phone();
    bob = whatsapp.phone();
    await open();
  });
  after(async () => {
    await session?.close();
    await whatsapp.close();
    assert.deepEqual(whatsapp.faults, []);
  });

  it("sends a text under the caller's id, and reports how far it has come", async () => {
    const message = outgoing(chatOf(bob), text("hello"));
    const { jid } = await send(message);
    assert.equal(jid, bob.jid);
    const shown = await bob.nextMessage();
    assert.deepEqual([shown.id, shown.text], [message.id, "hello"]);
    assert.deepEqual(await acks(engine, 2), [
      [message.id, "SERVER"],
      [message.id, "DEVICE"],
    ]);
    bob.confirm(phone, [message.id], { type: "read" });
    bob.confirm(phone, [message.id], { type: "played" });
    assert.deepEqual(await acks(engine, 2), [
      [message.id, "READ"],
      [message.id, "PLAYED"],
    ]);
  });

  it("reports each message of a receipt that names several", async () => {
    const messages = ["one", "two", "three"].map((one) => outgoing(chatOf(bob), text(one)));
    for (const message of messages) await send(message);
    await acks(engine, 6);
    bob.confirm(
      phone,
      messages.map(({ id }) => id),
      { type: "read" },
    );
    assert.deepEqual(
      await acks(engine, 3),
      messages.map(({ id }) => [id, "READ"]),
    );
  });

  for (const [error, reason] of [
    [463, "REACHOUT_LOCKED"],
    [429, "RATE"],
    [500, "WHATSAPP_500"],
  ] as const) {
    it(`reports ${reason} once if WhatsApp refuses a message with ${error}, and sends it only once`, async () => {
      whatsapp.answerTo = () => ({ error });
      const message = outgoing(chatOf(bob), text("hello"));
      await send(message);
      assert.deepEqual(await acks(engine, 1), [[message.id, "ERROR", reason]]);
      const times = phone.devices[0]?.ledger.sent.filter((id) => id === message.id).length;
      assert.deepEqual([times, bob.shown.length], [1, 0]);
    });
  }

  it("sends once more under the same id if WhatsApp knows other devices of the recipient", async () => {
    let answers = 0;
    whatsapp.answerTo = ({ attrs }) => (attrs.id === message.id && answers++ === 0 ? { error: 479 } : {});
    const message = outgoing(chatOf(bob), text("hello"));
    await send(message);
    assert.deepEqual((await acks(engine, 1))[0], [message.id, "SERVER"]);
    assert.equal((await bob.nextMessage()).text, "hello");
  });

  it("reports STALE_DEVICES if the second try is refused too", async () => {
    const message = outgoing(chatOf(bob), text("hello"));
    whatsapp.answerTo = ({ attrs }) => (attrs.id === message.id ? { error: 479 } : {});
    await send(message);
    assert.deepEqual(await acks(engine, 1), [[message.id, "ERROR", "STALE_DEVICES"]]);
  });

  it("refuses a number without an account before anything leaves, and asks only once", async () => {
    const number = "49123456789";
    whatsapp.numbering.set(number, null);
    for (const times of [1, 2]) {
      await assert.rejects(
        send(outgoing(`${number}@c.us`, text("hello"))),
        { reason: "NO_ACCOUNT", message: /chatId/ },
        `try ${times}`,
      );
    }
    assert.equal(await sending().findAccount(number), undefined);
  });

  it("sends to the number that WhatsApp answers, as for Brazil's ninth digit", async () => {
    const ana = whatsapp.phone("551187654321");
    whatsapp.numbering.set("5511987654321", ana.number);
    const { jid } = await send(outgoing("5511987654321@c.us", text("oi")));
    assert.equal(jid, ana.jid);
    assert.equal((await ana.nextMessage()).text, "oi");
    assert.equal((await sending().findAccount("5511987654321"))?.chatId, chatOf(ana));
  });

  it("sends to a LID", async () => {
    const { jid } = await send(outgoing(bob.lid, text("hello")));
    assert.equal(jid, bob.lid);
    assert.equal((await bob.nextMessage()).text, "hello");
  });

  it("sends a repeated message with the same content, which the phone shows once", async () => {
    const message = outgoing(chatOf(bob), text("hello"));
    const { jid, encoded } = await send(message);
    await acks(engine, 2);
    void engine.rest();
    await send({ ...message, jid, encoded: Buffer.from(encoded) });
    await whatsapp.until(() => bob.repeats.includes(message.id), "the repeat");
    assert.equal(bob.shown.length, 1);
  });

  it("gets a receipt again if it was not committed before a crash", async () => {
    const message = outgoing(chatOf(bob), text("hello"));
    await send(message);
    await acks(engine, 1);
    const device = phone.devices[0] ?? assert.fail();
    await whatsapp.until(() => device.receipts.size > 0, "the receipt");
    assert.deepEqual(await acks(engine, 1), [[message.id, "DEVICE"]]);
    // The reader has not asked for the next event, so the report is not committed.
    bob.confirm(phone, [message.id], { type: "read" });
    const next = session.open();
    const reports = await acks(next, 2);
    assert.deepEqual(reports.map(([, ack]) => ack).sort(), ["DEVICE", "READ"]);
    void next.rest();
    await whatsapp.until(() => device.receipts.size === 0, "the acks of the receipts");
  });

  it("answers a recipient that asks again, by number or LID, after a restart too", async () => {
    const message = outgoing(chatOf(bob), text("hello"));
    await send(message);
    await acks(engine, 2);
    const rest = engine.rest();
    await engine.engine.close();
    await rest;
    const next = session.open();
    await next.until("opened");
    void next.rest();
    for (const from of [bob.jid, bob.lid]) {
      const { length } = bob.repeats;
      bob.confirm(phone, [message.id], { type: "retry", from });
      await whatsapp.until(() => bob.repeats.length > length, `the answer to ${from}`);
    }
    assert.equal(bob.shown.at(-1)?.text, "hello");
  });

  it("marks named or all unread messages of a chat as read", async () => {
    const device = phone.devices[0] ?? assert.fail();
    const ids: string[] = [];
    for (const one of ["one", "two", "three"]) ids.push(await bob.sendTextTo(phone, one));
    for (const _ of ids) await engine.until("message");
    void engine.rest();
    const isRead = (id: string) => device.ledger.receipts.get(id)?.includes("read") === true;
    await sending().markSeen(chatOf(bob), ids.slice(0, 1));
    await whatsapp.until(() => isRead(ids[0] ?? ""), "the first read receipt");
    assert.deepEqual(ids.map(isRead), [true, false, false]);
    await sending().markSeen(bob.lid, []);
    await whatsapp.until(() => ids.every(isRead), "the other read receipts");
  });

  it("quotes a message that came in, and reacts to it", async () => {
    const id = await bob.sendTextTo(phone, "how are you?");
    await engine.until("message");
    void engine.rest();
    const key = await sending().findMessage({ id, chatId: chatOf(bob) });
    assert.ok(key);
    await send(outgoing(chatOf(bob), { ...text("fine"), replyTo: key }));
    await send(outgoing(chatOf(bob), { kind: { case: "reaction", value: { text: "👍", key } } }));
    const context = (await bob.nextMessage(({ text }) => text === "fine")).content.extendedTextMessage?.contextInfo;
    assert.deepEqual([context?.stanzaId, context?.quotedMessage?.conversation], [id, "how are you?"]);
    const reaction = (await bob.nextMessage(({ content }) => Boolean(content.reactionMessage))).content.reactionMessage;
    assert.deepEqual([reaction?.text, reaction?.key?.id], ["👍", id]);
    assert.equal(await sending().findMessage({ id: "UNKNOWN", chatId: chatOf(bob) }), undefined);
    assert.equal(await sending().findMessage({ id, chatId: "15559999999@c.us" }), undefined);
  });

  it("mentions people by the JIDs that phones know", async () => {
    void engine.rest();
    await send(outgoing(chatOf(bob), { ...text("hi @1"), mentions: ["15559999999@c.us"] }));
    const { content } = await bob.nextMessage();
    assert.deepEqual(content.extendedTextMessage?.contextInfo?.mentionedJid, ["15559999999@s.whatsapp.net"]);
  });

  it("rejects as lost what is sent on a connection that has ended", async () => {
    const rest = engine.rest();
    await engine.engine.close();
    await rest;
    await assert.rejects(send(outgoing(chatOf(bob), text("late"))), { name: "ConnectionLost" });
  });

  it("gives a message to nobody but its recipient", async () => {
    const [message, later] = [outgoing(chatOf(bob), text("secret")), outgoing(chatOf(bob), text("later"))];
    const eve = whatsapp.phone();
    await send(message);
    eve.confirm(phone, [message.id], { type: "retry" });
    await send(later);
    void engine.rest();
    await whatsapp.until(() => bob.shown.some(({ id }) => id === later.id), "the later message");
    await whatsapp.until(() => phone.devices[0]?.receipts.size === 0, "the acks of the receipts");
    assert.deepEqual(eve.shown, []);
  });
});
