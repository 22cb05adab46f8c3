import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { createBaileysFactory } from "../../../src/adapters/baileys/factory.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import type { MemoryEngineData } from "../../contract/engine-data.ts";
import { EngineSession } from "../../contract/engine-session.ts";
import { sendUnavailable } from "../../emulator/messages.ts";
import type { Phone } from "../../emulator/phone.ts";
import { startWhatsApp, type WhatsApp } from "../../emulator/whatsapp.ts";

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
};

/** Holds all writes until `release` is called. */
function holdWrites(data: MemoryEngineData) {
  const write = data.write.bind(data);
  const released = Promise.withResolvers<void>();
  let held = 0;
  data.write = async (changes) => {
    held += 1;
    await released.promise;
    await write(changes);
  };
  return { release: released.resolve, held: () => held };
}

/** Returns a session with the same login in a new process, after a crash of the first. */
function afterCrash(of: EngineSession, factory: ReturnType<typeof createBaileysFactory>): EngineSession {
  const session = new EngineSession(factory);
  for (const [key, value] of of.credentials.values) session.credentials.values.set(key, value);
  of.credentials.end();
  return session;
}

describe("what WhatsApp sends to a NOWEB engine", () => {
  let whatsapp: WhatsApp;
  let phone: Phone;
  let bob: Phone;
  const sessions: EngineSession[] = [];

  const factory = () => createBaileysFactory({ clock: systemClock, waWebSocketUrl: whatsapp.url });
  const tracked = (session: EngineSession) => {
    sessions.push(session);
    return session;
  };
  const working = (session: EngineSession) =>
    session.openLoggedIn(({ seen }) => {
      const qr = seen.findLast((event) => event.type === "qr");
      return phone.scan(qr?.value ?? "");
    });
  const device = () => phone.devices[0] ?? assert.fail("the phone has no device");

  before(async () => {
    whatsapp = await startWhatsApp();
  });
  beforeEach(() => {
    phone = whatsapp.phone();
    bob = whatsapp.phone();
  });
  after(async () => {
    await Promise.all(sessions.map((session) => session.close()));
    await whatsapp.close();
  });

  it("is acknowledged when the next event is asked for, and not before", async () => {
    const session = tracked(new EngineSession(factory()));
    const engine = await working(session);
    await whatsapp.waitForLogin(device());
    const id = await bob.sendTextTo(phone, "hello");
    const { message } = await engine.until("message");
    assert.equal(message.body, "hello");
    await turns(200);
    assert.equal(device().ledger.acknowledged(id), false);
    const next = engine.until("message");
    await whatsapp.until(() => device().ledger.acknowledged(id), "the receipt");
    await bob.sendTextTo(phone, "again");
    assert.equal((await next).message.body, "again");
    assert.deepEqual(
      [...session.credentials.values.keys()].filter((key) => key.startsWith("inbox:")),
      ["inbox:1"],
    );
  });

  it("is not answered before the keys that were used are on disk", async () => {
    const session = tracked(new EngineSession(factory()));
    const engine = await working(session);
    await whatsapp.waitForLogin(device());
    const writes = holdWrites(session.credentials);
    const id = await bob.sendTextTo(phone, "hello");
    const next = engine.until("message");
    while (writes.held() === 0) await turns(1);
    await turns(200);
    assert.equal(device().ledger.acknowledged(id), false);
    writes.release();
    await next;
    void engine.rest();
    await whatsapp.until(() => device().ledger.acknowledged(id), "the receipt");
  });

  it("is requested again from the phone only after the request's key is on disk", async () => {
    const session = tracked(new EngineSession(factory()));
    const engine = await working(session);
    await whatsapp.waitForLogin(device());
    void engine.rest();
    sendUnavailable(bob, device());
    await whatsapp.until(() => device().stored.size === 0, "its acknowledgement");
    const writes = holdWrites(session.credentials);
    while (writes.held() === 0) await turns(1);
    await turns(500);
    assert.equal(device().ledger.peerMessages, 0);
    writes.release();
    await whatsapp.until(() => device().ledger.peerMessages === 1, "the question");
  });

  it("leaves pairing unanswered until the login is on disk", async () => {
    const session = tracked(new EngineSession(factory()));
    const engine = session.open();
    const { value } = await engine.until("qr");
    const writes = holdWrites(session.credentials);
    let paired = false;
    const scanned = phone.scan(value).then(() => {
      paired = true;
    });
    while (writes.held() === 0) await turns(1);
    await turns(200);
    assert.equal(paired, false);
    assert.equal(session.credentials.values.has("creds"), false);
    writes.release();
    await scanned;
    assert.ok(session.credentials.values.has("creds"));
  });

  it("is reported once, by the next engine, if a crash comes after it was stored", async () => {
    const session = tracked(new EngineSession(factory()));
    await working(session);
    await whatsapp.waitForLogin(device());
    const id = await bob.sendTextTo(phone, "hello");
    while (!session.credentials.values.has("inbox:0")) await turns(1);

    const next = tracked(afterCrash(session, factory())).open();
    const { message } = await next.until("message");
    assert.equal(message.body, "hello");
    assert.ok(message.id.endsWith(id));
    // WhatsApp repeats it, and it cannot be decrypted again.
    const rest = next.until("closed");
    await whatsapp.until(() => !device().stored.has(id), "an answer to the repetition");
    await next.engine.close();
    await rest;
    assert.equal(next.seen.filter((event) => event.type === "message").length, 1);
  });

  it("comes again if a crash comes before it was stored", async () => {
    const session = tracked(new EngineSession(factory()));
    await working(session);
    await whatsapp.waitForLogin(device());
    const writes = holdWrites(session.credentials);
    const id = await bob.sendTextTo(phone, "hello");
    while (writes.held() === 0) await turns(1);
    const crashed = afterCrash(session, factory());
    writes.release();
    const next = tracked(crashed).open();
    const { message } = await next.until("message");
    assert.ok(message.id.endsWith(id));
    void next.rest();
    await whatsapp.until(() => device().ledger.acknowledged(id), "the receipt");
  });

  it("comes again if the connection is lost between its decryption and its acknowledgement", async () => {
    const session = tracked(new EngineSession(factory()));
    const engine = await working(session);
    await whatsapp.waitForLogin(device());
    await bob.sendTextTo(phone, "first");
    while (!session.credentials.values.has("inbox:0")) await turns(1);
    const read = session.credentials.read.bind(session.credentials);
    session.credentials.read = async (keys) => {
      if (!keys.some((key) => key.startsWith("session:"))) return read(keys);
      session.credentials.read = read;
      const connection = whatsapp.connectionOf(device());
      connection.drop();
      await connection.ended;
      // The engine has noticed, and waits for a reader to take the first message.
      await turns(200);
      return read(keys);
    };
    // The keys of a stranger are not in memory yet.
    const id = await whatsapp.phone().sendTextTo(phone, "second");
    while (device().connection) await turns(1);
    await turns(400);
    await engine.until("closed");
    const next = session.open();
    const { message } = await next.until("message");
    assert.ok(message.id.endsWith(id), message.body);
    void next.rest();
    await whatsapp.until(() => device().ledger.acknowledged(id), "the receipt");
  });

  it("is reported once sent again if it could not be decrypted, also after a crash in between", async () => {
    const session = tracked(new EngineSession(factory()));
    const engine = await working(session);
    await whatsapp.waitForLogin(device());
    await bob.sendTextTo(phone, "before");
    const rest = engine.until("closed");
    await whatsapp.until(() => device().stored.size === 0, "the receipt");
    await engine.engine.close();
    await rest;
    const { values } = session.credentials;
    for (const key of values.keys()) if (key.startsWith("session:")) values.delete(key);
    // Encrypted for the session that the device has lost. The retry comes to the next engine.
    const id = await bob.sendTextTo(phone, "hello");
    session.open();
    await whatsapp.until(() => device().ledger.receipts.get(id)?.includes("retry") === true, "the retry receipt");
    const next = tracked(afterCrash(session, factory())).open();
    const { message } = await next.until("message");
    assert.deepEqual([message.body, message.id.endsWith(id)], ["hello", true]);
    void next.rest();
    await whatsapp.until(() => device().ledger.acknowledged(id), "the receipt of the second copy");
  });

  it("does not delay a logout, even if the reader of the events waits for it", async () => {
    const session = tracked(new EngineSession(factory()));
    const engine = await working(session);
    await whatsapp.waitForLogin(device());
    await bob.sendTextTo(phone, "hello");
    await engine.until("message");
    assert.equal(await engine.engine.logout(), "unlinked");
    assert.equal(phone.devices.length, 0);
  });

  it("does not get lost, repeated or reordered when it comes in hundreds", async () => {
    const session = tracked(new EngineSession(factory()));
    const engine = await working(session);
    await whatsapp.waitForLogin(device());
    const texts = Array.from({ length: 200 }, (_, i) => `text ${i}`);
    for (const text of texts) await bob.sendTextTo(phone, text);
    for (let left = texts.length; left > 0; left--) await engine.until("message");
    void engine.rest();
    await whatsapp.until(() => device().stored.size === 0, "the receipts");
    const seen = engine.seen.flatMap((event) => (event.type === "message" ? event.message.body : []));
    assert.deepEqual(seen, texts);
    await engine.engine.close();
    assert.deepEqual(
      [...session.credentials.values.keys()].filter((key) => key.startsWith("inbox:")),
      [],
    );
  });
});

describe("a former login", () => {
  it("is restored in one step, and back again, and used pre-keys are not used twice", async () => {
    const whatsapp = await startWhatsApp();
    try {
      const phone = whatsapp.phone();
      const factory = createBaileysFactory({ clock: systemClock, waWebSocketUrl: whatsapp.url });
      const session = new EngineSession(factory);
      const { credentials } = session;
      assert.equal(await factory.formerLogins?.restore(credentials), false);
      const engine = await session.openLoggedIn(({ seen }) => {
        const qr = seen.findLast((event) => event.type === "qr");
        return phone.scan(qr?.value ?? "");
      });
      await engine.engine.close();
      const good = credentials.values.get("creds") ?? assert.fail();
      const damaged = Buffer.from("{");
      credentials.values.set("creds", damaged);
      const failed = session.open();
      assert.equal((await failed.until("closed")).cause, "credentials_unreadable");
      assert.equal(credentials.values.get("creds"), damaged, "the bytes are as they were");

      assert.equal(await factory.formerLogins?.restore(credentials), true);
      assert.equal(credentials.values.get("creds.kept"), damaged);
      const numbers = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString()).nextPreKeyId;
      assert.equal(numbers(credentials.values.get("creds") ?? damaged), numbers(good) + 1_000);
      const restored = session.open();
      await restored.until("opened");
      await whatsapp.phone().sendTextTo(phone, "hello");
      assert.equal((await restored.until("message")).message.body, "hello");
      await restored.engine.close();
      assert.equal(whatsapp.counters.pairings, 1);
    } finally {
      await whatsapp.close();
    }
  });
});
