import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { it, type TestContext } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import type { CreateSessionRequest, UpdateSessionRequest } from "../../../gen/sessiond/v1/session_service_pb.js";
import { openSocket } from "../server/raw-socket.ts";
import { type Fakes, sendJson, startRestServer } from "./server.ts";

/** A server that records the requests of createSession and updateSession. */
async function startRecorder(t: TestContext, rest: Fakes["rest"] = {}) {
  const created: CreateSessionRequest[] = [];
  const updated: UpdateSessionRequest[] = [];
  const server = await startRestServer(t, {
    rest,
    session: {
      createSession: (request) => {
        created.push(request);
        return { session: { name: request.name } };
      },
      updateSession: (request) => {
        updated.push(request);
        return { session: { name: request.session } };
      },
      startSession: ({ session }) => ({ session: { name: session } }),
    },
    auth: { requestCode: () => ({ code: "c" }) },
  });
  return { ...server, created, updated, sessions: `${server.url}/api/sessions` };
}

interface Sent {
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Record<string, string>;
}

async function post(url: string, { body, headers = {} }: Sent) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  const json = (await answer.json()) as { statusCode?: number; message?: string | string[] };
  return { status: answer.status, message: json.message, json };
}

it("all wrong types are reported together by their paths", async (t) => {
  const { sessions, created } = await startRecorder(t);
  const answer = await sendJson(sessions, "POST", {
    name: 5,
    start: "yes",
    engine: "CHROME",
    config: {
      metadata: { a: 1, b: "fine", constructor: null },
      debug: "true",
      proxy: [{}],
      noweb: { store: { enabled: 1 } },
      webhooks: [{ url: 7, events: "message" }, "nope", { events: [1, "message", null], retries: { attempts: 1.5 } }],
    },
  });
  assert.equal(answer.status, 400);
  assert.deepEqual(await answer.json(), {
    statusCode: 400,
    message: [
      "name must be a string",
      "start must be a boolean value",
      "engine must be one of the following values: NOWEB, WEBJS",
      "config.metadata.a must be a string",
      "config.metadata.constructor must be a string",
      "config.debug must be a boolean value",
      "config.proxy must be an object",
      "config.noweb.store.enabled must be a boolean value",
      "config.webhooks.0.url must be a string",
      "config.webhooks.0.events must be an array",
      "config.webhooks.1 must be an object",
      "config.webhooks.2.events.0 must be a string",
      "config.webhooks.2.events.2 must be a string",
      "config.webhooks.2.retries.attempts must be an integer number",
    ],
    error: "Bad Request",
  });
  assert.deepEqual(created, []);
});

it("numbers are range-checked and may be strings", async (t) => {
  const { sessions, created } = await startRecorder(t);
  const retries = (value: object) => ({ config: { webhooks: [{ retries: value }] } });
  const refused = async (value: object) => {
    const answer = await sendJson(sessions, "POST", retries(value));
    return ((await answer.json()) as { message: string[] }).message.map((text) =>
      text.replace("config.webhooks.0.", ""),
    );
  };
  assert.deepEqual(await refused({ attempts: -1 }), ["retries.attempts must not be less than 0"]);
  assert.deepEqual(await refused({ attempts: 2 ** 32 }), ["retries.attempts must not be greater than 4294967295"]);
  assert.deepEqual(await refused({ attempts: "a" }), ["retries.attempts must be an integer number"]);
  assert.deepEqual(await refused({ delaySeconds: true }), ["retries.delaySeconds must be a number"]);
  assert.deepEqual(await refused({ delaySeconds: "NaN" }), ["retries.delaySeconds must be a number"]);
  assert.equal((await sendJson(sessions, "POST", retries({ attempts: "3", delaySeconds: "1.5" }))).status, 201);
  const sent = created[0]?.config?.webhooks[0]?.retries;
  assert.deepEqual([sent?.attempts, sent?.delaySeconds], [3, 1.5]);
});

it("wrong types are reported together with validation violations", async (t) => {
  const { sessions } = await startRecorder(t, {
    validate: () => [
      { field: "config.webhooks.0.url", description: "must be a URL address" },
      { field: "config.webhooks.0.url.x", description: "never seen" },
      { field: "config.webhooks.1.url", description: "must be a URL address" },
    ],
  });
  const answer = await sendJson(sessions, "POST", { config: { webhooks: [{ url: 1 }, { url: "x" }] } });
  const { message } = (await answer.json()) as { message: string[] };
  assert.deepEqual(message, ["config.webhooks.0.url must be a string", "config.webhooks.1.url must be a URL address"]);
});

it("null means unset, and both names of a field are accepted", async (t) => {
  const { sessions, created } = await startRecorder(t);
  const config = { debug: null, proxy: null, webhooks: [{ url: "u", custom_headers: [{ name: "n" }], hmac: null }] };
  assert.equal((await sendJson(sessions, "POST", { name: null, start: null, config })).status, 201);
  assert.equal(created[0]?.start, undefined);
  assert.equal(created[0]?.config?.webhooks[0]?.customHeaders[0]?.name, "n");
});

it("an empty array counts as an empty object", async (t) => {
  const { sessions, created } = await startRecorder(t);
  assert.equal((await sendJson(sessions, "POST", { config: [] })).status, 201);
  const config = { metadata: [], proxy: [], noweb: { store: [] }, webhooks: [{ url: "u", hmac: [], retries: [] }] };
  assert.equal((await sendJson(sessions, "POST", { config })).status, 201);
  assert.deepEqual(created[0]?.config?.webhooks, []);
  assert.deepEqual(created[1]?.config?.metadata, {});
  assert.equal(created[1]?.config?.webhooks[0]?.hmac?.key, "");
});

it("a non-empty array does not count as an object", async (t) => {
  const { sessions } = await startRecorder(t);
  for (const value of [[{}], [[]], ["a"], [null]]) {
    const answer = await sendJson(sessions, "POST", { config: { metadata: value, proxy: value } });
    const { message } = (await answer.json()) as { message: string[] };
    assert.deepEqual(message, ["config.metadata must be an object", "config.proxy must be an object"]);
  }
});

it("unknown properties are ignored, and refused in strict mode", async (t) => {
  const body = { name: "a", nope: 1, config: { debug: true, x: {}, webhooks: [{ y: 1 }] } };
  const lenient = await startRecorder(t);
  assert.equal((await sendJson(`${lenient.sessions}?z=1`, "POST", body)).status, 201);
  const strict = await startRecorder(t, { strict: true });
  const answer = await sendJson(strict.sessions, "POST", body);
  assert.deepEqual(((await answer.json()) as { message: string[] }).message, [
    "property nope should not exist",
    "property config.x should not exist",
    "property config.webhooks.0.y should not exist",
  ]);
  assert.equal((await sendJson(`${strict.sessions}/x`, "PUT", { name: "x", config: {} })).status, 200);
  const query = await fetch(`${strict.sessions}?al=1&metadata.a=1`);
  assert.deepEqual(((await query.json()) as { message: string[] }).message, ["property al should not exist"]);
});

it("names of Object.prototype are ordinary keys", async (t) => {
  const { sessions, created } = await startRecorder(t);
  const body = '{"__proto__":{"name":"evil"},"config":{"metadata":{"__proto__":"a","constructor":"b","toString":"c"}}}';
  assert.equal((await post(sessions, { body })).status, 201);
  assert.equal(created[0]?.name, "");
  const metadata = created[0]?.config?.metadata ?? {};
  assert.deepEqual(Object.entries(metadata), [
    ["__proto__", "a"],
    ["constructor", "b"],
    ["toString", "c"],
  ]);
  assert.equal(({} as Record<string, unknown>).name, undefined);
});

it("the path takes precedence over the body", async (t) => {
  const { sessions, updated } = await startRecorder(t);
  assert.equal((await sendJson(`${sessions}/Alice`, "PUT", { session: "bob", name: "bob" })).status, 200);
  assert.deepEqual([updated[0]?.session, updated[0]?.name], ["Alice", "bob"]);
});

it("an empty body counts as {}, with or without a content type", async (t) => {
  const { sessions, created } = await startRecorder(t);
  assert.equal((await fetch(sessions, { method: "POST" })).status, 201);
  assert.equal((await post(sessions, { body: "" })).status, 201);
  assert.equal((await post(sessions, { body: " \n" })).status, 201);
  assert.equal((await post(sessions, { body: "", headers: { "content-type": "text/plain" } })).status, 201);
  assert.equal((await post(sessions, { body: '\uFEFF{"name":"bom"}' })).status, 201);
  assert.deepEqual(
    created.map(({ name }) => name),
    ["", "", "", "", "bom"],
  );
});

const refused: [sentence: string, sent: Sent, status: number, message: string][] = [
  [
    "bad JSON",
    { body: '{\n  "name": secret\n}' },
    400,
    "Body is not valid JSON: expected a value at line 2, column 11 (position 12)",
  ],
  ["an array", { body: "[]" }, 400, "Body must be a JSON object"],
  ["a string", { body: '"x"' }, 400, "Body must be a JSON object"],
  ["null", { body: "null" }, 400, "Body must be a JSON object"],
  ["bytes that are not UTF-8", { body: new Uint8Array([0x22, 0xff, 0x22]) }, 400, "Body is not valid UTF-8"],
  [
    "another charset",
    { body: "{}", headers: { "content-type": "application/json; charset=latin1" } },
    415,
    "The charset of the body must be UTF-8",
  ],
  [
    "another content type",
    { body: "name=x", headers: { "content-type": "application/x-www-form-urlencoded" } },
    415,
    "Content-Type must be application/json: send the body as JSON with the header Content-Type: application/json",
  ],
  [
    "a malformed content type",
    { body: "{}", headers: { "content-type": "json" } },
    415,
    "Content-Type is malformed: send the body as JSON with the header Content-Type: application/json",
  ],
  [
    "an unknown encoding",
    { body: "{}", headers: { "content-encoding": "zstd" } },
    415,
    "Content-Encoding must be gzip, deflate, br or identity",
  ],
  ["malformed gzip", { body: "{}", headers: { "content-encoding": "gzip" } }, 400, "Body is not valid gzip"],
  ["half a surrogate pair", { body: '{"name":"\\ud800"}' }, 400, "name must be well-formed Unicode text"],
];

for (const [sentence, sent, status, message] of refused) {
  it(`a body with ${sentence} is refused with ${status}`, async (t) => {
    const { sessions } = await startRecorder(t);
    const answer = await post(sessions, sent);
    assert.deepEqual([answer.status, [answer.message].flat()], [status, [message]]);
  });
}

it("compressed bodies and other JSON types are accepted", async (t) => {
  const { sessions, created } = await startRecorder(t);
  const body = '{"name":"z"}';
  const send = (encoding: string, bytes: Uint8Array) =>
    post(sessions, { body: new Uint8Array(bytes), headers: { "content-encoding": encoding } });
  assert.equal((await send("gzip", gzipSync(body))).status, 201);
  assert.equal((await send("deflate", deflateSync(body))).status, 201);
  assert.equal((await send("br", brotliCompressSync(body))).status, 201);
  assert.equal((await send("identity", Buffer.from(body))).status, 201);
  assert.equal(
    (await post(sessions, { body, headers: { "content-type": "application/x+json;charset=UTF-8" } })).status,
    201,
  );
  assert.deepEqual(
    created.map(({ name }) => name),
    ["z", "z", "z", "z", "z"],
  );
});

it("a body over the limit is refused with 413 by length, chunked and inflated", async (t) => {
  const { sessions, created, port } = await startRecorder(t, { maxBodyBytes: 1000 });
  const large = JSON.stringify({ name: "x".repeat(1000) });
  const expected = {
    statusCode: 413,
    message: "Body is larger than 1000 bytes, the limit that SESSIOND_MAX_BODY_BYTES sets",
    error: "Payload Too Large",
  };
  assert.deepEqual((await post(sessions, { body: large })).json, expected);
  assert.deepEqual((await post(sessions, { body: new Uint8Array(20_000_000) })).json, expected);
  const inflated = await post(sessions, {
    body: new Uint8Array(gzipSync(large)),
    headers: { "content-encoding": "gzip" },
  });
  assert.deepEqual(inflated.json, expected);

  // Refused before any byte is sent, and as soon as the limit is exceeded.
  const announced = await openSocket(t, port);
  announced.socket.write("POST /api/sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n");
  const answer = await announced.received(/"Payload Too Large"\}/);
  assert.match(answer, /^HTTP\/1\.1 413 [\s\S]*\r\nConnection: close\r\n/);
  announced.socket.end();
  await announced.closed;
  const chunked = await openSocket(t, port);
  chunked.socket.write("POST /api/sessions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (let sent = 0; sent <= 1000; sent += 100) chunked.socket.write(`64\r\n${"x".repeat(100)}\r\n`);
  assert.match(await chunked.received(/"Payload Too Large"\}/), /^HTTP\/1\.1 413 /);
  chunked.socket.end();
  await chunked.closed;
  const started = await fetch(`${sessions}/x/start`, { method: "POST", body: large });
  assert.equal(started.status, 413);
  assert.deepEqual(created, []);
});

it("over HTTP/2 a body over the limit is refused and the connection stays open", async (t) => {
  const { url } = await startRecorder(t, { maxBodyBytes: 1000 });
  const session = connect(url);
  t.after(() => session.destroy());
  const ask = async (body: Buffer) => {
    const stream = session.request({ ":path": "/api/sessions", ":method": "POST", "content-type": "application/json" });
    stream.on("error", () => {});
    stream.end(body);
    const [headers] = await once(stream, "response");
    stream.resume();
    await once(stream, "end");
    return headers[":status"];
  };
  assert.equal(await ask(Buffer.alloc(5_000_000)), 413);
  assert.equal(await ask(Buffer.from("{}")), 201);
});

it("a client that disconnects while sending its body does no harm", async (t) => {
  const { port, sessions } = await startRecorder(t);
  const { socket, closed } = await openSocket(t, port);
  socket.write('POST /api/sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"name":');
  socket.destroy();
  await closed;
  assert.equal((await fetch(sessions, { method: "POST" })).status, 201);
});

it("a request target in absolute form is accepted", async (t) => {
  const { port } = await startRecorder(t);
  const { socket, received } = await openSocket(t, port);
  socket.write("POST http://example.com/api/sessions/x/start?a=b#c HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.match(await received(/"name":"x"/), /^HTTP\/1\.1 201 /);
});
