import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type { CloseCause } from "../../../src/domain/session.ts";
import type { OpenEngine } from "../../contract/engine-session.ts";
import type { PageAnswer } from "../../emulator/wwebjs/whatsapp-web.ts";
import { WebjsFixture, type WebjsSession } from "./webjs-fixture.ts";

/** Answers instead of WhatsApp Web, and the close causes and messages of the engine. */
const answers: [PageAnswer, CloseCause, RegExp][] = [
  [503, "unreachable", /503/],
  [429, "rate_limited", /429/],
  ["reset", "unreachable", /ERR_EMPTY_RESPONSE/],
  ["silence", "unreachable", /in time/],
  ["stall", "unreachable", /in time/],
  ["wrong page", "unreachable", /not the WhatsApp Web/],
];

/** States that a logged-in page enters, and the close causes of the engine. */
const states: [string, CloseCause][] = [
  ["CONFLICT", "replaced"],
  ["DEPRECATED_VERSION", "client_outdated"],
  ["TOS_BLOCK", "banned"],
  ["SMB_TOS_BLOCK", "banned"],
  ["PROXYBLOCK", "rejected"],
  ["UNLAUNCHED", "bad_session"],
  ["UNPAIRED", "logged_out"],
];

describe("a WEBJS engine in trouble", () => {
  let fixture: WebjsFixture;
  /** A session that is paired once, for all tests that need a login. */
  let shared: WebjsSession;

  /** Waits until the page has confirmed all messages. Others are sent to the next page again. */
  const untilConfirmed = () =>
    fixture.whatsapp.until(() => shared.phone.devices.every(({ waiting }) => waiting.size === 0));

  const causeOf = async (engine: OpenEngine) => (await engine.until("closed")).cause;

  before(async () => {
    fixture = await WebjsFixture.start();
    shared = fixture.session();
    await (await shared.working()).engine.close();
  });
  beforeEach(() => {
    fixture.whatsapp.pageAnswer = "page";
    fixture.whatsapp.refusesSockets = false;
    fixture.whatsapp.earlySync = false;
    fixture.whatsapp.syncsTwice = false;
  });
  after(() => fixture.close());

  for (const [answer, cause, message] of answers) {
    it(`closes and leaves nothing when web.whatsapp.com answers with ${answer}`, async () => {
      fixture.whatsapp.pageAnswer = answer;
      const session = fixture.session({ pageTimeoutMs: 1_500 });
      const closed = await session.open().until("closed");
      assert.equal(closed.cause, cause);
      assert.match(closed.message, message);
      assert.deepEqual(await session.processes(), []);
    });
  }

  it("closes for the same reasons with a login, which stays", async () => {
    for (const [answer, cause] of answers) {
      fixture.whatsapp.pageAnswer = answer;
      assert.equal(await causeOf(shared.openWith({ pageTimeoutMs: 1_500 })), cause, String(answer));
    }
    fixture.whatsapp.pageAnswer = "page";
    const engine = shared.open();
    await engine.until("opened");
    assert.equal(engine.seen.length, 1);
    await engine.engine.close();
  });

  it("closes when the page does not connect in time", async () => {
    fixture.whatsapp.refusesSockets = true;
    const closed = await fixture.session({ pageTimeoutMs: 1_000 }).open().until("closed");
    assert.equal(closed.cause, "unreachable");
    assert.match(closed.message, /did not connect in time/);
  });

  it("closes when the login is not through in time", async () => {
    fixture.whatsapp.pageAnswer = "page";
    const session = fixture.session({ loginTimeoutMs: 1 });
    const engine = session.open();
    const { value } = await engine.until("qr");
    await session.phone.scan(value).catch(() => {});
    const closed = await engine.until("closed");
    assert.equal(closed.cause, "unreachable");
    assert.match(closed.message, /did not finish the login in time/);
  });

  it("closes at any moment of its start, with nothing left", async () => {
    const session = fixture.session();
    for (const event of ["GET /", "GET /app.js", "GET /early"]) {
      const seen = fixture.whatsapp.requests.length;
      const engine = session.open();
      await fixture.whatsapp.until(() => fixture.whatsapp.requests.slice(seen).includes(event));
      await engine.engine.close();
      assert.deepEqual(
        (await engine.rest()).map((last) => last.type),
        ["closed"],
      );
      assert.deepEqual(await session.processes(), []);
    }
    for (let turns = 0; turns < 200; turns += 25) {
      const engine = session.open();
      for (let i = 0; i < turns; i += 1) await new Promise(setImmediate);
      await engine.engine.close();
      assert.deepEqual(await session.processes(), []);
    }
  });

  it("opens although the synchronisation had ended before the library listened", async () => {
    fixture.whatsapp.earlySync = true;
    await fixture.whatsapp.phone().sendTextTo(shared.phone, "early");
    const engine = shared.open();
    await engine.until("opened");
    assert.equal((await engine.until("message")).message.body, "early");
    await untilConfirmed();
    await engine.engine.close();
  });

  it("reports a message that comes as soon as it is open, although the page synchronises twice", async () => {
    // A session of its own: the next page of one may report the message again.
    const session = fixture.session();
    await (await session.working()).engine.close();
    fixture.whatsapp.syncsTwice = true;
    const engine = session.open();
    await engine.until("opened");
    await fixture.whatsapp.phone().sendTextTo(session.phone, "at once");
    assert.equal((await engine.until("message")).message.body, "at once");
    await engine.engine.close();
  });

  it("opens once and reports each message once, whatever the page goes through", async () => {
    const engine = shared.open();
    await engine.until("opened");
    const bob = fixture.whatsapp.phone();
    for (const type of ["sync_again", "push_state", "frame", "reload"] as const) {
      const { page } = shared.phone;
      page.command({ type });
      if (type === "reload") await fixture.whatsapp.until(() => !fixture.whatsapp.pages.includes(page));
      await fixture.whatsapp.until(() => shared.phone.devices.some((device) => device.page));
      await bob.sendTextTo(shared.phone, type);
      assert.equal((await engine.until("message")).message.body, type);
    }
    await bob.sendTextTo(shared.phone, "last");
    await engine.until("message");
    const types = engine.seen.map((event) => event.type).filter((type) => type !== "health");
    assert.deepEqual(types, ["opened", "message", "message", "message", "message", "message"]);
    await engine.engine.close();
  });

  it("reports messages that a killed page had confirmed but not reported, and no others", async () => {
    const bob = fixture.whatsapp.phone();
    const killed = shared.open();
    await killed.until("opened");
    for (const text of ["told", "told too", "not told"]) {
      await bob.sendTextTo(shared.phone, text);
      await untilConfirmed();
    }
    await killed.until("message");
    const last = await killed.until("message");
    await killed.engine.close();
    shared.reportedUntilMs = last.message.timestamp * 1_000 + 60_000;
    const after = shared.open();
    await after.until("opened");
    await bob.sendTextTo(shared.phone, "new");
    assert.equal((await after.until("message")).message.body, "new", "what was told before is history");
    await after.engine.close();
    shared.reportedUntilMs = last.message.timestamp * 1_000;
    const next = shared.open();
    await next.until("opened");
    const missed = new Set(["not told", "new"]);
    while (missed.size > 0) missed.delete((await next.until("message")).message.body);
    await next.engine.close();
    shared.reportedUntilMs = undefined;
  });

  it("closes, and nothing else, when the page becomes another one", async () => {
    const engine = shared.openWith({ pageTimeoutMs: 1_500 });
    await engine.until("opened");
    shared.phone.page.command({ type: "turn_wrong" });
    assert.equal(await causeOf(engine), "unreachable");
  });

  it("gets over a lost connection, and closes when it does not come back in time", async () => {
    const engine = shared.openWith({ reconnectTimeoutMs: 3_000 });
    await engine.until("opened");
    fixture.whatsapp.dropLinks();
    await fixture.whatsapp.until(() => shared.phone.devices.every((device) => !device.page));
    await fixture.whatsapp.until(() => shared.phone.devices.some((device) => device.page));
    await fixture.whatsapp.phone().sendTextTo(shared.phone, "back again");
    assert.equal((await engine.until("message")).message.body, "back again");
    const health = engine.seen.flatMap((event) => (event.type === "health" ? [event.healthy] : []));
    assert.deepEqual(health, [false, true]);
    fixture.whatsapp.refusesSockets = true;
    fixture.whatsapp.dropLinks();
    const closed = await engine.until("closed");
    assert.equal(closed.cause, "unreachable");
    assert.match(closed.message, /did not get its connection back/);
  });

  it("closes when the page hangs", async () => {
    const engine = shared.openWith({ heartbeatIntervalMs: 100, answerTimeoutMs: 1_000 });
    await engine.until("opened");
    shared.phone.page.command({ type: "spin" });
    const closed = await engine.until("closed");
    assert.equal(closed.cause, "engine_crashed");
    assert.match(closed.message, /does not answer/);
    assert.deepEqual(await shared.processes(), []);
  });

  it("closes when the page runs out of memory", async () => {
    const engine = shared.openWith({
      extraArgs: [...fixture.whatsapp.chromeArgs, "--js-flags=--max-old-space-size=32"],
    });
    await engine.until("opened");
    shared.phone.page.command({ type: "eat_memory" });
    const closed = await engine.until("closed");
    assert.equal(closed.cause, "engine_crashed");
    assert.match(closed.message, /ran out of memory/);
    assert.deepEqual(await shared.processes(), []);
  });

  it("knows when WhatsApp was last heard", async () => {
    const engine = shared.open();
    await engine.until("opened");
    const before = Date.now();
    await fixture.whatsapp.phone().sendTextTo(shared.phone, "listen");
    await engine.until("message");
    assert.ok((engine.engine.lastInboundAtMs ?? 0) >= before);
    await engine.engine.close();
  });

  it("asks for more codes when the page has none left before the round is over", async () => {
    const session = fixture.session();
    const engine = session.open();
    const values: string[] = [];
    for (let serial = 1; serial <= 6; serial += 1) {
      const code = await engine.until("qr");
      assert.deepEqual([code.serial, code.remaining], [serial, 6 - serial]);
      values.push(code.value);
      session.pageOf(fixture, code.value).command({ type: "state", state: "UNPAIRED_IDLE" });
    }
    assert.equal(new Set(values).size, 6);
    assert.equal((await engine.until("closed")).cause, "pairing_timeout");
  });

  it("learns of a new push name", async () => {
    const engine = shared.openWith({ heartbeatIntervalMs: 50 });
    await engine.until("opened");
    shared.phone.page.command({ type: "push_name", name: "Alice Cooper" });
    const { me } = await engine.until("me_changed");
    assert.deepEqual([me.id, me.pushName], [shared.phone.jid, "Alice Cooper"]);
    await engine.engine.close();
  });

  for (const [state, cause] of states) {
    it(`closes as ${cause} when the page goes over to ${state}`, async () => {
      // The last one ends the login.
      const engine = shared.open();
      await engine.until("opened");
      shared.phone.page.command({ type: "state", state });
      assert.equal(await causeOf(engine), cause);
    });
  }

  for (const [state, cause] of states.slice(0, -1)) {
    it(`closes as ${cause} when a page without a login goes over to ${state}`, async () => {
      const session = fixture.session();
      const engine = session.open();
      const { value } = await engine.until("qr");
      session.pageOf(fixture, value).command({ type: "state", state });
      assert.equal(await causeOf(engine), cause);
      assert.deepEqual(await session.processes(), []);
    });
  }

  it("closes as logged out when the phone has unlinked it meanwhile, and removes the profile", async () => {
    const session = fixture.session();
    await (await session.working()).engine.close();
    await session.phone.unlink();
    const engine = session.open();
    assert.deepEqual(
      (await engine.rest()).map((event) => event.type === "closed" && event.cause),
      ["logged_out"],
    );
    assert.deepEqual(await session.profiles(), []);
  });
});
