import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createBaileysFactory } from "../../../src/adapters/baileys/factory.ts";
import { EngineSession, type OpenEngine } from "../../contract/engine-session.ts";
import type { LinkedDevice } from "../../emulator/device.ts";
import type { Phone } from "../../emulator/phone.ts";
import { type BinaryNode, stanza } from "../../emulator/stanza.ts";
import { startWhatsApp, type WhatsApp } from "../../emulator/whatsapp.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { FakeStanding } from "../../support/fake-standing.ts";

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
};

const isPing = ({ tag, attrs }: BinaryNode) => tag === "iq" && attrs.xmlns === "w:p";

describe("a NOWEB engine of a frozen node", () => {
  let whatsapp: WhatsApp;
  const sessions: EngineSession[] = [];

  /** Opens an engine that works, on a clock of its own. */
  async function open() {
    const clock = new FakeClock();
    const standing = new FakeStanding();
    const session = new EngineSession(createBaileysFactory({ clock, waWebSocketUrl: whatsapp.url }));
    session.standing = standing;
    sessions.push(session);
    const phone = whatsapp.phone();
    const engine = await session.openLoggedIn(({ seen }) => {
      const qr = seen.findLast((event) => event.type === "qr");
      return phone.scan(qr?.value ?? "");
    });
    const device = phone.devices[0] ?? assert.fail("the phone has no device");
    await whatsapp.waitForLogin(device);
    await greet(engine, phone, device);
    const connection = whatsapp.connectionOf(device);
    const stanzas: BinaryNode[] = [];
    connection.onStanza = (node) => stanzas.push(node);
    /** Lets time pass for the engine, second by second. */
    const pass = async (seconds: number) => {
      for (let i = 0; i < seconds; i++) {
        clock.advance(1_000);
        await turns(20);
      }
    };
    return { clock, standing, session, engine, phone, device, connection, stanzas, pass };
  }

  /** Lets a first message through, after which the connection is at rest. */
  async function greet(engine: OpenEngine, phone: Phone, device: LinkedDevice): Promise<void> {
    const id = await whatsapp.phone().sendTextTo(phone, "first");
    await engine.until("message");
    void rest(engine);
    await whatsapp.until(() => device.ledger.acknowledged(id) && device.stored.size === 0, "the receipt");
    await turns(200);
  }

  /** Reads all events of an engine from here on, each at once. */
  const rest = (engine: OpenEngine) => engine.rest();
  const bodies = ({ seen }: OpenEngine) =>
    seen.flatMap((event) => (event.type === "message" ? event.message.body : []));
  const isClosed = ({ seen }: OpenEngine) => seen.some(({ type }) => type === "closed");

  before(async () => {
    whatsapp = await startWhatsApp();
  });
  after(async () => {
    for (const session of sessions) (session.standing as FakeStanding).thaw();
    await Promise.all(sessions.map((session) => session.close()));
    await whatsapp.close();
  });

  it("sends only keepalives for a minute, though messages arrive", async () => {
    const { standing, engine, phone, stanzas, pass } = await open();
    standing.freeze();
    for (const text of ["a", "b", "c"]) await whatsapp.phone().sendTextTo(phone, text);
    await pass(60);
    assert.ok(stanzas.length >= 1);
    assert.deepEqual(
      stanzas.filter((node) => !isPing(node)),
      [],
    );
    assert.deepEqual(bodies(engine), ["first"]);
  });

  it("reports what has arrived once, in order, after the thaw, on the same connection", async () => {
    const { standing, engine, phone, device, pass } = await open();
    const { logins } = device.ledger;
    const bob = whatsapp.phone();
    standing.freeze();
    const ids: string[] = [];
    for (const text of ["a", "b", "c"]) ids.push(await bob.sendTextTo(phone, text));
    await pass(170);
    standing.thaw();
    await whatsapp.until(() => ids.every((id) => device.ledger.acknowledged(id)), "the receipts");
    assert.deepEqual(bodies(engine), ["first", "a", "b", "c"]);
    assert.equal(device.ledger.logins, logins);
    assert.deepEqual(whatsapp.faults, []);
  });

  it("pings the WebSocket if the next frame has to wait, as that would be out of order", async () => {
    const { standing, engine, session, phone, device, stanzas, connection, pass } = await open();
    const { logins } = device.ledger;
    const write = session.credentials.write.bind(session.credentials);
    const written = Promise.withResolvers<void>();
    let writes = 0;
    session.credentials.write = async (changes) => {
      writes += 1;
      await written.promise;
      return write(changes);
    };
    const id = await whatsapp.phone().sendTextTo(phone, "unwritten");
    while (writes === 0) await turns(1);
    await turns(500);
    standing.freeze();
    await pass(100);
    assert.equal(stanzas.length, 0);
    assert.ok(connection.webSocketPings >= 2);
    assert.ok(!isClosed(engine));
    written.resolve();
    await turns(200);
    assert.equal(stanzas.length, 0);
    standing.thaw();
    await whatsapp.until(() => device.ledger.acknowledged(id), "the receipt");
    assert.deepEqual(bodies(engine), ["first", "unwritten"]);
    assert.equal(device.ledger.logins, logins);
    assert.deepEqual(whatsapp.faults, []);
  });

  it("sends nothing more and closes if the node's sessions were taken", async () => {
    const { standing, engine, session, phone, stanzas, pass } = await open();
    standing.freeze();
    await whatsapp.phone().sendTextTo(phone, "for the next owner");
    await pass(10);
    session.credentials.end();
    standing.lose();
    while (!isClosed(engine)) await turns(1);
    await turns(200);
    assert.equal(stanzas.length, 0);
    assert.deepEqual(bodies(engine), ["first"]);
  });

  it("leaves the messages of its freeze to the next engine", async () => {
    const { standing, engine, session, phone, device } = await open();
    standing.freeze();
    const id = await whatsapp.phone().sendTextTo(phone, "for the next engine");
    await turns(200);
    await engine.engine.close();
    standing.thaw();
    const next = session.open();
    assert.equal((await next.until("message")).message.body, "for the next engine");
    void next.rest();
    await whatsapp.until(() => device.ledger.acknowledged(id), "the receipt");
  });

  it("reads a thousand frames and leaves the rest with WhatsApp, without losing one", async () => {
    const { standing, connection, stanzas } = await open();
    standing.freeze();
    const ids = Array.from({ length: 1_500 }, (_, i) => `note-${i}`);
    for (const id of ids) connection.send(stanza("notification", { from: "s.whatsapp.net", id, type: "psa" }));
    await turns(500);
    assert.equal(stanzas.length, 0);
    standing.thaw();
    const acked = () => stanzas.filter(({ tag }) => tag === "ack").map(({ attrs }) => attrs.id);
    while (acked().length < ids.length) await turns(10);
    assert.deepEqual(acked(), ids);
  });

  it("can be closed with a thousand frames unread", async () => {
    const { standing, connection, clock, engine } = await open();
    standing.freeze();
    for (let i = 0; i < 1_500; i++) {
      connection.send(stanza("notification", { from: "s.whatsapp.net", id: `${i}`, type: "psa" }));
    }
    await turns(500);
    const closed = engine.engine.close();
    await turns(50);
    clock.advance(2_000);
    await closed;
    await connection.ended;
  });
});
