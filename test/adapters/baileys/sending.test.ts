import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type { OutgoingMessage } from "../../../gen/sessiond/store/v1/store_pb.js";
import { MessagePayload_Ack as Ack } from "../../../gen/sessiond/v1/event_pb.js";
import { createBaileysFactory } from "../../../src/adapters/baileys/factory.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { linkIn } from "../../../src/domain/link-preview.ts";
import type { LinkPreviews } from "../../../src/ports/link-previews.ts";
import type { Sending, SentMessage } from "../../../src/ports/sending.ts";
import { EngineSession, type OpenEngine } from "../../contract/engine-session.ts";
import { outgoing, sendingContract, text } from "../../contract/sending.ts";
import { edit, reaction, revocation } from "../../emulator/message-content.ts";
import { sendContent } from "../../emulator/messages.ts";
import type { Phone } from "../../emulator/phone.ts";
import { startWhatsApp, type WhatsApp } from "../../emulator/whatsapp.ts";

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
    const previews: LinkPreviews = {
      of: async (value) => {
        const url = linkIn(value);
        return url?.includes("example.com") ? { url, title: "Example", description: "About it" } : undefined;
      },
    };
    session = new EngineSession(createBaileysFactory({ clock: systemClock, waWebSocketUrl: whatsapp.url, previews }));
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

  it("sends once more under the same id if WhatsApp knows other devices of the recipient", async () => {
    let answers = 0;
    whatsapp.answerTo = ({ attrs }) => (attrs.id === message.id && answers++ === 0 ? { error: 479 } : {});
    const message = outgoing(chatOf(bob), text("hello"));
    await send(message);
    assert.deepEqual((await acks(engine, 1))[0], [message.id, "SERVER"]);
    assert.equal((await bob.nextMessage()).text, "hello");
  });

  it("shows the preview of a link if it is wanted and there is one", async () => {
    const shown = async (value: string, linkPreview: boolean) => {
      await send(outgoing(chatOf(bob), { kind: { case: "text", value: { text: value, linkPreview } } }));
      const { content, text } = await bob.nextMessage();
      const { title, description, matchedText } = content.extendedTextMessage ?? {};
      return [text, title, description, matchedText];
    };
    void engine.rest();
    const url = "https://example.com/";
    assert.deepEqual(await shown(`look: ${url}!`, true), [`look: ${url}!`, "Example", "About it", url]);
    const none = [undefined, undefined, undefined].map((one) => one ?? "");
    for (const [value, isWanted] of [
      [`look: ${url}!`, false],
      ["look: https://other.example/", true],
    ] as const) {
      assert.deepEqual(
        (await shown(value, isWanted)).map((one) => one ?? ""),
        [value, ...none],
      );
    }
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

sendingContract<Phone>("NOWEB", async () => {
  const whatsapp = await startWhatsApp();
  const phone = whatsapp.phone();
  const session = new EngineSession(createBaileysFactory({ clock: systemClock, waWebSocketUrl: whatsapp.url }));
  const engine = await session.openLoggedIn(({ seen }) => {
    const qr = seen.findLast((event) => event.type === "qr");
    return phone.scan(qr?.value ?? "");
  });
  const device = phone.devices[0] ?? assert.fail();
  await whatsapp.waitForLogin(device);
  const shown = (person: Phone, id: string) => person.shown.find((one) => one.id === id)?.content;
  return {
    phone,
    session,
    engine,
    newPhone: (number) => whatsapp.phone(number),
    answer(answer) {
      whatsapp.answerTo = () => answer;
    },
    setNumber: (number, account) => void whatsapp.numbering.set(number, account),
    confirm: (person, ids, type) => person.confirm(phone, ids, { type }),
    isRead: (_, id) => device.ledger.receipts.get(id)?.includes("read") === true,
    sentIds: () => device.ledger.sent,
    quotedBy(person, id) {
      const context = shown(person, id)?.extendedTextMessage?.contextInfo;
      return context?.stanzaId ? { id: context.stanzaId, text: context.quotedMessage?.conversation ?? "" } : undefined;
    },
    mentionedBy: (person, id) =>
      (shown(person, id)?.extendedTextMessage?.contextInfo?.mentionedJid ?? []).map((jid) => jid.split("@")[0] ?? ""),
    reactionsTo: (person) =>
      person.shown.flatMap(({ content: { reactionMessage } }) =>
        reactionMessage ? [{ id: reactionMessage.key?.id ?? "", text: reactionMessage.text ?? "" }] : [],
      ),
    react: (from, to, { id, isOwn }, emoji) => sendContent(whatsapp, from, to, reaction(id, to.jid, isOwn, emoji)),
    edit: (from, to, id, body) => sendContent(whatsapp, from, to, edit(id, to.jid, body)),
    revoke: (from, to, id) => sendContent(whatsapp, from, to, revocation(id, to.jid)),
    until: (condition) => whatsapp.until(condition, "what the contract waits for"),
    async close() {
      await session.close();
      await whatsapp.close();
      assert.deepEqual(whatsapp.faults, []);
    },
  };
}, [
  [463, "REACHOUT_LOCKED"],
  [429, "RATE"],
  [500, "WHATSAPP_500"],
]);
