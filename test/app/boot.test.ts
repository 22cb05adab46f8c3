import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { ConnectGate } from "../../src/app/connect-gate.ts";
import { statusOf } from "../../src/domain/session.ts";
import type { UnlinkResult } from "../../src/ports/engine.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { me, openHarness, pass, settle } from "./harness.ts";

const summaryOf = (log: readonly string[]) => {
  const line = log.find((text) => text.includes("sessions restored"));
  return line && { level: line.split(" ")[0], ...JSON.parse(line.slice(line.indexOf("{"))) };
};

describe("a starting server", () => {
  it("restores 1000 sessions within a minute, though 50 fail and 50 hang, and reports it", async (t) => {
    const clock = new FakeClock();
    const it = openHarness(t, { gate: new ConnectGate(clock) }, clock);
    await it.manager.close();
    const seeding = it.reopen();
    for (let i = 0; i < 1_000; i++) await seeding.create({ name: `s${i}`, engine: 0, config: undefined, start: true });
    await seeding.close();
    // All of them were admitted once.
    clock.advance(60_000);
    it.engines.length = 0;
    it.log.length = 0;

    it.fixture.onOpen = (engine) => {
      const number = Number(engine.session.slice(1));
      if (number < 50) engine.report({ type: "closed", cause: "rejected", message: "WhatsApp rejects the client" });
      else if (number >= 100) clock.schedule(300, () => engine.report({ type: "opened", me }));
    };
    const manager = it.reopen();
    await manager.boot();
    await pass(clock, 60_000, 50);
    const counts = new Map<Status, number>();
    for (const record of (await it.backend.sessions.list()).records) {
      counts.set(statusOf(record), (counts.get(statusOf(record)) ?? 0) + 1);
    }
    assert.deepEqual(Object.fromEntries(counts), { [Status.WORKING]: 900, [Status.FAILED]: 50, [Status.STARTING]: 50 });
    assert.equal(summaryOf(it.log), undefined, "it waits for those that hang");
    await pass(clock, 400_000, 10_000);
    const { level, restored, failed, waiting, reasons } = summaryOf(it.log);
    assert.deepEqual({ level, restored, failed, waiting }, { level: "warn", restored: 900, failed: 50, waiting: 50 });
    assert.equal(reasons.s0, "WhatsApp rejects the client");
    assert.equal(Object.keys(reasons).length, 20);
  });

  it("writes a session that waits for its turn no more often than one that waits briefly", async (t) => {
    const clock = new FakeClock();
    const it = openHarness(t, { gate: new ConnectGate(clock, { perSecond: 10_000, maxConnecting: 1 }) }, clock);
    await it.start("first");
    await it.start("second");
    await settle();
    const { sessions } = it.backend;
    const { commit } = sessions;
    let commits = 0;
    t.mock.method(sessions, "commit", (...args: Parameters<typeof commit>) => {
      commits += 1;
      return commit.apply(sessions, args);
    });
    await pass(clock, 1_000, 10);
    assert.equal(commits, 0, "it has asked a hundred times in vain");
    assert.equal(it.engines.length, 1);
    it.engine().report({ type: "opened", me });
    await pass(clock, 100, 10);
    assert.equal(it.engine().session, "second");
  });

  it("opens no engine on a node that freezes while a session takes its turn", async (t) => {
    const clock = new FakeClock();
    const standing = { isFrozen: false };
    const gate = new ConnectGate(clock, { perSecond: 10_000, maxConnecting: 1 }, standing);
    const it = openHarness(t, { gate }, clock);
    for (const name of ["first", "second"]) await it.start(name);
    await settle();
    it.engine().report({ type: "opened", me });
    await settle();
    const { sessions } = it.backend;
    const { commit } = sessions;
    t.mock.method(sessions, "commit", (...args: Parameters<typeof commit>) => {
      standing.isFrozen = true;
      return commit.apply(sessions, args);
    });
    await pass(clock, 5_000, 10);
    assert.equal(standing.isFrozen, true, "its turn came");
    assert.equal(it.engines.length, 1);
    standing.isFrozen = false;
    t.mock.restoreAll();
    await pass(clock, 2_000, 10);
    assert.equal(it.engine().session, "second");
  });

  it("gives back the turn of a session that is stopped while it waits", async (t) => {
    const clock = new FakeClock();
    const it = openHarness(t, { gate: new ConnectGate(clock, { perSecond: 10_000, maxConnecting: 1 }) }, clock);
    for (const name of ["first", "second", "third"]) await it.start(name);
    await settle();
    await it.manager.stop("second");
    it.engine().report({ type: "opened", me });
    await pass(clock, 100, 10);
    assert.deepEqual(
      it.engines.map(({ session }) => session),
      ["first", "third"],
    );
  });

  it("waits for the configured time before sessions connect", async (t) => {
    const clock = new FakeClock();
    const it = openHarness(t, { gate: new ConnectGate(clock), bootDelayMs: 30_000, names: ["alice"] }, clock);
    await it.manager.boot();
    await settle();
    assert.equal(it.engines.length, 0);
    assert.equal(statusOf(await it.manager.get("alice")), Status.STARTING);
    await pass(clock, 30_000, 10_000);
    assert.equal(it.engines.length, 1);
    it.engine().report({ type: "opened", me });
    await settle();
    assert.deepEqual(summaryOf(it.log), {
      level: "info",
      restored: 1,
      pairing: 0,
      stopped: 0,
      failed: 0,
      waiting: 0,
      ms: 30_000,
    });
  });

  it("logs nothing if there is nothing to restore", async (t) => {
    const it = openHarness(t);
    await it.manager.boot();
    assert.equal(summaryOf(it.log), undefined);
  });

  it("leaves sessions stopped that should not run, and starts the configured ones", async (t) => {
    const it = openHarness(t);
    for (const name of ["a", "b"]) await it.manager.create({ name, engine: 0, config: undefined, start: false });
    await it.manager.close();
    await it.reopen().boot();
    assert.equal(it.engines.length, 0);
  });

  it("completes an interrupted deletion without a log line, and frees the name", async (t) => {
    const it = openHarness(t);
    await it.start();
    await settle();
    it.engine().report({ type: "opened", me });
    await settle();
    // WhatsApp's answer to the logout never arrives, because the process ends first.
    const unlinking = Promise.withResolvers<UnlinkResult>();
    it.engine().unlinks = unlinking.promise;
    const deleting = it.manager.delete("alice").catch(() => {});
    await settle();
    it.log.length = 0;
    const next = it.reopen();
    await next.boot();
    await assert.rejects(next.get("alice"), { reason: "SESSION_NOT_FOUND" });
    assert.deepEqual(
      // The former process still runs and reports that it lost the session.
      it.log.filter((line) => /^(warn|error)/.test(line) && !line.includes("another process may run this session")),
      [],
    );
    const { record } = await next.create({ name: "alice", engine: 0, config: undefined, start: true });
    assert.equal(statusOf(record), Status.STARTING);
    unlinking.resolve("unlinked");
    await deleting;
  });

  for (const [restart, started] of [
    ["wanted", ["ran"]],
    ["all", ["ran", "rested"]],
    ["none", []],
  ] as const) {
    it(`starts ${restart} of the sessions it finds, as configured`, async (t) => {
      const it = openHarness(t, { restart });
      await it.manager.create({ name: "ran", engine: 0, config: undefined, start: true });
      await it.manager.create({ name: "rested", engine: 0, config: undefined, start: false });
      await it.manager.close();
      it.engines.length = 0;
      const manager = it.reopen();
      await manager.boot();
      assert.deepEqual(it.engines.map(({ session }) => session).sort(), started);
      const { records } = await it.backend.sessions.list();
      const running = records.filter((record) => statusOf(record) !== Status.STOPPED).map(({ name }) => name);
      assert.deepEqual(running, started);
    });
  }
});
