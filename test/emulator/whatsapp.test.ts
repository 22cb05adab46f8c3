import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it, mock } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { BinaryNode, UserFacingSocketConfig } from "@whiskeysockets/baileys";
import { BareClient, pairByQr } from "./bare-client.ts";
import type { LinkedDevice } from "./device.ts";
import { ignoreLingeringTimers } from "./lingering-timers.ts";
import type { Phone } from "./phone.ts";
import { startWhatsApp, type WhatsApp } from "./whatsapp.ts";

ignoreLingeringTimers();
// libsignal, as Baileys uses it, prints its sessions.
mock.method(console, "info", () => {});
mock.method(console, "warn", () => {});

interface Session {
  readonly client: BareClient;
  readonly phone: Phone;
  readonly device: LinkedDevice;
}

describe("the emulated WhatsApp, with the real Baileys", () => {
  const clients: BareClient[] = [];
  let wa: WhatsApp;

  before(async () => {
    wa = await startWhatsApp();
  });

  after(async () => {
    await wa.close();
    await Promise.all(clients.map((client) => client.stop()));
    assert.deepEqual(wa.faults, []);
  });

  function newClient(config?: Partial<UserFacingSocketConfig>): BareClient {
    const client = new BareClient(wa.url, config);
    clients.push(client);
    return client;
  }

  async function newSession(config?: Partial<UserFacingSocketConfig>): Promise<Session> {
    const client = newClient(config);
    const phone = wa.phone();
    await pairByQr(client, (qr) => phone.scan(qr));
    const [device] = phone.devices;
    assert.ok(device);
    await wa.waitForLogin(device);
    // Baileys leaves rejections unhandled when it is cut off right after the login, with messages still to send.
    await client.settled();
    return { client, phone, device };
  }

  it("pairs by QR, requires the reconnect, and lets the device log in", async () => {
    const phone = wa.phone(undefined, { name: "Alice", biz: "Alice & Co" });
    const client = newClient().connect();
    const device = await phone.scan(await client.qr());
    assert.equal(await client.closed(), 515);
    client.connect();
    await client.opened();
    assert.equal(client.creds.me?.id, device.jid);
    assert.equal(client.creds.me?.name, "Alice & Co");
    assert.equal(device.ledger.preKeysUploaded, 812);
    assert.deepEqual(phone.devices, [device]);
  });

  it("accepts each QR code once, and only while its client is connected", async () => {
    const client = newClient().connect();
    const qr = await client.qr();
    const phone = wa.phone();
    await assert.rejects(phone.scan(qr.replace("2@", "2@x")), /not valid/);
    const [first, second] = await Promise.allSettled([phone.scan(qr), wa.phone().scan(qr)]);
    assert.equal(first.status, "fulfilled");
    assert.equal(second.status, "rejected");
    const other = newClient().connect();
    const stale = await other.qr();
    const [connection] = wa.connections.slice(-1);
    await other.stop();
    await connection?.ended;
    await assert.rejects(phone.scan(stale), /not valid/);
  });

  it("closes a client whose QR code was altered", async () => {
    const client = newClient().connect();
    const fields = (await client.qr()).split(",");
    fields[3] = Buffer.alloc(32).toString("base64");
    await assert.rejects(wa.phone().scan(fields.join(",")), /hung up/);
    assert.equal(await client.closed(), 500);
  });

  it("pairs by code, after a wrong code", async () => {
    const phone = wa.phone();
    const client = newClient().connect();
    await client.qr();
    await assert.rejects(phone.enterCode("ABCD1234"), /no client asked/);
    const code = await client.socket.requestPairingCode(phone.number);
    await wa.until(() => wa.linkCodes.some(({ number }) => number === phone.number));
    await assert.rejects(phone.enterCode("WRNGC0DE"), /wrong code/);
    const device = await phone.enterCode(`${code.slice(0, 4)}-${code.slice(4)}`.toLowerCase());
    assert.equal(await client.closed(), 515);
    client.connect();
    await client.opened();
    assert.equal(client.creds.me?.id, device.jid);
  });

  it("refuses a code for a bad number, and for any number on demand", async () => {
    const client = newClient().connect();
    await client.qr();
    const refusal = async (number: string): Promise<string | undefined> => {
      const refused = once(client.socket.ws, "CB:iq,type:error") as Promise<[BinaryNode]>;
      await client.socket.requestPairingCode(number);
      const [{ content }] = await refused;
      return Array.isArray(content) ? content[0]?.attrs.text : undefined;
    };
    assert.equal(await refusal("12"), "bad-request");
    wa.refuseLinkCodes("rate-overlimit");
    assert.equal(await refusal("15551234567"), "rate-overlimit");
    wa.refuseLinkCodes(null);
  });

  it("delivers a contact's texts encrypted, first as pkmsg and then as msg", async () => {
    const { client, phone, device } = await newSession();
    const bob = wa.phone(undefined, { name: "Bob" });
    const types: unknown[] = [];
    client.socket.ws.on("CB:message", ({ content }: BinaryNode) => {
      if (Array.isArray(content)) types.push(content[0]?.attrs.type);
    });
    const firstId = await bob.sendTextTo(phone, "one");
    const first = await client.message();
    assert.equal(first.message?.conversation, "one");
    assert.equal(first.key.id, firstId);
    assert.equal(first.key.remoteJid, bob.jid);
    assert.equal(first.pushName, "Bob");
    // The answer opens the session in both directions.
    await client.socket.sendMessage(bob.jid, { text: "two" });
    assert.equal((await bob.nextMessage()).text, "two");
    const thirdId = await bob.sendTextTo(phone.number, "three");
    await wa.until(() => device.ledger.acknowledged(thirdId));
    assert.deepEqual(types, ["pkmsg", "msg"]);
    assert.equal(device.stored.size, 0);
  });

  it("delivers a text to both phones and confirms it", async () => {
    const { client, phone, device } = await newSession();
    const bob = wa.phone();
    const delivered = once(client.socket.ws, "CB:receipt");
    const acknowledged = once(client.socket.ws, "CB:ack,class:message");
    const sent = await client.socket.sendMessage(bob.jid, { text: "hello" });
    const received = await bob.nextMessage(({ text }) => text === "hello");
    assert.deepEqual([received.from, received.to], [phone.number, bob.number]);
    const copy = await phone.nextMessage();
    assert.deepEqual([copy.id, copy.to, copy.text], [sent?.key.id, bob.number, "hello"]);
    const [ack] = (await acknowledged) as [BinaryNode];
    const [receipt] = (await delivered) as [BinaryNode];
    assert.deepEqual([ack.attrs.id, receipt.attrs.id], [sent?.key.id, sent?.key.id]);
    assert.deepEqual(device.ledger.sent, [sent?.key.id]);
  });

  it("carries messages between two linked devices", async () => {
    const [one, two] = await Promise.all([newSession(), newSession()]);
    await one.client.socket.sendMessage(two.phone.jid, { text: "across" });
    const message = await two.client.message();
    assert.equal(message.message?.extendedTextMessage?.text, "across");
    assert.equal((await two.phone.nextMessage()).text, "across");
  });

  it("shows a linked device the messages that its phone sent", async () => {
    const { client, phone } = await newSession();
    const bob = wa.phone();
    await phone.sendTextTo(bob, "from the phone");
    const { key, message } = await client.message();
    assert.deepEqual([key.fromMe, key.remoteJid, message?.conversation], [true, bob.jid, "from the phone"]);
    assert.equal((await bob.nextMessage()).from, phone.number);
  });

  it("stores messages for an offline device, in order", async () => {
    const { client, phone, device } = await newSession();
    await client.stop();
    await wa.until(() => !device.online);
    const bob = wa.phone();
    const ids = [await bob.sendTextTo(phone, "1"), await bob.sendTextTo(phone, "2"), await bob.sendTextTo(phone, "3")];
    assert.equal(device.stored.size, 3);
    client.connect();
    const texts = [await client.message(), await client.message(), await client.message()];
    assert.deepEqual(
      texts.map(({ message }) => message?.conversation),
      ["1", "2", "3"],
    );
    await wa.until(() => ids.every((id) => device.ledger.acknowledged(id)));
    assert.equal(device.stored.size, 0);
  });

  it("encrypts a message anew for a client that lost its Signal session", async () => {
    const { client, phone, device } = await newSession({ retryRequestDelayMs: 1 });
    const bob = wa.phone();
    await bob.sendTextTo(phone, "one");
    await client.message();
    await client.socket.sendMessage(bob.jid, { text: "two" });
    await bob.nextMessage();
    await client.message();
    await client.keys.set({ session: { [`${bob.lidUser}_1.0`]: null } });
    const id = await bob.sendTextTo(phone, "three");
    assert.equal((await client.message()).message?.conversation, "three");
    await wa.until(() => device.ledger.acknowledged(id));
    assert.equal(device.ledger.receipts.get(id)?.[0], "retry");
  });

  it("sends a history like a real phone on demand", async () => {
    const client = newClient({ shouldSyncHistoryMessage: () => true });
    const phone = wa.phone();
    phone.sendsHistory = true;
    await pairByQr(client, (qr) => phone.scan(qr));
    assert.equal((await client.history()).progress, 100);
    assert.ok(client.creds.myAppStateKeyId);
    const [device] = phone.devices;
    await wa.until(() => device?.stored.size === 0);
    assert.ok([...(device?.ledger.receipts.values() ?? [])].flat().includes("hist_sync"));
  });

  it("forgets a device that logs out", async () => {
    const { client, phone, device } = await newSession();
    await client.socket.logout();
    assert.equal(await client.closed(), 401);
    await wa.until(() => !device.linked);
    assert.deepEqual(phone.devices, []);
    client.connect();
    assert.equal(await client.closed(), 401);
  });

  it("ends the connection of a device the phone unlinks, and refuses its next login", async () => {
    const { client, phone } = await newSession();
    await phone.unlink();
    assert.equal(await client.closed(), 401);
    client.connect();
    assert.equal(await client.closed(), 401);
  });

  it("refuses the login of a device that was unlinked while offline", async () => {
    const { client, phone, device } = await newSession();
    await client.stop();
    await client.closed();
    await phone.unlink(device);
    client.connect();
    assert.equal(await client.closed(), 401);
  });

  it("replaces a connection with a newer one", async () => {
    const { client, device } = await newSession();
    const newer = newClient();
    Object.assign(newer.creds, client.creds);
    newer.connect();
    await newer.opened();
    assert.equal(await client.closed(), 440);
    await wa.waitForLogin(device);
  });

  it("ends connections in every way on demand", async () => {
    const { client, phone, device } = await newSession();
    const again = async (): Promise<void> => {
      client.connect();
      await wa.waitForLogin(device);
      await client.settled();
    };
    wa.connectionOf(device).streamError(503);
    assert.equal(await client.closed(), 503);
    await again();
    wa.connectionOf(device).drop();
    assert.equal(await client.closed(), 428);
    await wa.until(() => !device.online);
    await again();
    wa.connectionOf(device).closeCleanly();
    assert.equal(await client.closed(), 428);
    await wa.until(() => !device.online);
    device.refuseNextLogin(405);
    client.connect();
    assert.equal(await client.closed(), 405);
    await again();
    phone.ban(403);
    assert.equal(await client.closed(), 403);
    client.connect();
    assert.equal(await client.closed(), 403);
    phone.unban();
    wa.refuseLogins(503);
    client.connect();
    assert.equal(await client.closed(), 503);
    wa.refuseLogins(null);
    await again();
  });

  it("answers nothing on a muted connection", async () => {
    const { client, device } = await newSession();
    const connection = wa.connectionOf(device);
    connection.mute();
    assert.equal(
      await Promise.race([
        client.settled().then(
          () => "answered",
          () => "hung up",
        ),
        setTimeout(300, "silence"),
      ]),
      "silence",
    );
    assert.ok(client.socket.ws.isOpen);
    connection.drop();
    assert.equal(await client.closed(), 428);
  });

  it("turns new connections into black holes", async () => {
    wa.muteNewConnections(true);
    const connected = wa.waitForConnection();
    const client = newClient().connect();
    const connection = await connected;
    wa.muteNewConnections(false);
    assert.equal(connection.isOpen, false);
    assert.ok(wa.connections.includes(connection));
    connection.drop();
    assert.equal(await client.closed(), 408);
  });

  it("refuses upgrades with a given status", async () => {
    wa.refuseUpgrades(429);
    const client = newClient().connect();
    const [, response] = await once(client.socket.ws, "unexpected-response");
    assert.equal(response.statusCode, 429);
    assert.equal(wa.counters.refusedUpgrades, 1);
    wa.refuseUpgrades(null);
    assert.ok(await newClient().connect().qr());
  });

  it("answers an unknown query with an error", async () => {
    const { client } = await newSession();
    const query = { tag: "iq", attrs: { to: "@s.whatsapp.net", type: "get", xmlns: "no:such" } };
    await assert.rejects(client.socket.query(query), /feature-not-implemented/);
  });

  it("serves fifty at once", async () => {
    const { pairings, logins } = wa.counters;
    const sessions = await Promise.all(Array.from({ length: 50 }, () => newSession()));
    assert.equal(wa.counters.pairings - pairings, 50);
    assert.equal(wa.counters.logins - logins, 50);
    assert.equal(new Set(sessions.map(({ device }) => device.jid)).size, 50);
    const bob = wa.phone();
    await Promise.all(sessions.map(({ phone }) => bob.sendTextTo(phone, `to ${phone.number}`)));
    for (const { client, phone } of sessions) {
      assert.equal((await client.message()).message?.conversation, `to ${phone.number}`);
    }
  });
});
