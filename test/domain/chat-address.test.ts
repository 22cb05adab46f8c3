import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chatIdOf, messageNameOf } from "../../src/domain/chat-address.ts";

describe("chat ids of callers", () => {
  for (const [text, chatId] of [
    ["11111111111@c.us", "11111111111@c.us"],
    [" 11111111111@c.us ", "11111111111@c.us"],
    ["11111111111", "11111111111@c.us"],
    ["+1 (111) 111-1111", "11111111111@c.us"],
    ["11111111111@s.whatsapp.net", "11111111111@c.us"],
    ["11111111111:7@s.whatsapp.net", "11111111111@c.us"],
    ["+11111111111@c.us", "11111111111@c.us"],
    ["11111111111@C.US", "11111111111@c.us"],
    ["199999999999999@lid", "199999999999999@lid"],
    ["199999999999999:3@lid", "199999999999999@lid"],
    ["123456789012345678@g.us", "123456789012345678@g.us"],
    ["11111111111-1612345678@g.us", "11111111111-1612345678@g.us"],
    ["123456789012345678@newsletter", "123456789012345678@newsletter"],
    ["status@broadcast", "status@broadcast"],
  ] as const) {
    it(`${JSON.stringify(text)} is ${chatId}`, () => assert.equal(chatIdOf(text), chatId));
  }

  for (const text of [
    "",
    " ",
    "alice",
    "@c.us",
    "1@c.us",
    "1111111111111111@c.us",
    "11111111111@",
    "11111111111@example.com",
    "11111111111@constructor",
    "abc@g.us",
    "status@g.us",
    "11111111111@c.us@c.us",
    "11111111111\u0000@c.us",
  ]) {
    it(`refuses ${JSON.stringify(text)}, and names the field`, () => {
      const violation = chatIdOf(text, "chatId");
      assert.ok(typeof violation === "object");
      assert.equal(violation.field, "chatId");
    });
  }
});

describe("message ids of callers", () => {
  for (const [text, name] of [
    ["3EB0ABC", { id: "3EB0ABC" }],
    ["false_11111111111@c.us_AAAA", { id: "AAAA", fromMe: false, chatId: "11111111111@c.us" }],
    ["true_11111111111@s.whatsapp.net_AAAA", { id: "AAAA", fromMe: true, chatId: "11111111111@c.us" }],
    [
      "false_123456789@g.us_AAAA_22222222222@c.us",
      { id: "AAAA", fromMe: false, chatId: "123456789@g.us", participant: "22222222222@c.us" },
    ],
  ] as const) {
    it(`reads ${text}`, () => assert.deepEqual(messageNameOf(text, "messageId"), name));
  }

  for (const text of ["", "true_11111111111@c.us", "true_nobody@x_AAAA", "a b", "true_11111111111@c.us_AAAA_x@y"]) {
    it(`refuses ${JSON.stringify(text)}, and names the field`, () => {
      const violation = messageNameOf(text, "replyTo");
      assert.ok("field" in violation);
      assert.equal(violation.field, "replyTo");
    });
  }
});
