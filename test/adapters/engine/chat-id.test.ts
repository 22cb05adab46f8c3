import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chatId, pairOf, personOf } from "../../../src/adapters/engine/chat-id.ts";

const me = { id: "15550000001@c.us", lid: "900000000001@lid" };
const bob = { id: "15551112222@c.us", lid: "900000000002@lid" };

describe("a chat id", () => {
  const shown: [string, string][] = [
    ["15557654321@s.whatsapp.net", "15557654321@c.us"],
    ["15557654321:3@s.whatsapp.net", "15557654321@c.us"],
    ["15557654321_1:3@s.whatsapp.net", "15557654321@c.us"],
    ["15557654321@c.us", "15557654321@c.us"],
    ["15557654321:99@hosted", "15557654321@c.us"],
    ["99:2@lid", "99@lid"],
    ["99_1:2@lid", "99@lid"],
    ["99:99@hosted.lid", "99@lid"],
    ["120363000000000000@g.us", "120363000000000000@g.us"],
    ["15557654321-1500000000@g.us", "15557654321-1500000000@g.us"],
    ["status@broadcast", "status@broadcast"],
    ["1500000000@broadcast", "1500000000@broadcast"],
    ["120363000000000001@newsletter", "120363000000000001@newsletter"],
    ["867051314767696@bot", "867051314767696@bot"],
    ["nonsense", "nonsense"],
    ["", ""],
  ];
  for (const [id, expected] of shown) {
    it(`of ${id || "nothing"} is shown as ${expected || "nothing"}`, () => assert.equal(chatId(id), expected));
  }
});

describe("a person in a message", () => {
  const people: [string, string, string | undefined, object][] = [
    ["a LID and a number", "900000000002@lid", "15551112222@s.whatsapp.net", bob],
    ["a number and a LID", "15551112222@s.whatsapp.net", "900000000002@lid", bob],
    ["a hosted LID and a device's number", "900000000002:99@hosted.lid", "15551112222:4@s.whatsapp.net", bob],
    ["a LID alone", "900000000002:1@lid", undefined, { id: bob.lid, lid: bob.lid }],
    ["a LID twice", "900000000002@lid", "900000000002@lid", { id: bob.lid, lid: bob.lid }],
    ["a number alone", "15551112222@c.us", "", { id: bob.id }],
    [
      "a LID and the account's own number",
      "900000000002@lid",
      "15550000001@s.whatsapp.net",
      { id: bob.lid, lid: bob.lid },
    ],
    ["a number and the account's own LID", "15551112222@c.us", "900000000001@lid", { id: bob.id }],
    ["the account's own LID", "900000000001:7@lid", undefined, me],
    ["the account's own number", "15550000001:7@s.whatsapp.net", undefined, me],
    ["a group and a number", "120363@g.us", "15551112222@s.whatsapp.net", { id: "120363@g.us" }],
  ];
  for (const [what, id, other, expected] of people) {
    it(`is recognised by ${what}`, () => assert.deepEqual(personOf(id, other, me), expected));
  }

  it("has a LID and a number for a pair, in either order", () => {
    const pair = { lid: bob.lid, number: bob.id };
    assert.deepEqual(pairOf("900000000002:3@lid", "15551112222@s.whatsapp.net"), pair);
    assert.deepEqual(pairOf("15551112222:1@hosted", "900000000002@hosted.lid"), pair);
    for (const [one, other] of [
      [bob.lid, bob.lid],
      [bob.id, "1@g.us"],
      [bob.id, undefined],
      [null, bob.lid],
    ]) {
      assert.equal(pairOf(one, other), undefined);
    }
  });
});
