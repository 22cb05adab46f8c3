import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SendRefused } from "../../src/ports/sending.ts";
import { openWorking } from "./working-session.ts";

const hello = { session: "default", chatId: "11111111111@c.us", text: "Hi there!" };

describe("sending over REST", () => {
  it("POST /api/sendText answers 201 with WAHA's message, its id and its key", async (t) => {
    const { call, engine } = await openWorking(t);
    const { status, body } = await call("POST", "/api/sendText", { ...hello, id: "3EB0AAAA" });
    assert.equal(status, 201);
    const { timestamp, ...rest } = body;
    assert.equal(typeof timestamp, "number");
    assert.deepEqual(rest, {
      id: "true_11111111111@c.us_3EB0AAAA",
      from: "79111111@c.us",
      fromMe: true,
      source: "api",
      to: "11111111111@c.us",
      participant: null,
      body: "Hi there!",
      hasMedia: false,
      media: null,
      ack: 1,
      ackName: "SERVER",
      replyTo: null,
      key: { remoteJid: "11111111111@s.whatsapp.net", fromMe: true, id: "3EB0AAAA" },
      _data: {},
    });
    assert.equal(engine().sent.length, 1);
  });

  it("takes reply_to and mentions in WAHA's spelling", async (t) => {
    const { call, engine } = await openWorking(t);
    const request = { ...hello, reply_to: "false_11111111111@c.us_AAAA", mentions: ["2222222222@c.us"] };
    assert.equal((await call("POST", "/api/sendText", request)).status, 201);
    const [message] = engine().sent;
    assert.deepEqual([message?.content?.replyTo?.id, message?.content?.mentions], ["AAAA", ["2222222222@c.us"]]);
  });

  for (const [method, path, body] of [
    ["GET", "/api/sendText?session=default&phone=&chatId=11111111111@c.us&text=hi", undefined],
    ["POST", "/api/reply", { ...hello, reply_to: "false_11111111111@c.us_AAAA" }],
    ["PUT", "/api/reaction", { session: "default", messageId: "false_11111111111@c.us_AAAA", reaction: "👍" }],
  ] as const) {
    it(`${method} ${path.split("?")[0]} sends`, async (t) => {
      const { call, engine } = await openWorking(t);
      const { status } = await call(method, path, body);
      assert.ok(status === 200 || status === 201, String(status));
      assert.equal(engine().sent.length, 1);
    });
  }

  for (const [fields, field] of [
    [{ chatId: "nobody" }, "chatId"],
    [{ chatId: "" }, "chatId"],
    [{ text: "" }, "text"],
    [{ text: "x".repeat(65_537) }, "text"],
    [{ reply_to: "not an id" }, "replyTo"],
    [{ reply_to: "false_11111111111@c.us_UNKNOWN" }, "replyTo"],
    [{ mentions: ["nobody"] }, "mentions"],
    [
      { mentions: ["2222222222", "3333333333@c.us"] },
      "mentions must be persons in the chat, and 3333333333@c.us is not",
    ],
    [{ mentions: ["120363000000000001@g.us"] }, "mentions must be chat ids of persons"],
    [{ mentions: ["status@broadcast"] }, "mentions must be chat ids of persons"],
    [{ mentions: ["all"] }, "mentions must be chat ids of persons"],
    [{ id: "a b" }, "id"],
  ] as const) {
    it(`refuses ${JSON.stringify(fields).slice(0, 60)} with 400, names ${field}, and sends nothing`, async (t) => {
      const { call, engine } = await openWorking(t);
      const { status, body } = await call("POST", "/api/sendText", { ...hello, ...fields });
      assert.equal(status, 400);
      assert.ok([body.message].flat().join().startsWith(field), JSON.stringify(body));
      assert.equal(engine().sent.length, 0);
    });
  }

  it("answers 422 in WAHA's form if the session is not WORKING", async (t) => {
    const { call } = await openWorking(t);
    await call("POST", "/api/sessions/default/stop");
    const { status, body } = await call("POST", "/api/sendText", hello);
    assert.equal(status, 422);
    assert.deepEqual([body.session, body.status, body.expected], ["default", "STOPPED", ["WORKING"]]);
  });

  it("answers 422 with the reason if WhatsApp refuses the message", async (t) => {
    const { call } = await openWorking(t);
    const { status, body } = await call("POST", "/api/sendText", { ...hello, chatId: "99999999999@c.us" });
    assert.equal(status, 422);
    assert.match(body.message, /names no account/);
  });

  for (const [reason, message] of [
    ["NOT_A_MEMBER", /^chatId names a chat that the account is not in$/],
    ["NOT_SUPPORTED", /cannot send this kind of message to chatId$/],
    ["QUOTE_UNKNOWN", /^replyTo names a message/],
    ["STRANGER_MENTIONED", /^mentions names a person/],
    ["MEDIA_UNAVAILABLE", /did not take the file/],
    ["BLOCKED", /has blocked chatId/],
    ["WHATSAPP_500", /^The message is FAILED: WHATSAPP_500$/],
  ] as const) {
    it(`answers 422 with a sentence for ${reason}`, async (t) => {
      const { call, engine } = await openWorking(t);
      Object.assign(engine().sending, { send: () => Promise.reject(new SendRefused(reason, "refused")) });
      const { status, body } = await call("POST", "/api/sendText", hello);
      assert.equal(status, 422);
      assert.match(body.message, message);
    });
  }

  it("with Prefer: respond-async stores the message, lists it, and cancels it", async (t) => {
    const { call } = await openWorking(t);
    await call("POST", "/api/sessions/default/stop");
    const sent = await call("POST", "/api/sendText", { ...hello, id: "3EB0AAAA" }, { prefer: "respond-async" });
    assert.deepEqual([sent.status, sent.body.ack, sent.body.ackName], [201, 0, "PENDING"]);
    const { body } = await call("GET", "/api/sessions/default/outbox");
    assert.deepEqual(
      body.messages.map(({ id, state }: { id: string; state: string }) => [id, state]),
      [["3EB0AAAA", "QUEUED"]],
    );
    const cancelled = await call("POST", "/api/sessions/default/outbox/3EB0AAAA/cancel");
    assert.equal(cancelled.body.state, "CANCELLED");
    assert.equal((await call("GET", "/api/sessions/default/outbox/3EB0AAAA")).body.state, "CANCELLED");
    assert.equal((await call("GET", "/api/sessions/default/outbox/unknown")).status, 404);
  });

  it("pages through the outbox, newest first", async (t) => {
    const { call } = await openWorking(t);
    for (const id of ["A", "B", "C"]) await call("POST", "/api/sendText", { ...hello, id });
    const first = await call("GET", "/api/sessions/default/outbox?pageSize=2");
    const ids = (body: { messages: { id: string }[] }) => body.messages.map(({ id }) => id);
    const next = await call("GET", `/api/sessions/default/outbox?pageSize=2&pageToken=${first.body.nextPageToken}`);
    assert.deepEqual([ids(first.body), ids(next.body)], [["C", "B"], ["A"]]);
  });

  it("the same Idempotency-Key sends once", async (t) => {
    const { call, engine } = await openWorking(t);
    const send = () => call("POST", "/api/sendText", hello, { "idempotency-key": "key" });
    const [first, second] = [await send(), await send()];
    assert.equal(first.body.id, second.body.id);
    assert.equal(engine().sent.length, 1);
    const other = await call("POST", "/api/sendText", { ...hello, text: "x" }, { "idempotency-key": "key" });
    assert.equal(other.status, 422);
  });
});

describe("acting in a chat over REST", () => {
  it("marks as seen, and shows typing", async (t) => {
    const { call, engine } = await openWorking(t);
    const chat = { session: "default", chatId: "11111111111@c.us" };
    assert.equal(
      (await call("POST", "/api/sendSeen", { ...chat, messageIds: ["false_11111111111@c.us_A"] })).status,
      201,
    );
    assert.deepEqual((await call("POST", "/api/startTyping", chat)).body, { result: true });
    assert.deepEqual((await call("POST", "/api/stopTyping", chat)).body, { result: true });
    assert.deepEqual(engine().acts, ["seen 11111111111@c.us A", "typing 11111111111@c.us", "stopped 11111111111@c.us"]);
  });

  it("tells if a number has an account", async (t) => {
    const { call } = await openWorking(t);
    const check = (phone: string) => call("GET", `/api/contacts/check-exists?session=default&phone=${phone}`);
    assert.deepEqual((await check("5511999999999")).body, { numberExists: true, chatId: "5511999999999@c.us" });
    assert.deepEqual((await check("%2B1 111 111 1111")).body, { numberExists: false });
    const { status, body } = await check("nobody");
    assert.equal(status, 400);
    assert.match(JSON.stringify(body), /phone/);
  });

  it("makes message ids, with which a call can be repeated", async (t) => {
    const { call } = await openWorking(t);
    const { body } = await call("GET", "/api/default/new-message-id");
    assert.match(body.id, /^3EB0[0-9A-F]{18}$/);
    assert.equal((await call("POST", "/api/sendText", { ...hello, id: body.id })).status, 201);
  });
});
