import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Phone } from "../../emulator/phone.ts";
import { startWhatsApp, type WhatsApp } from "../../emulator/whatsapp.ts";
import { chatOf, outgoing, SendingSession, text } from "./sending-session.ts";

/** Unix time, s. */
const endsAt = Math.floor(Date.now() / 1_000) + 86_400;

describe("a NOWEB engine on an account with limits", () => {
  let whatsapp: WhatsApp;
  let alice: SendingSession;
  let bob: Phone;

  before(async () => {
    whatsapp = await startWhatsApp();
  });
  beforeEach(async () => {
    await alice?.close();
    whatsapp.answerTo = () => ({});
    alice = await SendingSession.open(whatsapp);
    bob = whatsapp.phone();
  });
  after(async () => {
    await alice?.close();
    await whatsapp.close();
    assert.deepEqual(whatsapp.faults, []);
  });

  const limits = () => alice.sending.limits ?? assert.fail("the engine knows no limits");
  /** Returns the next report of a lock, or of none. */
  const reported = async (isActive: boolean) => {
    for (;;) {
      const { me } = await alice.engine.until("me_changed");
      if (me.reachoutTimelock?.isActive === isActive) return me.reachoutTimelock;
    }
  };

  it("knows its account's number, LID and device", async () => {
    const { phone } = alice;
    const { me } = alice.engine.seen.find((event) => event.type === "opened") ?? assert.fail();
    assert.deepEqual([me.id, me.lid, me.jid], [chatOf(phone), phone.lid, phone.devices[0]?.jid]);
  });

  it("reports the lock and the quota at its login, and tells them when asked", async () => {
    alice.phone.limits.timelock = { endsAt, type: "WEB_COMPANION_ONLY" };
    alice.phone.limits.capping = {
      capping_status: "FIRST_WARNING",
      total_quota: 100,
      used_quota: 80,
      cycle_start_timestamp: "1700000000",
      cycle_end_timestamp: "1700086400",
      mv_status: "NOT_ELIGIBLE",
      ote_status: "ELIGIBLE",
    };
    await alice.restart();
    const lock = await reported(true);
    assert.equal(lock.enforcementType, "WEB_COMPANION_ONLY");
    assert.equal(lock.timeEnforcementEnds && timestampMs(lock.timeEnforcementEnds), endsAt * 1_000);
    void alice.engine.rest();
    const { totalQuota, usedQuota, cappingStatus, cycleEnd } = await limits().capping();
    assert.deepEqual([totalQuota, usedQuota, cappingStatus], [100, 80, "FIRST_WARNING"]);
    assert.equal(cycleEnd && timestampMs(cycleEnd), 1_700_086_400_000);
    assert.equal((await limits().timelock()).isActive, true);
  });

  it("reports a lock and its end when WhatsApp tells them", async () => {
    await reported(false);
    alice.phone.limits.lock(alice.phone, { endsAt, type: "DEFAULT" });
    await reported(true);
    alice.phone.limits.lock(alice.phone, undefined);
    await reported(false);
  });

  it("asks again once a lock has run out", async () => {
    await reported(false);
    alice.phone.limits.lock(alice.phone, { endsAt: Math.floor(Date.now() / 1_000) + 2, type: "DEFAULT" });
    await reported(true);
    alice.phone.limits.timelock = undefined;
    assert.deepEqual(
      [(await reported(false)).enforcementType, (await limits().timelock()).isActive],
      ["DEFAULT", false],
    );
  });

  it("asks for the lock once WhatsApp refuses a message with 463, and does not send it again", async () => {
    await reported(false);
    whatsapp.answerTo = () => ({ error: 463 });
    alice.phone.limits.timelock = { endsAt, type: "DEFAULT" };
    const message = outgoing(chatOf(bob), text("hello"));
    await alice.send(message);
    await reported(true);
    assert.equal(await limits().isNewChat(chatOf(bob)), true);
    assert.deepEqual(
      alice.phone.devices[0]?.ledger.sent.filter((id) => id === message.id),
      [message.id],
    );
  });

  it("tells strangers from people who have written, by number and LID and after a restart", async () => {
    const eve = whatsapp.phone();
    const [group, channel] = ["120363000000000001@g.us", "120363000000000001@newsletter"];
    await eve.sendTextTo(alice.phone, "hi");
    await alice.engine.until("message");
    void alice.engine.rest();
    await alice.send(outgoing(chatOf(bob), text("hello")));
    const isNew = async () =>
      Promise.all([chatOf(bob), chatOf(eve), eve.lid, group, channel].map((id) => limits().isNewChat(id)));
    assert.deepEqual(await isNew(), [true, false, false, false, false]);
    await alice.restart();
    void alice.engine.rest();
    assert.deepEqual(await isNew(), [true, false, false, false, false]);
    await bob.sendTextTo(alice.phone, "hello too");
    await whatsapp.until(() => alice.phone.devices[0]?.stored.size === 0, "the acknowledgement");
    assert.equal(await limits().isNewChat(chatOf(bob)), false);
  });
});
