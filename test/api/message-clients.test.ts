import assert from "node:assert/strict";
import { it } from "node:test";
import { openWorking } from "./working-session.ts";

/** A request as a client's library writes it. */
interface Request {
  readonly client: string;
  readonly method?: string;
  readonly path?: string;
  readonly type?: string;
  readonly body?: string | object | Uint8Array<ArrayBuffer>;
}

const json = "application/json";
const form = "application/x-www-form-urlencoded";
const chat = "11111111111@c.us";
const text = { session: "default", chatId: chat, text: "Hi there!" };
const quoted = "false_11111111111@c.us_AAAA";

/** Requests that send "Hi there!" to 11111111111, with the id that they reply to. */
const texts: readonly (Request & { readonly replyTo?: string; readonly mentions?: string[] })[] = [
  { client: "curl", body: text },
  { client: "axios, with its Accept header", type: "application/json;charset=utf-8", body: text },
  { client: "C# StringContent", type: 'application/json; charset="UTF-8"', body: text },
  {
    client: "Python requests, all optional fields None",
    body: { ...text, reply_to: null, mentions: null, id: null, linkPreview: null },
  },
  {
    client: "Laravel Http, as WAHA's Swagger page shows it",
    body: { ...text, reply_to: null, linkPreview: false, linkPreviewHighQuality: false },
  },
  {
    client: "the n8n node, with its empty fields",
    body: { ...text, reply_to: "", mentions: "", id: "", linkPreview: true },
  },
  { client: "PHP json_encode, booleans as texts", body: { ...text, linkPreview: "true", linkPreviewHighQuality: "0" } },
  { client: "PHP, an empty array for no mentions", body: { ...text, mentions: [] } },
  { client: "PHP, false for no reply", body: { ...text, reply_to: false, mentions: false } },
  { client: "Home Assistant, a template that renders a number", body: { ...text, chatId: 11_111_111_111 } },
  { client: "Home Assistant, without the session", body: { chatId: chat, text: text.text } },
  { client: "a session of null", body: { ...text, session: null } },
  { client: "a number without a suffix", body: { ...text, chatId: "11111111111" } },
  { client: "a number as people write it", body: { ...text, chatId: "+1 (111) 111-1111" } },
  { client: "a number as Baileys writes it", body: { ...text, chatId: "11111111111@s.whatsapp.net" } },
  { client: "a chat id with spaces around it", body: { ...text, chatId: ` ${chat}\n` } },
  { client: "fields that WAHA does not know", body: { ...text, delay: 2, options: { a: 1 }, contactId: null } },
  { client: "a path with a slash at its end", path: "/api/sendText/", body: text },
  { client: "a path in small letters", path: "/api/sendtext", body: text },
  { client: "a byte order mark before the JSON", body: new TextEncoder().encode(`\ufeff${JSON.stringify(text)}`) },
  { client: "a reply by the id of the event", body: { ...text, reply_to: quoted }, replyTo: "AAAA" },
  { client: "a reply by WhatsApp's own id", body: { ...text, reply_to: "AAAA" }, replyTo: "AAAA" },
  { client: "a reply in camel case", body: { ...text, replyTo: quoted }, replyTo: "AAAA" },
  { client: "POST /api/reply", path: "/api/reply", body: { ...text, reply_to: quoted }, replyTo: "AAAA" },
  { client: "POST /api/reply without a message to reply to", path: "/api/reply", body: { ...text, reply_to: null } },
  { client: "mentions of a number alone", body: { ...text, mentions: "2222222222" }, mentions: ["2222222222@c.us"] },
  { client: "mentions as numbers", body: { ...text, mentions: [2_222_222_222] }, mentions: ["2222222222@c.us"] },
  { client: "PHP http_build_query", type: form, body: "session=default&chatId=11111111111%40c.us&text=Hi+there%21" },
  { client: "a form with empty fields", type: form, body: "chatId=11111111111&text=Hi+there%21&reply_to=&session=" },
  { client: "a form's booleans", type: form, body: "chatId=11111111111&text=Hi%20there!&linkPreview=1" },
  {
    client: "GET with chatId",
    method: "GET",
    path: "/api/sendText?session=default&chatId=11111111111@c.us&text=Hi%20there!",
  },
  { client: "GET with phone", method: "GET", path: "/api/sendText?phone=11111111111&text=Hi+there!" },
  {
    client: "GET with phone of a chat",
    method: "GET",
    path: "/api/sendText/?text=Hi+there!&phone=%2B11111111111&session=default",
  },
];

it("POST and GET /api/sendText take a text as its clients send it", async (t) => {
  const { request, engine } = await openWorking(t);
  for (const { client, method = "POST", path = "/api/sendText", type = json, body, replyTo, mentions = [] } of texts) {
    await t.test(client, async () => {
      const before = engine().sent.length;
      const headers: Record<string, string> = body === undefined ? {} : { "content-type": type };
      const answer = await request(method, path, { accept: `${json}, text/plain, */*`, ...headers }, bytesOf(body));
      assert.equal(answer.status, method === "GET" ? 200 : 201, JSON.stringify(answer.body));
      const sent = engine().sent.slice(before);
      assert.deepEqual(
        sent.map(({ chatId, content }) => [chatId, content?.kind.value, content?.replyTo?.id, content?.mentions]),
        [[chat, { ...sent[0]?.content?.kind.value, text: "Hi there!" }, replyTo, mentions]],
      );
      // The fields that clients read: WahaSender and n8n the id, waha-api the key, bots the time and the acknowledgement.
      assert.equal(answer.body.id, `true_${chat}_${answer.body.key.id}`);
      assert.deepEqual([answer.body.fromMe, answer.body.to, answer.body.body], [true, chat, "Hi there!"]);
      assert.deepEqual([typeof answer.body.timestamp, answer.body.ack], ["number", 1]);
    });
  }
});

/** Requests to the other paths, with a part of their answer. */
const others: readonly (Request & { readonly status: number; readonly answer: object; readonly act?: string })[] = [
  {
    client: "startTyping",
    path: "/api/startTyping",
    body: { session: "default", chatId: chat },
    status: 201,
    answer: { result: true },
    act: `typing ${chat}`,
  },
  {
    client: "startTyping with a number",
    path: "/api/startTyping",
    body: { chatId: 11_111_111_111 },
    status: 201,
    answer: { result: true },
    act: `typing ${chat}`,
  },
  {
    client: "stopTyping as a form",
    path: "/api/stopTyping/",
    type: form,
    body: "chatId=11111111111",
    status: 201,
    answer: { result: true },
    act: `stopped ${chat}`,
  },
  {
    client: "sendSeen of 2024",
    path: "/api/sendSeen",
    body: { session: "default", chatId: chat, messageId: quoted, participant: null },
    status: 201,
    answer: {},
    act: `seen ${chat} AAAA`,
  },
  {
    client: "sendSeen of a chat",
    path: "/api/sendSeen",
    body: { chatId: chat, messageIds: null },
    status: 201,
    answer: {},
    act: `seen ${chat} `,
  },
  {
    client: "sendSeen of one id",
    path: "/api/sendSeen",
    body: { chatId: chat, messageIds: quoted },
    status: 201,
    answer: {},
    act: `seen ${chat} AAAA`,
  },
  {
    client: "reaction",
    method: "PUT",
    path: "/api/reaction",
    body: { messageId: quoted, reaction: "👍", session: "default" },
    status: 200,
    answer: { body: "👍", fromMe: true },
  },
  {
    client: "reaction removed, with a chat beside it",
    method: "PUT",
    path: "/api/reaction/",
    body: { messageId: quoted, reaction: "", chatId: chat },
    status: 200,
    answer: { body: "" },
  },
  {
    client: "check-exists",
    method: "GET",
    path: "/api/contacts/check-exists?phone=5511999999999&session=default",
    status: 200,
    answer: { numberExists: true, chatId: "5511999999999@c.us" },
  },
  {
    client: "check-exists without a session",
    method: "GET",
    path: "/api/contacts/check-exists?phone=%2B55%2011%2099999-9999",
    status: 200,
    answer: { numberExists: true },
  },
  {
    client: "checkNumberStatus with a chat id",
    method: "GET",
    path: "/api/checkNumberStatus?phone=5511999999999@c.us&session=default",
    status: 200,
    answer: { numberExists: true },
  },
  {
    client: "checkNumberStatus of nobody",
    method: "GET",
    path: "/api/checkNumberStatus/?phone=4911111111111",
    status: 200,
    answer: { numberExists: false },
  },
  { client: "new-message-id", method: "GET", path: "/api/default/new-message-id", status: 200, answer: {} },
];

it("the other calls of sending take what their clients send", async (t) => {
  const { request, engine } = await openWorking(t);
  for (const { client, method = "POST", path = "", type = json, body, status, answer, act } of others) {
    await t.test(client, async () => {
      const before = engine().acts.length;
      const headers: Record<string, string> = body === undefined ? {} : { "content-type": type };
      const got = await request(method, path, headers, bytesOf(body));
      assert.equal(got.status, status, JSON.stringify(got.body));
      assert.partialDeepStrictEqual(got.body ?? {}, answer);
      assert.deepEqual(engine().acts.slice(before), act === undefined ? [] : [act]);
    });
  }
});

/** Requests that are wrong, with the status and what the answer says. */
const wrong: readonly (Request & { readonly status: number; readonly says: RegExp })[] = [
  { client: "no chat", body: { text: "x" }, status: 400, says: /chatId must not be empty/ },
  { client: "no text", body: { chatId: chat }, status: 400, says: /text must not be empty/ },
  { client: "nothing at all", body: "", status: 400, says: /chatId.*text/ },
  {
    client: "an unknown kind of chat",
    body: { ...text, chatId: "1@x.us" },
    status: 400,
    says: /chatId must end with @c\.us/,
  },
  { client: "a name for a chat", body: { ...text, chatId: "bob" }, status: 400, says: /chatId must be a chat id/ },
  { client: "a LID as a number", body: { ...text, chatId: "199999999999999999@c.us" }, status: 400, says: /chatId/ },
  { client: "a chat in an array", body: { ...text, chatId: [chat] }, status: 400, says: /chatId must be a string/ },
  {
    client: "a number that has lost digits",
    body: '{"chatId":123456789012345678901,"text":"x"}',
    status: 400,
    says: /chatId must be a string/,
  },
  {
    client: "a text of 70,000 characters",
    body: { ...text, text: "x".repeat(70_000) },
    status: 400,
    says: /text must not be longer than 65536/,
  },
  {
    client: "half a character",
    body: '{"chatId":"11111111111","text":"\\ud83d"}',
    status: 400,
    says: /text must be well-formed/,
  },
  { client: "invalid UTF-8", body: Uint8Array.from([123, 34, 255, 34, 125]), status: 400, says: /UTF-8/ },
  {
    client: "a boolean of another kind",
    body: { ...text, linkPreview: "maybe" },
    status: 400,
    says: /linkPreview must be a boolean/,
  },
  { client: "mentions of no person", body: { ...text, mentions: ["bob"] }, status: 400, says: /mentions/ },
  {
    client: "a reply to an unknown message",
    body: { ...text, reply_to: "UNKNOWN" },
    status: 400,
    says: /replyTo names a message/,
  },
  {
    client: "a reply to something else",
    body: { ...text, reply_to: "a message" },
    status: 400,
    says: /replyTo must be a message id/,
  },
  { client: "an id with spaces", body: { ...text, id: "a b" }, status: 400, says: /id must be an id/ },
  {
    client: "a session with a bad name",
    body: { ...text, session: "a/b" },
    status: 400,
    says: /session must be 1 to 54/,
  },
  { client: "an empty session", body: { ...text, session: "" }, status: 400, says: /session should not be empty/ },
  { client: "an unknown session", body: { ...text, session: "nobody" }, status: 404, says: /Session not found/ },
  {
    client: "a number without an account",
    body: { ...text, chatId: "99999999999" },
    status: 422,
    says: /chatId names no account/,
  },
  { client: "JSON that is cut off", body: '{"chatId":"1', status: 400, says: /not valid JSON/ },
  { client: "a list as body", body: [text], status: 400, says: /must be a JSON object/ },
  { client: "JSON as curl's form", type: form, body: text, status: 400, says: /Content-Type: application\/json/ },
  {
    client: "PHP's array as multipart",
    type: "multipart/form-data; boundary=x",
    body: "--x--",
    status: 415,
    says: /application\/json/,
  },
  {
    client: "fetch without a type",
    type: "text/plain;charset=UTF-8",
    body: text,
    status: 415,
    says: /application\/json/,
  },
  { client: "Latin-1", type: "application/json; charset=iso-8859-1", body: text, status: 415, says: /UTF-8/ },
  {
    client: "GET without a number",
    method: "GET",
    path: "/api/sendText?text=x",
    status: 400,
    says: /chatId must not be empty/,
  },
  {
    client: "a reaction to no message",
    method: "PUT",
    path: "/api/reaction",
    body: { reaction: "x" },
    status: 400,
    says: /messageId must not be empty/,
  },
  {
    client: "a reaction without the chat",
    method: "PUT",
    path: "/api/reaction",
    body: { messageId: "AAAA", reaction: "x" },
    status: 400,
    says: /messageId/,
  },
  { client: "a reaction by POST", method: "POST", path: "/api/reaction", body: {}, status: 404, says: /Cannot POST/ },
  { client: "typing in no chat", path: "/api/startTyping", body: {}, status: 400, says: /chatId must not be empty/ },
  {
    client: "check of no number",
    method: "GET",
    path: "/api/contacts/check-exists",
    status: 400,
    says: /phone must not be empty/,
  },
  {
    client: "check of a LID",
    method: "GET",
    path: "/api/contacts/check-exists?phone=199999999999999@lid",
    status: 400,
    says: /phone must be a phone number/,
  },
];

it("a request that is wrong is refused, with its field named and nothing sent", async (t) => {
  const { request, engine } = await openWorking(t);
  for (const { client, method = "POST", path = "/api/sendText", type = json, body, status, says } of wrong) {
    await t.test(client, async () => {
      const headers: Record<string, string> = body === undefined ? {} : { "content-type": type };
      const answer = await request(method, path, headers, bytesOf(body));
      assert.equal(answer.status, status, JSON.stringify(answer.body));
      assert.match(JSON.stringify(answer.body), says);
    });
  }
  assert.deepEqual([engine().sent.length, engine().acts], [0, []]);
});

it("the same key or id with another message is refused, and names the first", async (t) => {
  const { call, engine } = await openWorking(t);
  const key = { "idempotency-key": "order-17" };
  assert.equal((await call("POST", "/api/sendText", text, key)).status, 201);
  assert.equal((await call("POST", "/api/sendText", { ...text, id: "3EB0AAAA" })).status, 201);
  for (const other of [
    { text: "other" },
    { chatId: "2222222222@c.us" },
    { reply_to: quoted },
    { mentions: ["2222222222"] },
  ]) {
    const [byKey, byId] = [
      await call("POST", "/api/sendText", { ...text, ...other }, key),
      await call("POST", "/api/sendText", { ...text, ...other, id: "3EB0AAAA" }),
    ];
    assert.deepEqual([byKey.status, byId.status], [422, 422]);
    assert.match(JSON.stringify([byKey.body, byId.body]), /Idempotency-Key was used.*id was used/);
  }
  assert.equal(engine().sent.length, 2);
});

function bytesOf(body: Request["body"]): string | Uint8Array<ArrayBuffer> | undefined {
  return typeof body === "object" && !(body instanceof Uint8Array) ? JSON.stringify(body) : body;
}
