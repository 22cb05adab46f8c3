import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { createBaileysFactory } from "../../../src/adapters/baileys/factory.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { EngineSession, type OpenEngine } from "../../contract/engine-session.ts";
import type { Addressing } from "../../emulator/messages.ts";
import type { Phone } from "../../emulator/phone.ts";
import { startWhatsApp, type WhatsApp } from "../../emulator/whatsapp.ts";

const group = "120363000000000001@g.us";

describe("people named by LIDs, to a NOWEB engine", () => {
  let whatsapp: WhatsApp;
  let phone: Phone;
  let bob: Phone;
  const sessions: EngineSession[] = [];

  const number = ({ number: digits }: Phone) => `${digits}@c.us`;
  const lidOnly = (from: Phone): Addressing => ({ envelope: { from: from.lid, sender_lid: undefined } });
  const withNumber = (from: Phone): Addressing => ({
    envelope: { from: from.lid, sender_lid: undefined, sender_pn: from.jid, addressing_mode: "lid" },
  });
  const inGroup = (from: Phone, others: Record<string, string> = {}): Addressing => ({
    envelope: { from: group, participant: from.lid, sender_lid: undefined, addressing_mode: "lid", ...others },
  });

  /** An engine of a session that is logged in, and what it reports of a text. */
  async function working() {
    const session = new EngineSession(createBaileysFactory({ clock: systemClock, waWebSocketUrl: whatsapp.url }));
    sessions.push(session);
    let engine = await session.openLoggedIn(({ seen }) => {
      const qr = seen.findLast((event) => event.type === "qr");
      return phone.scan(qr?.value ?? "");
    });
    const isReady = () => whatsapp.waitForLogin(phone.devices[0] ?? assert.fail("the phone has no device"));
    await isReady();
    const heard = async (from: Phone, to: Phone, addressing?: Addressing) => {
      await from.sendTextTo(to, "hello", addressing);
      return (await engine.until("message")).message;
    };
    return {
      /** Which write was the first with this key. */
      writeOf: (key: string) => session.credentials.writes.findIndex((changes) => changes.has(key)),
      told: (from: Phone, addressing?: Addressing) => heard(from, phone, addressing),
      copied: (to: Phone, addressing: Addressing) => heard(phone, to, addressing),
      async restart(): Promise<OpenEngine> {
        await engine.engine.close();
        await engine.rest();
        engine = session.open();
        await engine.until("opened");
        await isReady();
        return engine;
      },
    };
  }

  before(async () => {
    whatsapp = await startWhatsApp();
  });
  beforeEach(() => {
    phone = whatsapp.phone();
    bob = whatsapp.phone();
  });
  after(async () => {
    await Promise.all(sessions.map((session) => session.close()));
    await whatsapp.close();
  });

  it("have the number as soon as a message tells it, and after a restart without a store", async () => {
    const { told, restart } = await working();
    const first = await told(bob, lidOnly(bob));
    assert.deepEqual([first.from, first.fromLid], [bob.lid, bob.lid]);
    assert.match(first.id, new RegExp(`^false_${bob.lid}_`));
    for (const addressing of [withNumber(bob), lidOnly(bob), undefined]) {
      const { id, from, fromLid, to, toLid } = await told(bob, addressing);
      assert.deepEqual([from, fromLid, to, toLid], [number(bob), bob.lid, number(phone), phone.lid]);
      assert.ok(id.startsWith(`false_${number(bob)}_`), id);
    }
    await restart();
    const later = await told(bob, lidOnly(bob));
    assert.deepEqual([later.from, later.fromLid], [number(bob), bob.lid]);
    assert.deepEqual(whatsapp.faults, []);
  });

  const tellings: [string, (from: Phone) => Addressing][] = [
    [
      "a message by LID in the mode of numbers",
      (from) => ({ envelope: { from: from.lid, sender_lid: undefined, sender_pn: from.jid, addressing_mode: "pn" } }),
    ],
    ["a message by number", () => ({})],
    ["a group's message", (from) => inGroup(from, { participant_pn: from.jid })],
    ["a status update", (from) => ({ ...inGroup(from, { from: "status@broadcast", participant_pn: from.jid }) })],
  ];
  for (const [what, telling] of tellings) {
    it(`have the number that ${what} has told before`, async () => {
      const { told } = await working();
      await told(bob, telling(bob));
      assert.equal((await told(bob, lidOnly(bob))).from, number(bob));
      const { id, from, participant, participantLid } = await told(bob, inGroup(bob));
      assert.deepEqual([from, participant, participantLid], [group, number(bob), bob.lid]);
      assert.ok(id.endsWith(`_${number(bob)}`), id);
    });
  }

  it("are authors by LID in a group as long as nothing tells their numbers", async () => {
    const { told } = await working();
    const { from, participant, participantLid } = await told(bob, inGroup(bob));
    assert.deepEqual([from, participant, participantLid], [group, bob.lid, bob.lid]);
  });

  it("have their numbers as authors of quoted messages", async () => {
    const { told } = await working();
    const carol = whatsapp.phone();
    await told(carol, withNumber(carol));
    const contextInfo = { stanzaId: "ABC", participant: carol.lid, quotedMessage: { conversation: "before" } };
    const { replyTo } = await told(bob, { ...lidOnly(bob), contextInfo });
    assert.deepEqual([replyTo?.participant, replyTo?.participantLid], [number(carol), carol.lid]);
    const own = await told(bob, { contextInfo: { ...contextInfo, participant: phone.lid } });
    assert.equal(own.replyTo?.participant, number(phone));
  });

  it("are recipients by number in the account's own messages, never the account", async () => {
    const copies: [string, Addressing][] = [
      ["peer_recipient_pn", { copyEnvelope: { peer_recipient_pn: "number", sender_lid: undefined } }],
      [
        "recipient_pn beside sender_pn",
        { copyEnvelope: { recipient_pn: "number", sender_pn: "own", sender_lid: undefined } },
      ],
      ["the copy's destination", { copyEnvelope: { sender_lid: undefined } }],
    ];
    const { copied, told } = await working();
    for (const [what, addressing] of copies) {
      const to = whatsapp.phone();
      const numbers: Record<string, string> = { number: to.jid, own: phone.jid };
      const attributes = Object.entries(addressing.copyEnvelope ?? {}).map(([name, value]) => [
        name,
        numbers[value ?? ""],
      ]);
      const copyEnvelope = { ...Object.fromEntries(attributes), from: phone.lid, recipient: to.lid };
      const message = await copied(to, { copyEnvelope });
      assert.deepEqual([message.from, message.to, message.toLid], [number(phone), number(to), to.lid], what);
      assert.equal((await told(to, lidOnly(to))).from, number(to), what);
    }
  });

  it("stay LIDs where an own message tells only the sender's number", async () => {
    const { copied, told } = await working();
    const copyEnvelope = { from: phone.lid, recipient: bob.lid, sender_pn: phone.jid, sender_lid: undefined };
    const own = await copied(bob, { copyEnvelope, destination: bob.lid });
    assert.deepEqual([own.from, own.to], [number(phone), bob.lid]);
    assert.equal((await told(bob, lidOnly(bob))).from, bob.lid);
    assert.equal((await told(bob, withNumber(bob))).from, number(bob));
  });

  it("are on disk with their numbers no later than the message that tells them", async () => {
    const { told, copied, writeOf } = await working();
    const carol = whatsapp.phone();
    await told(bob, withNumber(bob));
    await copied(carol, { copyEnvelope: { from: phone.lid, recipient: carol.lid, sender_lid: undefined } });
    for (const [place, { lidUser }] of [bob, carol].entries()) {
      const [pair, message] = [writeOf(`lid-mapping:${lidUser}_reverse`), writeOf(`inbox:${place}`)];
      assert.ok(pair >= 0 && pair <= message, `write ${pair}, the message's is ${message}`);
    }
  });

  it("are the account where the chat is with itself", async () => {
    const { copied } = await working();
    const { from, to, toLid } = await copied(phone, { copyEnvelope: { from: phone.lid, recipient: phone.lid } });
    assert.deepEqual([from, to, toLid], [number(phone), number(phone), phone.lid]);
  });
});
