import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { createBaileysFactory } from "../../../src/adapters/baileys/factory.ts";
import type { BaileysOptions } from "../../../src/adapters/baileys/settings.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import type { CloseCause } from "../../../src/domain/session.ts";
import { EngineSession, type OpenEngine } from "../../contract/engine-session.ts";
import type { Connection } from "../../emulator/connection.ts";
import type { Phone } from "../../emulator/phone.ts";
import { startWhatsApp, type WhatsApp } from "../../emulator/whatsapp.ts";

/** Ends of a working connection by the server, and the engine's close causes. */
const endings: [string, (connection: Connection) => void, CloseCause][] = [
  ["another connection replaces it", (connection) => connection.conflictReplaced(), "replaced"],
  ["the stream ends with 503", (connection) => connection.streamError(503), "unreachable"],
  ["the stream ends with 515", (connection) => connection.streamError(515), "restart_required"],
  ["the stream ends with a code nobody knows", (connection) => connection.streamError(599), "bad_session"],
  ["the stream ends without a code", (connection) => connection.streamError(), "bad_session"],
  ["the TCP connection is reset", (connection) => connection.drop(), "unreachable"],
  ["the WebSocket is closed", (connection) => connection.closeCleanly(), "unreachable"],
];

/** Answers to a login, and the engine's close causes. */
const refusals: [number, CloseCause][] = [
  [401, "logged_out"],
  [402, "temp_banned"],
  [403, "banned"],
  [405, "client_outdated"],
  [406, "banned"],
  [409, "rejected"],
  [419, "rejected"],
  [429, "rate_limited"],
  [500, "bad_session"],
  [503, "unreachable"],
];

describe("a NOWEB engine in trouble", () => {
  let whatsapp: WhatsApp;
  let phone: Phone;
  const sessions: EngineSession[] = [];

  const factory = (options: Partial<BaileysOptions> = {}) =>
    createBaileysFactory({ clock: systemClock, waWebSocketUrl: whatsapp.url, ...options });
  const newSession = (options: Partial<BaileysOptions> = {}) => {
    const session = new EngineSession(factory(options));
    sessions.push(session);
    return session;
  };
  const working = (session: EngineSession) =>
    session.openLoggedIn(({ seen }) => {
      const qr = seen.findLast((event) => event.type === "qr");
      return phone.scan(qr?.value ?? "");
    });
  const connection = () => {
    const [device] = phone.devices;
    assert.ok(device);
    return whatsapp.connectionOf(device);
  };
  const causeOf = async (engine: OpenEngine) => (await engine.until("closed")).cause;

  before(async () => {
    whatsapp = await startWhatsApp();
  });
  beforeEach(() => {
    phone = whatsapp.phone();
  });
  after(async () => {
    await Promise.all(sessions.map((session) => session.close()));
    await whatsapp.close();
  });

  it("asks for a restart after pairing, with nothing in between", async () => {
    const engine = newSession().open();
    await phone.scan((await engine.until("qr")).value);
    await engine.rest();
    assert.deepEqual(
      engine.seen.map((event) => event.type),
      ["qr", "paired", "closed"],
    );
    const last = engine.seen.at(-1);
    assert.equal(last?.type === "closed" && last.cause, "restart_required");
  });

  it("closes for the reason the server gives", async () => {
    const session = newSession();
    await (await working(session)).engine.close();
    for (const [what, end, cause] of endings) {
      const engine = session.open();
      await engine.until("opened");
      end(connection());
      assert.equal(await causeOf(engine), cause, what);
    }
  });

  it("closes for the reason a login is refused", async () => {
    const session = newSession();
    await (await working(session)).engine.close();
    for (const [reason, cause] of refusals) {
      phone.devices[0]?.refuseNextLogin(reason);
      assert.equal(await causeOf(session.open()), cause, String(reason));
    }
    phone.devices[0]?.refuseNextLogin();
    assert.equal(await causeOf(session.open()), "bad_session");
  });

  it("says until when a ban lasts", async () => {
    const session = newSession();
    await (await working(session)).engine.close();
    phone.devices[0]?.refuseNextLogin(402, { code: "101", expire: "3600" });
    const { untilMs } = await session.open().until("closed");
    assert.ok(untilMs !== undefined && Math.abs(untilMs - Date.now() - 3_600_000) < 60_000);
  });

  it("closes when a registration is refused", async () => {
    whatsapp.refuseLogins(405);
    assert.equal(await causeOf(newSession().open()), "client_outdated");
    whatsapp.refuseLogins(null);
  });

  it("notices a refused WebSocket upgrade, and tells 429 from the rest", async () => {
    whatsapp.refuseUpgrades(429);
    assert.equal(await causeOf(newSession().open()), "rate_limited");
    whatsapp.refuseUpgrades(502);
    const { cause, message } = await newSession().open().until("closed");
    assert.equal(cause, "unreachable");
    assert.match(message, /502/);
    whatsapp.refuseUpgrades(null);
  });

  it("notices a server that falls silent", async () => {
    const session = newSession({ keepAliveIntervalMs: 100, probeAfterMs: 300, probeTimeoutMs: 200 });
    const engine = await working(session);
    connection().mute();
    assert.equal((await engine.until("health")).healthy, false);
    assert.equal(await causeOf(engine), "unreachable");
    assert.ok((engine.engine.lastInboundAtMs ?? 0) > Date.now() - 60_000);
  });

  it("notices a server that never answers the handshake, or the login", async () => {
    whatsapp.muteNewConnections(true);
    assert.equal(await causeOf(newSession({ connectTimeoutMs: 200 }).open()), "unreachable");
    whatsapp.muteNewConnections(false);

    const session = newSession();
    await (await working(session)).engine.close();
    whatsapp.once("login", ({ connection }) => connection?.mute());
    const { cause, message } = await session.open(factory({ loginTimeoutMs: 500 })).until("closed");
    assert.equal(cause, "unreachable");
    assert.match(message, /did not answer the login/);
  });

  it("closes soon while it connects, leaving no connection", async () => {
    whatsapp.muteNewConnections(true);
    const connecting = newSession().open();
    await whatsapp.waitForConnection();
    await connecting.engine.close();
    whatsapp.muteNewConnections(false);
    await whatsapp.until(() => whatsapp.counters.connections === 0, "the end of the connection");
    assert.equal((await connecting.rest()).length, 1);
  });

  it("gives up on a pairing code that WhatsApp does not answer for", async () => {
    const engine = newSession({ pairingCodeTimeoutMs: 100 }).open();
    const candidate = new Promise<Connection>((resolve) =>
      whatsapp.once("candidate", ({ connection }) => resolve(connection)),
    );
    await engine.until("qr");
    (await candidate).mute();
    await assert.rejects(engine.requestCode(phone.number), /did not answer/);
    await engine.engine.close();
  });

  it("throws away a login that a pairing code has left half made", async () => {
    const session = newSession();
    const engine = session.open();
    const before = await engine.until("qr");
    await engine.requestCode(phone.number);
    await engine.engine.close();
    assert.match(Buffer.from(session.credentials.values.get("creds") ?? []).toString(), new RegExp(phone.number));

    const next = session.open();
    const { value } = await next.until("qr");
    assert.doesNotMatch(
      Buffer.from(session.credentials.values.get("creds") ?? []).toString(),
      new RegExp(phone.number),
    );
    const identityOf = (qr: string) => qr.split(",")[2];
    assert.notEqual(identityOf(value), identityOf(before.value));
    await phone.scan(value);
    await next.until("paired");
  });

  it("does not touch credentials that are damaged or incomplete", async () => {
    for (const text of ["{", '"creds"', "{}", '{"noiseKey":{"public":"x"}}']) {
      const session = newSession();
      session.credentials.values.set("creds", Buffer.from(text));
      assert.equal(await causeOf(session.open()), "credentials_unreadable");
      assert.equal(Buffer.from(session.credentials.values.get("creds") ?? []).toString(), text);
    }
  });

  it("closes when a Signal key cannot be read, without writing another", async () => {
    const session = newSession();
    const engine = await working(session);
    session.credentials.failReads = { keys: /^session:/, error: new Error("bad sector") };
    const { length } = session.credentials.writes;
    await whatsapp.phone().sendTextTo(phone, "hello");
    assert.equal(await causeOf(engine), "credentials_unreadable");
    const touched = session.credentials.writes.slice(length).flatMap((write) => [...write.keys()]);
    assert.deepEqual(
      touched.filter((key) => key.startsWith("session:")),
      [],
    );
  });

  it("never reports protocol messages, and stores chats only if the session is set to", async () => {
    phone.sendsHistory = true;
    const bob = whatsapp.phone();
    for (const enabled of [false, true]) {
      const session = newSession();
      session.config.noweb = { $typeName: "sessiond.v1.NowebConfig", store: storeConfig(enabled) };
      const engine = await working(session);
      await bob.sendTextTo(phone, "hello");
      const { message } = await engine.until("message");
      assert.equal(message.body, "hello");
      await engine.engine.close();
      assert.deepEqual(
        (await engine.rest()).filter((event) => event.type === "message"),
        [],
      );
      const kept = [...session.chats.values.keys()].filter((key) => key.startsWith("message:"));
      assert.equal(
        kept.some((key) => key.endsWith(message.id.split("_")[2] ?? "")),
        enabled,
      );
    }
  });

  it("leaves no timer behind, whatever it was doing", async () => {
    const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    await Promise.all(sessions.map((session) => session.close()));
    await whatsapp.until(() => whatsapp.counters.connections === 0, "the end of all connections");
    const before = timers();
    const session = newSession();
    const pairing = session.open();
    const { value } = await pairing.until("qr");
    await phone.scan(value);
    // Pre-keys are being uploaded, and the answers to other queries are on their way.
    await pairing.rest();
    const loggedIn = new Promise((resolve) => whatsapp.once("login", resolve));
    const { engine } = session.open();
    await loggedIn;
    await engine.close();
    await whatsapp.until(() => whatsapp.counters.connections === 0, "the end of all connections");
    // Baileys' buffer of events flushes itself within 100 ms.
    const patience = Date.now() + 10_000;
    while (timers() > before && Date.now() < patience) await new Promise(setImmediate);
    assert.ok(timers() <= before, `${timers() - before} timers are left`);
  });

  it("tells when the account gets a name", async () => {
    const engine = await working(newSession());
    await phone.sendTextTo(whatsapp.phone(), "hello");
    const { me } = await engine.until("me_changed");
    assert.equal(me.pushName, phone.name);
  });

  it("uploads its pre-keys once, and logs neither codes nor keys", async () => {
    const session = newSession();
    session.config.debug = true;
    const engine = await working(session);
    assert.equal(phone.devices[0]?.ledger.preKeysUploaded, 812);
    await whatsapp.phone().sendTextTo(phone, "a secret");
    await engine.until("message");
    const secrets = JSON.stringify(
      [...session.credentials.values.values()].map((v) => Buffer.from(v).toString()),
    ).match(/[A-Za-z0-9+/]{43}=/g);
    assert.ok(secrets && secrets.length > 800);
    const log = session.log.join("\n");
    assert.deepEqual(
      [...secrets, "a secret"].filter((secret) => log.includes(secret)),
      [],
    );
  });
});

const storeConfig = (enabled: boolean) => ({ $typeName: "sessiond.v1.NowebStoreConfig" as const, enabled });
