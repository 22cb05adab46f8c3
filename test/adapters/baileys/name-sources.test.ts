import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BinaryNode } from "@whiskeysockets/baileys";
import { alignOwnMessage, pairsIn, pairsInReports } from "../../../src/adapters/baileys/name-sources.ts";
import { stanza } from "../../emulator/stanza.ts";

const me = { id: "15550000001@c.us", lid: "900000000001@lid" };
const mine = { jid: "15550000001:3@s.whatsapp.net", lid: "900000000001:3@lid", bare: "15550000001@s.whatsapp.net" };
const bob = { jid: "15551112222@s.whatsapp.net", lid: "900000000002@lid" };
const pair = { lid: bob.lid, number: "15551112222@c.us" };
const group = "120363@g.us";

describe("the pairs of LID and number in a stanza", () => {
  const telling: [string, BinaryNode][] = [
    ["a message by LID", stanza("message", { from: bob.lid, sender_pn: bob.jid, addressing_mode: "lid" })],
    [
      "a message by LID in the wrong mode",
      stanza("message", { from: bob.lid, sender_pn: bob.jid, addressing_mode: "pn" }),
    ],
    ["a message by number", stanza("message", { from: bob.jid, sender_lid: bob.lid })],
    [
      "a device's message",
      stanza("message", { from: "900000000002:12@lid", sender_pn: "15551112222:12@s.whatsapp.net" }),
    ],
    ["a hosted device's message", stanza("message", { from: "900000000002:99@hosted.lid", sender_pn: bob.jid })],
    ["a group's message", stanza("message", { from: group, participant: bob.lid, participant_pn: bob.jid })],
    ["a group's message by number", stanza("message", { from: group, participant: bob.jid, participant_lid: bob.lid })],
    ["a status update", stanza("message", { from: "status@broadcast", participant: bob.lid, participant_pn: bob.jid })],
    ["an own message", stanza("message", { from: mine.lid, recipient: bob.lid, peer_recipient_pn: bob.jid })],
    ["an own message by number", stanza("message", { from: mine.jid, recipient: bob.jid, recipient_lid: bob.lid })],
    ["a receipt", stanza("receipt", { from: bob.lid, sender_pn: bob.jid })],
    [
      "a group's news",
      stanza("notification", { from: group, type: "w:gp2" }, [
        stanza("add", {}, [stanza("participant", { jid: bob.lid, phone_number: bob.jid })]),
      ]),
    ],
    ["a call", stanza("call", { from: bob.lid }, [stanza("offer", { "call-creator": bob.lid, caller_pn: bob.jid })])],
  ];
  for (const [what, node] of telling) it(`are told by ${what}`, () => assert.deepEqual(pairsIn(node), [pair]));

  const silent: [string, BinaryNode][] = [
    ["a LID alone", stanza("message", { from: bob.lid })],
    ["a group's message without a number", stanza("message", { from: group, participant: bob.lid })],
    ["a channel's message", stanza("message", { from: "1203@newsletter", sender_pn: bob.jid })],
  ];
  for (const [what, node] of silent) it(`are not told by ${what}`, () => assert.deepEqual(pairsIn(node), []));

  it("are told by contacts, chats and groups", () => {
    for (const reports of [
      { "contacts.upsert": [{ id: bob.lid, phoneNumber: bob.jid }] },
      { "contacts.update": [{ id: bob.jid, lid: bob.lid }] },
      { "chats.upsert": [{ id: bob.lid, pnJid: bob.jid }] },
      { "groups.update": [{ id: group, participants: [{ id: bob.lid, phoneNumber: bob.jid }] }] },
    ]) {
      assert.deepEqual(pairsInReports(reports), [pair], Object.keys(reports)[0]);
    }
  });
});

describe("a message from another device of the account", () => {
  const aligned: [string, Record<string, string>, Record<string, string>][] = [
    [
      "keeps the recipient's number, not the sender's",
      { from: mine.lid, sender_pn: mine.bare, recipient: bob.lid, recipient_pn: bob.jid },
      { from: mine.lid, recipient: bob.lid, addressing_mode: "lid", peer_recipient_pn: bob.jid },
    ],
    [
      "keeps the recipient's LID, not the sender's",
      { from: mine.jid, sender_lid: mine.lid, recipient: bob.jid, peer_recipient_lid: bob.lid },
      { from: mine.jid, recipient: bob.jid, addressing_mode: "pn", peer_recipient_lid: bob.lid },
    ],
    [
      "tells no number where only the sender's is told",
      { from: mine.lid, sender_pn: mine.bare, recipient: bob.lid, addressing_mode: "pn" },
      { from: mine.lid, recipient: bob.lid, addressing_mode: "lid" },
    ],
  ];
  for (const [what, attrs, expected] of aligned) {
    it(what, () => {
      const node = stanza("message", attrs);
      alignOwnMessage(node, me);
      assert.deepEqual(node.attrs, expected);
    });
  }

  it("is the only one that is changed", () => {
    for (const attrs of [
      { from: bob.lid, sender_pn: bob.jid },
      { from: bob.lid, sender_pn: bob.jid, recipient: mine.lid },
      { from: group, participant: mine.lid, participant_pn: mine.bare },
      { from: mine.jid, sender_lid: mine.lid, recipient: group },
    ]) {
      const node = stanza("message", attrs);
      alignOwnMessage(node, me);
      assert.deepEqual(node.attrs, attrs);
    }
  });
});
