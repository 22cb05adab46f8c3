import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { EngineFactory } from "../../src/ports/engine.ts";
import { PairingCodeRefused } from "../../src/ports/engine.ts";
import { EngineSession, type OpenEngine } from "./engine-session.ts";

/** An account and its phone. */
export interface ContractPhone {
  readonly number: string;
  readonly devices: readonly unknown[];
  scan(qr: string): Promise<unknown>;
  enterCode(code: string): Promise<unknown>;
  unlink(): Promise<void>;
  sendTextTo(number: string, text: string): Promise<string>;
}

/** The emulated WhatsApp that engines are tested with. */
export interface EngineFixture {
  /** Makes engines. `qrLifeMs`: lifetime of each code; WhatsApp's rhythm if left out. */
  factory(options?: { readonly qrLifeMs?: number }): EngineFactory;
  /** Adds an account. */
  phone(): ContractPhone;
  /** Sets whether requests for pairing codes are refused. */
  refusePairingCodes(refuse: boolean): void;
  /** Makes engines for a WhatsApp that cannot be reached. */
  unreachableFactory(): EngineFactory;
  /** A code that was never given out. */
  readonly wrongCode: string;
  close(): Promise<void>;
}

/** Opens a fixture for one run of the contract. */
export type EngineHarness = () => Promise<EngineFixture>;

/** Tests that every engine must pass. */
export function engineContract(name: string, harness: EngineHarness): void {
  describe(`the engine ${name}`, () => {
    let fixture: EngineFixture;
    const sessions: EngineSession[] = [];
    const newSession = (factory = fixture.factory()) => {
      const session = new EngineSession(factory);
      sessions.push(session);
      return session;
    };
    const scannedBy = (phone: ContractPhone) => (engine: OpenEngine) => phone.scan(lastQr(engine));

    before(async () => {
      fixture = await harness();
    });
    after(async () => {
      await Promise.all(sessions.map((session) => session.close()));
      await fixture.close();
    });

    it("shows codes in sequence, counts them, and closes when the last has expired", async () => {
      const engine = newSession(fixture.factory({ qrLifeMs: 60 })).open();
      const events = await engine.rest();
      const codes = events.filter((event) => event.type === "qr");
      assert.deepEqual(
        codes.map((code) => code.serial),
        [...codes.keys()].map((i) => i + 1),
      );
      assert.deepEqual(
        codes.map((code) => code.remaining),
        [...codes.keys()].reverse(),
      );
      assert.equal(new Set(codes.map((code) => code.value)).size, codes.length);
      assert.ok(codes.length > 1 && codes.every((code) => code.expiresAtMs - code.issuedAtMs === 60));
      assert.deepEqual(
        events.slice(codes.length).map((event) => event.type === "closed" && event.cause),
        ["pairing_timeout"],
      );
    });

    it("pairs by a scanned code, stores the login before it reports that, and logs in with it", async () => {
      const phone = fixture.phone();
      const session = newSession();
      const engine = session.open();
      await phone.scan((await engine.until("qr")).value);
      const paired = await engine.until("paired");
      assert.equal(paired.me.id, `${phone.number}@c.us`);
      assert.ok(session.credentials.writes.length > 0);
      await engine.engine.close();

      const next = session.open();
      const opened = await next.until("opened");
      assert.equal(opened.me.id, `${phone.number}@c.us`);
      assert.deepEqual(
        next.seen.map((event) => event.type),
        ["opened"],
      );
      assert.equal(phone.devices.length, 1);
    });

    it("pairs by a later code than the first", async () => {
      const phone = fixture.phone();
      const session = newSession(fixture.factory({ qrLifeMs: 1000 }));
      const engine = session.open();
      await engine.until("qr");
      const second = await engine.until("qr");
      assert.equal(second.serial, 2);
      await phone.scan(second.value);
      await engine.until("paired");
    });

    it("has exactly the abilities that its factory names", async () => {
      const factory = fixture.factory();
      const { engine } = newSession(factory).open();
      const abilities = (["messageFiles", "pairingCodes", "screenshots", "sending"] as const).filter(
        (ability) => engine[ability] !== undefined,
      );
      assert.deepEqual(abilities, [...factory.abilities].sort());
      await engine.close();
    });

    it("pairs by a pairing code", async () => {
      const phone = fixture.phone();
      const engine = await newSession().openLoggedIn(async (engine) => {
        const code = await engine.requestCode(phone.number);
        assert.match(code, /^[A-Z0-9]{8}$/);
        await phone.enterCode(code);
      });
      assert.equal(phone.devices.length, 1);
      await engine.engine.close();
    });

    it("survives a wrong pairing code: the right one and the QR codes stay valid", async () => {
      const [typing, scanning] = [fixture.phone(), fixture.phone()];
      for (const phone of [typing, scanning]) {
        const engine = newSession().open();
        const qr = await engine.until("qr");
        const code = await engine.requestCode(phone.number);
        await assert.rejects(phone.enterCode(fixture.wrongCode));
        await (phone === typing ? phone.enterCode(code) : phone.scan(qr.value));
        await engine.until("paired");
        await engine.engine.close();
      }
    });

    it("refuses a pairing code before the first QR and if WhatsApp does, and can still be paired", async () => {
      const phone = fixture.phone();
      const session = newSession();
      const engine = session.open();
      await assert.rejects(engine.requestCode(phone.number), PairingCodeRefused);
      const qr = await engine.until("qr");
      fixture.refusePairingCodes(true);
      await assert.rejects(engine.requestCode(phone.number), PairingCodeRefused);
      fixture.refusePairingCodes(false);
      await engine.engine.close();

      const next = session.open();
      const again = await next.until("qr");
      assert.notEqual(again.value, qr.value);
      await phone.scan(again.value);
      await next.until("paired");
    });

    it("reports messages of others and of the account, with chat ids and text", async () => {
      const [phone, bob] = [fixture.phone(), fixture.phone()];
      const engine = await newSession().openLoggedIn(scannedBy(phone));
      const receivedId = await bob.sendTextTo(phone.number, "hello");
      const { message: received } = await engine.until("message");
      const [mine, bobs] = [`${phone.number}@c.us`, `${bob.number}@c.us`];
      assert.equal(received.id, `false_${bobs}_${receivedId}`);
      assert.deepEqual(
        [received.from, received.to, received.fromMe, received.body, received.hasMedia],
        [bobs, mine, false, "hello", false],
      );
      assert.ok(Math.abs(received.timestamp - Date.now() / 1000) < 3600);
      assert.ok(received.data);

      const sentId = await phone.sendTextTo(bob.number, "hello yourself");
      const { message: sent } = await engine.until("message");
      assert.equal(sent.id, `true_${bobs}_${sentId}`);
      assert.deepEqual([sent.from, sent.to, sent.fromMe, sent.body], [mine, bobs, true, "hello yourself"]);
    });

    it("reports messages that came while it was closed", async () => {
      const [phone, bob] = [fixture.phone(), fixture.phone()];
      const session = newSession();
      const engine = await session.openLoggedIn(scannedBy(phone));
      await engine.engine.close();
      await bob.sendTextTo(phone.number, "are you there?");
      const next = session.open();
      assert.equal((await next.until("message")).message.body, "are you there?");
    });

    it("closes as logged out when the phone unlinks it, and again when reopened", async () => {
      const phone = fixture.phone();
      const session = newSession();
      const engine = await session.openLoggedIn(scannedBy(phone));
      await phone.unlink();
      assert.equal((await engine.until("closed")).cause, "logged_out");
      assert.equal((await session.open().until("closed")).cause, "logged_out");
    });

    it("logs out: the phone no longer lists it", async () => {
      const phone = fixture.phone();
      const engine = await newSession().openLoggedIn(scannedBy(phone));
      assert.equal(await engine.engine.logout(), "unlinked");
      assert.equal(phone.devices.length, 0);
      assert.deepEqual(
        (await engine.rest()).flatMap((event) => (event.type === "closed" ? event.cause : [])),
        ["logged_out"],
      );
    });

    it("logs out as not linked when no phone has linked a device", async () => {
      const session = newSession();
      const engine = session.open();
      await engine.until("qr");
      assert.equal(await fixture.factory().hasLogin(session.credentials), false);
      assert.equal(await engine.engine.logout(), "not_linked");
      assert.equal((await engine.rest()).length, 1);
    });

    it("logs out at once when it is opened only for that", async () => {
      const phone = fixture.phone();
      const session = newSession();
      const working = await session.openLoggedIn(scannedBy(phone));
      await working.engine.close();
      assert.equal(await fixture.factory().hasLogin(session.credentials), true);
      assert.equal(await session.open().engine.logout(), "unlinked");
      assert.equal(phone.devices.length, 0);
    });

    it("logs out as unlinked when WhatsApp no longer knows the device", async () => {
      const phone = fixture.phone();
      const session = newSession();
      const working = await session.openLoggedIn(scannedBy(phone));
      await working.engine.close();
      await phone.unlink();
      assert.equal(await session.open().engine.logout(), "unlinked");
    });

    for (const afterMs of [0, 20, 50, 100, 150]) {
      it(`logs out ${afterMs} ms after the scan, by a second engine if WhatsApp asks for one`, async () => {
        const phone = fixture.phone();
        const session = newSession();
        const engine = session.open();
        const { value } = await engine.until("qr");
        const scanned = phone.scan(value).catch(() => {});
        await delay(afterMs);
        let result = await engine.engine.logout();
        if (result === "again") result = await session.open().engine.logout();
        await scanned;
        assert.equal(phone.devices.length, 0);
        assert.ok(result === "unlinked" || result === "not_linked", result);
      });
    }

    it("logs out as unknown when WhatsApp cannot be reached, and leaves the login in place", async () => {
      const phone = fixture.phone();
      const session = newSession();
      const working = await session.openLoggedIn(scannedBy(phone));
      await working.engine.close();
      const cutOff = session.open(fixture.unreachableFactory());
      assert.equal(await cutOff.engine.logout(), "unknown");
      assert.equal(await fixture.factory().hasLogin(session.credentials), true);
    });

    it("closes once, whenever it is asked to, and writes nothing afterwards", async () => {
      const phone = fixture.phone();
      const session = newSession();
      const atOnce = session.open();
      await Promise.all([atOnce.engine.close(), atOnce.engine.close()]);
      const waiting = session.open();
      await waiting.until("qr");
      await waiting.engine.close();
      const working = await session.openLoggedIn(scannedBy(phone));
      await working.engine.close();
      const { length } = session.credentials.writes;
      for (const engine of [atOnce, waiting, working]) {
        assert.deepEqual((await engine.rest()).filter((event) => event.type === "closed").length, 1);
        await engine.engine.close();
        assert.equal(await engine.next(), undefined);
      }
      await fixture.phone().sendTextTo(phone.number, "too late");
      assert.equal(session.credentials.writes.length, length);
    });

    it("closes as unreachable, without an exception, when WhatsApp is unreachable", async () => {
      const closed = await newSession(fixture.unreachableFactory()).open().until("closed");
      assert.equal(closed.cause, "unreachable");
    });

    it("closes when its credentials cannot be read, and leaves them unchanged", async () => {
      const session = newSession();
      session.credentials.failReads = { keys: /./, error: new Error("disk on fire") };
      const closed = await session.open().until("closed");
      assert.equal(closed.cause, "credentials_unreadable");
      assert.equal(session.credentials.writes.length, 0);
    });

    it("closes when its credentials cannot be written", async () => {
      const phone = fixture.phone();
      const session = newSession();
      const engine = session.open();
      const { value } = await engine.until("qr");
      session.credentials.failWrites = new Error("disk full");
      await phone.scan(value).catch(() => {});
      const rest = await engine.rest();
      assert.deepEqual(
        rest.map((event) => event.type === "closed" && event.cause),
        ["engine_crashed"],
      );
    });

    it("closes without an error when a newer engine has its data", async () => {
      const session = newSession();
      const engine = session.open();
      session.credentials.end();
      await engine.until("closed");
      assert.deepEqual(
        session.log.filter((line) => /^(warn|error)/.test(line)),
        [],
      );
    });

    it("runs beside others, each with its own account", async () => {
      const phones = [fixture.phone(), fixture.phone()];
      const engines = await Promise.all(phones.map((phone) => newSession().openLoggedIn(scannedBy(phone))));
      await Promise.all(
        phones.map((phone, i) => phone.sendTextTo(phones[1 - i]?.number ?? "", `from ${phone.number}`)),
      );
      for (const [i, engine] of engines.entries()) {
        const sender = phones[1 - i]?.number;
        let { message } = await engine.until("message");
        if (message.fromMe) ({ message } = await engine.until("message"));
        assert.equal(message.body, `from ${sender}`);
      }
    });
  });
}

function lastQr({ seen }: OpenEngine): string {
  const qr = seen.findLast((event) => event.type === "qr");
  if (!qr) throw new Error("no code was shown");
  return qr.value;
}
