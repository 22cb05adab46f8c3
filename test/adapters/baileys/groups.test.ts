import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type { AddressingMode, Group } from "../../emulator/groups.ts";
import type { Phone } from "../../emulator/phone.ts";
import { deliverReceipt } from "../../emulator/receipts.ts";
import { startWhatsApp, type WhatsApp } from "../../emulator/whatsapp.ts";
import { chatOf, outgoing, SendingSession, text } from "./sending-session.ts";

const hourMs = 60 * 60_000;

describe("a NOWEB engine that sends to a group of three", () => {
  let whatsapp: WhatsApp;
  let alice: SendingSession;
  let [bob, eve]: Phone[] = [];

  before(async () => {
    whatsapp = await startWhatsApp();
  });
  beforeEach(async () => {
    await alice?.close();
    alice = await SendingSession.open(whatsapp);
    [bob, eve] = [whatsapp.phone(), whatsapp.phone()];
  });
  after(async () => {
    await alice?.close();
    await whatsapp.close();
    assert.deepEqual(whatsapp.faults, []);
  });

  const members = () => [alice.phone, bob ?? assert.fail(), eve ?? assert.fail()] as const;
  const groupBy = (addressing: AddressingMode): Group => whatsapp.groups.create(members(), addressing);

  for (const addressing of ["pn", "lid"] as const) {
    it(`reaches all members, and reports each one's receipts by number (${addressing})`, async () => {
      const group = groupBy(addressing);
      const [, bob, eve] = members();
      const message = outgoing(group.id, text("hello all"));
      assert.equal((await alice.send(message)).jid, group.id);
      for (const phone of members()) {
        const { id, text, to } = await phone.nextMessage();
        assert.deepEqual([id, text, to], [message.id, "hello all", group.id]);
      }
      const reports = await alice.acks(3);
      for (const person of [[], [chatOf(bob)], [chatOf(eve)]]) {
        const ack = person.length > 0 ? "DEVICE" : "SERVER";
        assert.ok(reports.some((report) => String(report) === String([message.id, ack, ...person])));
      }
      eve.confirm(alice.phone, [message.id], { type: "read", from: group.id, participant: group.jidOf(eve) });
      assert.deepEqual(await alice.acks(1), [[message.id, "READ", chatOf(eve)]]);
      void alice.engine.rest();
      // The members have the sender's key by now.
      await alice.send(outgoing(group.id, text("again")));
      assert.equal((await bob.nextMessage()).text, "again");
    });
  }

  it("mentions everyone, or those whom the caller names", async () => {
    const group = groupBy("lid");
    const [me, bob, eve] = members();
    void alice.engine.rest();
    const mentioned = async (...mentions: string[]) => {
      await alice.send(outgoing(group.id, { ...text("look"), mentions }));
      const { content } = await bob.nextMessage();
      return content.extendedTextMessage?.contextInfo?.mentionedJid;
    };
    assert.deepEqual(await mentioned("all"), [me.lid, bob.lid, eve.lid]);
    assert.deepEqual(await mentioned(chatOf(eve)), [eve.jid]);
  });

  for (const addressing of ["pn", "lid"] as const) {
    it(`mentions members by any of their ids, also those who joined a moment ago, and nobody else (${addressing})`, async () => {
      const group = groupBy(addressing);
      const [me, bob, eve] = members();
      const ana = whatsapp.phone();
      void alice.engine.rest();
      const strangers = (...mentions: string[]) => alice.sending.strangers?.(group.id, mentions);
      const all = [me, bob, eve].flatMap((one) => [chatOf(one), one.lid]);
      assert.deepEqual(await strangers(...all, "all"), []);
      assert.deepEqual(await strangers(chatOf(ana), chatOf(bob), ana.lid), [chatOf(ana), ana.lid]);
      const refused = outgoing(group.id, { ...text("look"), mentions: [chatOf(bob), chatOf(ana)] });
      await assert.rejects(alice.send(refused), { name: "SendRefused", reason: "STRANGER_MENTIONED" });
      group.members.push(ana);
      assert.deepEqual(await strangers(chatOf(ana), ana.lid), []);
    });
  }

  for (const laterMs of [0, hourMs]) {
    it(`answers a member that asks again by its LID${laterMs ? ", an hour and a restart later" : ""}`, async () => {
      const group = groupBy("pn");
      const [, bob, eve] = members();
      const message = outgoing(group.id, text("hello all"));
      await alice.send(message);
      await alice.acks(3);
      if (laterMs > 0) await alice.restart(laterMs);
      void alice.engine.rest();
      for (const participant of [bob.lid, bob.jid]) {
        const { length } = bob.repeats;
        bob.confirm(alice.phone, [message.id], { type: "retry", from: group.id, participant });
        await whatsapp.until(() => bob.repeats.length > length, `the answer to ${participant}`);
      }
      assert.deepEqual([bob.shown.length, eve.shown.length], [1, 1]);
    });
  }

  it("refuses a group that the account is not a member of, and one that does not exist", async () => {
    const [, bob, eve] = members();
    const theirs = whatsapp.groups.create([bob, eve]);
    for (const [id, reason] of [
      [theirs.id, "NOT_A_MEMBER"],
      ["120363999999999999@g.us", "NO_ACCOUNT"],
    ] as const) {
      await assert.rejects(alice.send(outgoing(id, text("hello"))), { name: "SendRefused", reason });
    }
  });

  it("reports the receipts for messages from the account's phone, with their chats", async () => {
    const group = groupBy("lid");
    const [phone, bob, eve] = members();
    const device = phone.devices[0] ?? assert.fail();
    const id = await phone.sendTextTo(bob, "from the phone");
    const { message } = await alice.engine.until("message");
    assert.deepEqual([message.fromMe, message.source, message.to], [true, "app", chatOf(bob)]);
    deliverReceipt(device, [id], { from: bob.jid });
    const direct = await alice.engine.until("ack");
    assert.deepEqual([direct.report.id, direct.report.chatId, direct.report.participant], [id, chatOf(bob), undefined]);
    deliverReceipt(device, ["GROUPED"], { from: group.id, participant: eve.jid, type: "read" });
    const grouped = await alice.engine.until("ack");
    assert.deepEqual([grouped.report.chatId, grouped.report.participant], [group.id, chatOf(eve)]);
    void alice.engine.rest();
  });

  it("gives nobody the copy of a message that was edited or deleted", async () => {
    const group = groupBy("pn");
    const [, bob] = members();
    const [message, later] = [outgoing(group.id, text("wrong")), outgoing(group.id, text("later"))];
    alice.sent.set(message.id, { ...(await alice.send(message)), encoded: new Uint8Array() });
    await alice.acks(3);
    void alice.engine.rest();
    await bob.nextMessage();
    bob.confirm(alice.phone, [message.id], { type: "retry", from: group.id, participant: bob.lid });
    await whatsapp.until(() => alice.phone.devices[0]?.receipts.size === 0, "the ack of the receipt");
    await alice.send(later);
    assert.equal((await bob.nextMessage()).id, later.id);
    assert.deepEqual(bob.repeats, []);
  });
});

describe("a NOWEB engine that looks up numbers", () => {
  it("asks for each once, and refuses a crowd of them but not what it knows", async () => {
    const whatsapp = await startWhatsApp();
    const alice = await SendingSession.open(whatsapp);
    void alice.engine.rest();
    const numbers = Array.from({ length: 50 }, (_, index) => `4915200000${String(index).padStart(3, "0")}`);
    whatsapp.numbering.set("5511912345678", "551112345678");
    try {
      const queries = new Map<string, number>();
      const connection = alice.phone.devices[0]?.connection ?? assert.fail();
      connection.onStanza = ({ attrs }) => queries.set(attrs.xmlns ?? "", (queries.get(attrs.xmlns ?? "") ?? 0) + 1);
      const found = await Promise.all(Array.from({ length: 5 }, () => alice.sending.findAccount("5511912345678")));
      assert.deepEqual(new Set(found.map((one) => one?.chatId)), new Set(["551112345678@c.us"]));
      assert.equal(queries.get("usync"), 1);
      const answers = await Promise.allSettled(numbers.map((number) => alice.sending.findAccount(number)));
      const refused = answers.filter(({ status }) => status === "rejected");
      assert.equal(refused.length, 1);
      assert.deepEqual(
        refused.map((one) => one.status === "rejected" && [one.reason.name, one.reason.reason]),
        [["SendRefused", "TOO_MANY_CHECKS"]],
      );
      assert.ok(await alice.sending.findAccount(numbers[0] ?? ""));
      // A message to a number that was never looked up still leaves, to the digits of its account.
      whatsapp.numbering.set("5511987654321", "551187654321");
      const { jid } = await alice.send(outgoing("5511987654321@c.us", text("oi")));
      assert.equal(jid, "551187654321@s.whatsapp.net");
      assert.equal((await whatsapp.phone("551187654321").nextMessage()).text, "oi");
    } finally {
      await alice.close();
      await whatsapp.close();
    }
  });
});
