import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Phone } from "../../emulator/phone.ts";
import { startWhatsApp, type WhatsApp } from "../../emulator/whatsapp.ts";
import {
  document,
  isObject,
  type Json,
  type JsonObject,
  objectAt,
  objectsOf,
  operations,
} from "../../http/openapi/operations.ts";
import { ServerProcess } from "../server-process.ts";
import { DocumentedClient, type DocumentedRequest } from "./documented-client.ts";
import { messageCalls, messageFrom } from "./message-requests.ts";

const key = "the-key";
const maxBodyBytes = 4_000;

/** Answers that a healthy server does not give, or only by chance. */
const unreachable = [
  "checkHealth 503",
  "authorizeCode 201",
  "backup 429",
  "sendTestEvent 422",
  ...["sendImage", "sendFile", "sendVoice", "sendVideo"].map((id) => `${id} 429`),
  ...["sendText", "sendText2", "replyDeprecated", "setReaction", "checkNumber", "checkNumber2"].map(
    (id) => `${id} 429`,
  ),
];

/** Valid bodies of calls, by operation id. */
const bodies: Readonly<Record<string, Json>> = {
  requestCode: { phoneNumber: "12132132130" },
  authorizeCode: { code: "123456" },
};

/** Invalid requests of calls without a session in their path. */
const badRequests: Readonly<Record<string, DocumentedRequest>> = {
  listSessions: { query: { all: "maybe" } },
  listSessions2: { query: { pageSize: "1001", status: "NOPE" } },
  listDeliveries2: { query: { session: "a b" } },
  listEndpoints2: { query: { state: "NOPE" } },
  resendFailed2: { body: { session: "a b" } },
  createSession: { body: { name: "a b", config: { webhooks: [{ url: "nope", events: ["nope"] }] } } },
  getScreenshot: { query: { session: "a b" } },
  statusStream2: { query: { session: "a b" } },
  startSessionDeprecated: { body: { name: "a b" } },
  stopSessionDeprecated: { body: { name: "a b" } },
  logoutSessionDeprecated: { body: { name: "a b" } },
  streamEvents: { query: { cursor: "first" } },
  ackEvents: { body: { consumer: "a b", cursor: "1" } },
};

/** Requests for a missing session, of calls without a session in their path. */
const requestsForNobody: Readonly<Record<string, DocumentedRequest>> = {
  getScreenshot: { query: { session: "nobody" } },
  statusStream2: { query: { session: "nobody" } },
  stopSessionDeprecated: { body: { name: "nobody" } },
  listDeliveries2: { query: { session: "nobody" } },
  listEndpoints2: { query: { session: "nobody" } },
  resendFailed2: { body: { session: "nobody" } },
};

const config = {
  metadata: { "user.id": "123" },
  proxy: null,
  webhooks: [
    {
      url: "http://127.0.0.1:9/hook",
      events: ["state.change"],
      hmac: { key: "secret" },
      retries: { delaySeconds: 3600, attempts: 1, policy: "linear" },
      customHeaders: [{ name: "X-Token", value: "Value" }],
    },
  ],
  debug: true,
  noweb: { store: { enabled: true, fullSync: false } },
};

describe("every documented call is answered as documented", () => {
  const stack = new AsyncDisposableStack();
  let whatsapp: WhatsApp;
  let client: DocumentedClient;
  let stranger: DocumentedClient;
  let chromePath: string;

  before(async () => {
    const directory = await mkdtemp(join(tmpdir(), "live-chrome-"));
    stack.defer(() => rm(directory, { recursive: true }));
    chromePath = join(directory, "chrome");
    await writeFile(chromePath, "#!/bin/sh\nexit 1\n", { mode: 0o700 });
    whatsapp = await startWhatsApp();
    stack.defer(() => whatsapp.close());
    const server = stack.use(
      await ServerProcess.start({
        SESSIOND_NOWEB_URL: whatsapp.url,
        SESSIOND_HOST: "127.0.0.1",
        WAHA_API_KEY: key,
        SESSIOND_MAX_BODY_BYTES: String(maxBodyBytes),
        SESSIOND_CHROME_PATH: chromePath,
      }),
    );
    client = new DocumentedClient(() => server.baseUrl, { "x-api-key": key });
    stranger = new DocumentedClient(() => server.baseUrl);
  });
  after(() => stack.disposeAsync());

  /** Returns the operations that document a status, and whether their path has a session. */
  const withStatus = (status: number) =>
    [...operations.values()]
      .filter(({ responses }) => responses[status] !== undefined)
      .map(({ id, path }) => ({ id, inPath: path.includes("{session}") }));

  /** Scans the code of a session, and waits until it is WORKING. */
  async function pair(phone: Phone, session: string): Promise<void> {
    const raw = await client.call("getQrBody", 200, { path: { session }, query: { format: "raw" } });
    await phone.scan(String(isObject(raw.body) && raw.body.value));
    await client.call("statusStream", 200, { path: { session }, until: isWorking });
  }

  /** Waits for the first failed delivery of a session, and returns it. */
  async function firstFailed(session: string): Promise<JsonObject> {
    for (;;) {
      const { body } = await client.call("listDeliveries", 200, { path: { session }, query: { state: "FAILED" } });
      const [failed] = isObject(body) ? objectsOf(body.deliveries) : [];
      if (failed) return failed;
    }
  }

  it("without the key: 401", async () => {
    for (const { id } of withStatus(401)) await stranger.call(id, 401, { ...(bodies[id] && { body: bodies[id] }) });
    for (const pair of stranger.seen) client.seen.add(pair);
    await stranger.call("ping", 200);
    await stranger.call("checkHealth", 200);
  });

  it("with the key in every documented place", async () => {
    await stranger.call("listSessions", 200, { headers: { authorization: `Bearer ${key}` } });
    const { body } = await client.call("createStreamTicket", 201, { body: {} });
    const ticket = isObject(body) ? String(body.ticket) : "";
    await stranger.probe("statusStream2", { query: { ticket } });
    await stranger.call("statusStream", 404, { path: { session: "nobody" }, query: { ticket } });
    await stranger.call("listSessions", 401, { query: { ticket } });
  });

  it("with a body that is too large: 413", async () => {
    const headers = { "content-type": "application/json" };
    for (const { id } of withStatus(413)) await client.call(id, 413, { text: " ".repeat(maxBodyBytes + 1), headers });
  });

  it("with a body that is not JSON: 415", async () => {
    const headers = { "content-type": "text/plain" };
    for (const { id } of withStatus(415)) await client.call(id, 415, { text: "text", headers });
  });

  it("with an invalid request: 400", async () => {
    for (const { id, inPath } of withStatus(400)) {
      const request = inPath
        ? { path: { session: "a b" }, body: bodies[id] ?? {} }
        : (badRequests[id] ?? messageFrom("a b", id));
      assert.ok(request, `badRequests has nothing for ${id}`);
      const { requestBody } = operations.get(id) ?? {};
      const { body, ...bodiless } = request;
      await client.call(id, 400, requestBody ? request : bodiless);
    }
  });

  it("with exactly the documented words in a configuration", async () => {
    const webhooks = [{ url: "http://127.0.0.1:9/", events: ["nope"], retries: { policy: "nope" } }];
    const { body } = await client.call("createSession", 400, { body: { config: { webhooks } } });
    const messages = isObject(body) && Array.isArray(body.message) ? body.message.map(String) : [];
    const accepted = messages.map((message) => message.split("values: ")[1]?.split(", ").toSorted());
    const schemas = objectAt(document, "components", "schemas");
    const documented = [
      objectAt(schemas, "WebhookConfigInput", "properties", "events", "items"),
      objectAt(schemas, "RetriesConfig", "properties", "policy"),
    ].map((schema) => (Array.isArray(schema.enum) ? schema.enum.map(String).toSorted() : []));
    assert.deepEqual(accepted, documented);
  });

  it("for a missing session: 404", async () => {
    for (const { id, inPath } of withStatus(404)) {
      const body = operations.get(id)?.requestBody && { body: bodies[id] ?? {} };
      const request = inPath
        ? { path: { session: "nobody" }, ...body }
        : (requestsForNobody[id] ?? messageFrom("nobody", id));
      assert.ok(request, `requestsForNobody has nothing for ${id}`);
      await client.call(id, 404, request);
    }
  });

  it("for a missing session: only documented 404", async () => {
    for (const { id, path, responses, requestBody } of operations.values()) {
      if (responses[404] !== undefined || !path.includes("{session}")) continue;
      await client.probe(id, { path: { session: "nobody" }, ...(requestBody && { body: bodies[id] ?? {} }) });
    }
  });

  it("from nothing to WORKING and back", async () => {
    const phone = whatsapp.phone(undefined, { name: "Alice" });
    const once = { headers: { "idempotency-key": "once" } };
    await client.call("createSession", 201, { body: { name: "default", config }, ...once });
    await client.call("createSession", 201, { body: { name: "default", config }, ...once });
    await client.call("createSession", 422, { body: { name: "other" }, ...once });
    await client.call("createSession", 422, { body: { name: "default" } });

    await client.call("getQrBody", 200);
    const asJson = { headers: { accept: "application/json" } };
    for (const [id, status] of [
      ["getQrBody", 200],
      ["getQrBody2", 201],
      ["getScreenshot", 200],
    ] as const) {
      assert.ok(Array.isArray((await client.call(id, status)).body), `${id} is a picture`);
      assert.ok(isObject((await client.call(id, status, asJson)).body), `${id} is JSON`);
    }
    await client.call("requestCode", 201, { body: { phoneNumber: `+${phone.number}` } });
    await client.call("requestCode", 422, { body: { phoneNumber: "12132132130", method: "sms" } });
    await client.call("authorizeCode", 422, { body: { code: "123456" } });
    await client.call("authorizeCode", 404, { path: { session: "nobody" }, body: { code: "123456" } });

    const pairing = client.call("qrStream", 200, { until: (item) => isObject(item) && item.outcome !== undefined });
    await pair(phone, "default");
    await pairing;
    await client.call("statusStream2", 200, { until: isWorking });
    await client.call("getMe", 200);
    for (const id of ["getQrBody", "getQrBody2", "getScreenshot"]) await client.call(id, 422);
    await client.call("requestCode", 422, { body: bodies.requestCode ?? {} });
    await client.call("startSessionDeprecated", 422, { body: { name: "default", config } });
    await client.call("listSessions", 200, { query: { "metadata.user.id": "123" } });
    await client.call("listSessions", 200, { query: { query: "alice", status: "WORKING", pageSize: "1" } });
    await client.call("listSessions2", 200, { query: { all: "true", view: "SUMMARY" } });
    await client.call("listStatusHistory", 200);
    await client.call("getSession", 200);

    const stale = { headers: { "if-match": '"1"' } };
    await client.call("updateSession", 200, { body: { name: "default", config } });
    await client.call("updateSession2", 201, { body: {} });
    await client.call("updateSession", 412, { body: { config }, ...stale });
    await client.call("updateSession2", 412, { body: { config }, ...stale });
    await client.call("deleteSession", 412, stale);
    for (const id of ["startSession", "restartSession", "logoutSession", "stopSession"]) await client.call(id, 201);
    assert.equal((await client.call("getMe", 200)).body, null);
    assert.deepEqual((await client.call("listSessions", 200)).body, []);
    await client.call("listSessions", 200, { query: { all: "true" } });
    await client.call("deleteSession", 200);
    assert.deepEqual(whatsapp.faults, []);
  });

  it("putting a former login back", async () => {
    const path = { session: "former" };
    await client.call("createSession", 201, { body: { name: path.session } });
    await client.call("restoreCredentials", 422, { path });
    await pair(whatsapp.phone(), path.session);
    await client.call("restartSession", 201, { path });
    await client.call("statusStream", 200, { path, until: isWorking });
    await client.call("restoreCredentials", 201, { path });
    await client.call("deleteSession", 200, { path });
  });

  it("messages", async () => {
    const path = { session: "sender" };
    const friend = whatsapp.phone();
    const chatId = `${friend.number}@c.us`;
    await client.call("createSession", 201, { body: { name: path.session } });
    for (const id of messageCalls) await client.call(id, 422, messageFrom(path.session, id));
    for (const id of ["getTimelock", "getCapping"]) await client.call(id, 422, { path });
    await pair(whatsapp.phone(), path.session);
    for (const id of ["getTimelock", "getCapping"]) await client.call(id, 200, { path });
    const { body: sent } = await client.call("sendText", 201, messageFrom(path.session, "sendText", { chatId }));
    await client.call("sendText2", 200, { query: { session: path.session, chatId, text: "hello" } });
    for (const id of ["replyDeprecated", "sendImage", "sendFile", "sendVoice", "sendVideo"])
      await client.call(id, 201, messageFrom(path.session, id, { chatId }));
    const messageId = isObject(sent) ? String(sent.id) : "";
    await client.call("setReaction", 200, messageFrom(path.session, "setReaction", { messageId }));
    for (const id of ["sendSeen", "startTyping", "stopTyping"])
      await client.call(id, 201, messageFrom(path.session, id, { chatId }));
    for (const id of ["checkNumber", "checkNumber2"]) await client.call(id, 200, messageFrom(path.session, id));
    await client.call("newMessageId", 200, { path });
    await client.call("listOutbox", 200, { path });
    await client.call("getOutgoing", 200, { path: { ...path, id: messageId } });
    for (const id of ["getOutgoing", "cancelOutgoing"]) {
      await client.call(id, 404, { path: { ...path, id: "AAAA" } });
      await client.call(id, 400, { path: { ...path, id: "a b" } });
    }
    await client.call("cancelOutgoing", 422, { path: { ...path, id: messageId } });
    await client.call("stopSession", 201, { path });
    const waiting = messageFrom(path.session, "sendText", { chatId, id: "BBBB" });
    await client.call("sendText", 201, { ...waiting, headers: { prefer: "respond-async" } });
    await client.call("cancelOutgoing", 201, { path: { ...path, id: "BBBB" } });
    await client.call("deleteSession", 200, { path });
  });

  it("sessions on WEBJS with a browser that does not start, and with none", async () => {
    const [running, stopped] = [{ session: "running" }, { session: "stopped" }];
    await client.call("createSession", 201, { body: { name: running.session, engine: "WEBJS" } });
    await client.call("createSession", 201, { body: { name: stopped.session, engine: "WEBJS", start: false } });
    await client.call("getScreenshot", 422, { query: running });
    await client.call("restoreCredentials", 422, { path: running });
    await rm(chromePath);
    await client.call("createSession", 422, { body: { name: "new", engine: "WEBJS" } });
    await client.call("startSession", 422, { path: stopped });
    for (const id of ["restartSession", "updateSession", "updateSession2"]) {
      await client.call(id, 422, { path: running, ...(id !== "restartSession" && { body: {} }) });
    }
    for (const path of [running, stopped]) await client.call("deleteSession", 200, { path });
  });

  it("webhooks and their deliveries", async () => {
    const path = { session: "hooks" };
    const webhooks = [{ url: "http://127.0.0.1:9/hook", events: ["session.status"], retries: { attempts: 0 } }];
    await client.call("createSession", 201, { body: { name: path.session, config: { webhooks } } });
    const [endpoint] = objectsOf((await client.call("listEndpoints", 200, { path })).body);
    await client.call("enableEndpoint", 201, { path: { ...path, endpoint: String(endpoint?.id) } });
    await client.call("sendTestEvent", 201, { path, body: {} });
    const ofNone = { path: { ...path, endpoint: "none", delivery: "none" } };
    for (const id of ["getDelivery", "resendDelivery", "enableEndpoint"]) await client.call(id, 404, ofNone);
    await client.call("sendTestEvent", 404, { path, body: { endpoint: "none" } });
    const failed = await firstFailed(path.session);
    const ofDelivery = { path: { ...path, delivery: String(failed.id) } };
    await client.call("getDelivery", 200, ofDelivery);
    await client.call("resendDelivery", 201, ofDelivery);
    await firstFailed(path.session);
    await client.call("resendFailed", 201, { path, body: {} });
    await client.call("listDeliveries2", 200, { query: { url: "127.0.0.1:9" } });
    await client.call("listEndpoints2", 200, { query: { state: "FAILING" } });
    await client.call("resendFailed2", 201, { body: { url: "127.0.0.1:9" } });
    await client.call("updateSession", 200, { path, body: { config: { webhooks: [] } } });
    await client.call("resendDelivery", 422, ofDelivery);
    await client.call("deleteSession", 200, { path });
  });

  it("pairing links", async () => {
    const path = { session: "linked" };
    await client.call("createSession", 201, { body: { name: path.session, start: false } });
    const { body } = await client.call("createPairingLink", 201, { path, body: { ttl: "60s" } });
    const link = isObject(body) ? body : {};
    await client.call("listPairingLinks", 200, { path });
    const headers = { "x-pairing-token": String(link.url).replace("/pair#", "") };
    await stranger.call("getPairingLink", 200, { headers });
    for (let open = 1; open < 10; open += 1) await client.call("createPairingLink", 201, { path, body: {} });
    await client.call("createPairingLink", 429, { path, body: {} });
    await client.call("revokePairingLink", 200, { path: { ...path, id: String(link.id) } });
    await stranger.call("getPairingLink", 401, { headers });
    await client.call("startSession", 201, { path });
    await pair(whatsapp.phone(), path.session);
    await client.call("createPairingLink", 422, { path, body: {} });
    await client.call("deleteSession", 200, { path });
    for (const seen of stranger.seen) client.seen.add(seen);
  });

  it("the deprecated calls", async () => {
    await client.call("startSessionDeprecated", 201, { body: { name: "old", config } });
    await client.call("stopSessionDeprecated", 201, { body: { name: "old" } });
    await client.call("logoutSessionDeprecated", 201, { body: { name: "old" } });
  });

  it("about the server", async () => {
    for (const id of ["ping", "checkHealth", "getVersion", "getServerStatus", "getOverview", "listNodes"])
      await client.call(id, 200);
    await client.call("backup", 201);
  });

  it("streams of events", async () => {
    await client.call("streamEvents", 200, { query: { cursor: "0" } });
    await client.call("streamEvents2", 200, { query: { cursor: "0" } });
    await client.call("ackEvents", 201, { body: { consumer: "reader", cursor: "1" } });
  });

  it("without exception", () => {
    assert.deepEqual(client.missing().toSorted(), unreachable.toSorted());
  });
});

const isWorking = (item: Json) => isObject(item) && item.status === "WORKING";
