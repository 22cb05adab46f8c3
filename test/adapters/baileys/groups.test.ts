import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type { AddressingMode, Group } from "../../emulator/groups.ts";
import type { Phone } from "../../emulator/phone.ts";
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
});
