import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { MessageService } from "../../gen/sessiond/v1/message_service_pb.js";
import { MeSchema, Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { openHarness } from "./harness.ts";

const [friend, stranger] = ["11111111111@c.us", "22222222222@c.us"];
const account = { id: "79111111@c.us", pushName: "WAHA", lid: "199999999999999@lid", jid: "79111111:3@s.whatsapp.net" };

/** Opens a server with the WORKING session "default", whose account may not start chats for an hour. */
async function openLocked(t: TestContext, lockMs: number | undefined = 3_600_000) {
  const harness = await openHarness(t);
  const endsAtMs = harness.clock.wallMs() + lockMs;
  const reachoutTimelock = {
    isActive: true,
    timeEnforcementEnds: timestampFromMs(endsAtMs),
    enforcementType: "DEFAULT",
  };
  const me = create(MeSchema, { ...account, reachoutTimelock });
  await harness.sessions.createSession({ name: "default", start: true });
  harness.engine().report({ type: "paired", me });
  harness.engine().report({ type: "opened", me });
  await harness.until("default", Status.WORKING);
  const call = async (method: string, path: string, body?: object) => {
    const init = {
      method,
      headers: { "content-type": "application/json" },
      ...(body && { body: JSON.stringify(body) }),
    };
    const response = await fetch(`${harness.url}${path}`, init);
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  const send = (chatId: string, more = {}) =>
    call("POST", "/api/sendText", { session: "default", chatId, text: "hello", ...more });
  return { ...harness, call, send, endsAtMs };
}

describe("an account whose new chats WhatsApp has locked", () => {
  it("is refused a message to a stranger at once, with the end of the lock", async (t) => {
    const { call, send, engine, endsAtMs } = await openLocked(t);
    const { status, headers, body } = await send(stranger);
    assert.equal(status, 422);
    assert.ok(body.message.includes(new Date(endsAtMs).toISOString()), body.message);
    const seconds = Number(headers.get("retry-after"));
    assert.ok(seconds > 3_500 && seconds <= 3_600, String(seconds));
    assert.deepEqual(engine().sent, []);
    assert.deepEqual((await call("GET", "/api/sessions/default/outbox")).body, { messages: [] });
  });

  it("tells gRPC clients when to try again", async (t) => {
    const { url } = await openLocked(t);
    const client = createClient(MessageService, createGrpcTransport({ baseUrl: url }));
    await assert.rejects(
      client.sendText({ session: "default", chatId: stranger, text: "hello" }),
      (error: ConnectError) => {
        assert.equal(error.findDetails(ErrorInfoSchema)[0]?.metadata.refusal, "REACHOUT_LOCKED");
        assert.ok(Number(error.findDetails(RetryInfoSchema)[0]?.retryDelay?.seconds) > 3_500);
        return true;
      },
    );
  });

  it("can write to people who have written, reply, and be forced to write to strangers", async (t) => {
    const { send, engine } = await openLocked(t);
    for (const sent of [send(friend), send("120363000000000001@g.us"), send(stranger, { force: true })]) {
      assert.equal((await sent).status, 201);
    }
    assert.equal(engine().sent.length, 3);
  });

  it("can write to strangers once the lock has ended", async (t) => {
    const { send } = await openLocked(t, -1);
    assert.equal((await send(stranger)).status, 201);
  });

  it("is shown with its lock, its LID and its device", async (t) => {
    const { call, endsAtMs } = await openLocked(t);
    const { body } = await call("GET", "/api/sessions/default/me");
    const { reachoutTimelock, ...rest } = body;
    assert.deepEqual(rest, account);
    assert.deepEqual([reachoutTimelock.isActive, Date.parse(reachoutTimelock.timeEnforcementEnds)], [true, endsAtMs]);
  });

  it("is shown without its lock once that has ended", async (t) => {
    const { call, endsAtMs, clock } = await openLocked(t);
    const locks = async () => {
      const { body: me } = await call("GET", "/api/sessions/default/me");
      const { body: session } = await call("GET", "/api/sessions/default");
      return [me.reachoutTimelock.isActive, session.me.reachoutTimelock.isActive];
    };
    assert.deepEqual(await locks(), [true, true]);
    clock.advance(endsAtMs - clock.wallMs() + 1);
    assert.deepEqual(await locks(), [false, false]);
  });

  it("answers what WhatsApp says now about the lock and the quota", async (t) => {
    const { call } = await openLocked(t);
    const { body: lock } = await call("GET", "/api/sessions/default/timelock");
    assert.deepEqual(lock, { isActive: true, enforcementType: "DEFAULT" });
    const { body: capping } = await call("GET", "/api/sessions/default/capping");
    assert.deepEqual(capping, { cappingStatus: "NONE", totalQuota: -1, usedQuota: 0 });
    assert.equal((await call("GET", "/api/sessions/nobody/timelock")).status, 404);
  });
});

it("a session whose engine does not know WhatsApp's limits is refused the question for them", async (t) => {
  const { call, engine } = await openLocked(t);
  Object.assign(engine().sending, { limits: undefined });
  for (const limit of ["timelock", "capping"]) {
    const { status, body } = await call("GET", `/api/sessions/default/${limit}`);
    assert.deepEqual([status, body.message], [422, "The session's engine cannot ask for WhatsApp's limits"]);
  }
});

describe("a session's configuration of its client and ignored chats", () => {
  it("is answered as it was sent, and refused with its field's name", async (t) => {
    const { call } = await openLocked(t);
    const config = { client: { deviceName: "Kasse 2" }, ignore: { status: true, groups: false } };
    const { body } = await call("POST", "/api/sessions", { name: "shop", start: false, config });
    assert.deepEqual([body.config.client, body.config.ignore], [config.client, config.ignore]);
    const none = { client: null, ignore: null };
    const emptied = await call("PUT", "/api/sessions/shop", { config: none });
    assert.deepEqual(emptied.body.config, { proxy: null, webhooks: [], debug: false });
    for (const [wrong, field] of [
      [{ ignore: { status: "maybe" } }, "config.ignore.status"],
      [{ client: { browserName: "a\nb" } }, "config.client.browserName"],
    ] as const) {
      const refused = await call("PUT", "/api/sessions/shop", { config: wrong });
      assert.equal(refused.status, 400);
      assert.ok(String(refused.body.message).startsWith(field), String(refused.body.message));
    }
  });
});
