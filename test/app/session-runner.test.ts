import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import {
  Session_EngineState as EngineState,
  Session_Health as Health,
  Session_StatusReason as Reason,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";
import { ConnectGate } from "../../src/app/connect-gate.ts";
import { engineStateOf, statusOf, wakeAtMs } from "../../src/domain/session.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { me, messageOf, openHarness, pass, settle } from "./harness.ts";

/** Opens a session that is WORKING. */
async function working(t: TestContext) {
  const it = openHarness(t);
  await it.start();
  it.engine().report({ type: "opened", me });
  await settle();
  assert.equal(statusOf(await it.manager.get("alice")), Status.WORKING);
  return it;
}

const isSettled = async (promise: Promise<unknown>) => {
  let done = false;
  promise.then(
    () => (done = true),
    () => (done = true),
  );
  await settle();
  return done;
};
const never = new Promise<never>(() => {});

describe("commands on a session", () => {
  it("stop at once if the engine closes, and within the limit if it does not", async (t) => {
    const { manager, engine, clock } = await working(t);
    assert.ok(await isSettled(manager.stop("alice")));
    await manager.start("alice");
    engine().closes = never;
    const stopped = manager.stop("alice");
    assert.equal(await isSettled(stopped), false);
    await pass(clock, 3_000);
    assert.ok(await isSettled(stopped));
    assert.equal(statusOf(await manager.get("alice")), Status.STOPPED);
  });

  it("restart and delete win over a start that hangs", async (t) => {
    const { manager, start, engines } = openHarness(t);
    await start();
    await manager.restart("alice");
    assert.equal(engines.length, 2);
    assert.ok(engines[0]?.closed, "the first is closed");
    await manager.delete("alice");
    assert.ok(engines[1]?.closed);
    await assert.rejects(manager.get("alice"), /not found/);
  });

  it("report the device's fate after a logout", async (t) => {
    const { manager, engine, clock } = await working(t);
    assert.equal((await manager.logout("alice")).outcome, "unlinked");
    assert.equal((await manager.logout("alice")).outcome, "not_linked", "nothing was paired");
    engine().report({ type: "opened", me });
    await settle();
    engine().unlinks = never;
    const loggedOut = manager.logout("alice");
    await settle();
    await pass(clock, 4_000);
    assert.equal((await loggedOut).outcome, "pending");
  });

  for (const when of ["at once", "later"])
    it(`do not wait long for a hanging logout, given ${when}`, async (t) => {
      const { manager, engine, clock } = await working(t);
      engine().unlinks = never;
      engine().closes = never;
      const startedAtMs = clock.nowMs();
      const loggedOut = manager.logout("alice");
      if (when === "later") await settle();
      const stopped = manager.stop("alice");
      while (!(await isSettled(stopped))) await pass(clock, 100, 100);
      assert.ok(clock.nowMs() - startedAtMs < 5_000, `${clock.nowMs() - startedAtMs} ms`);
      assert.equal((await loggedOut).outcome, "pending");
      assert.equal(statusOf(await manager.get("alice")), Status.STOPPED);
    });

  it("stop in time after restarts with engines that never close", async (t) => {
    const { manager, fixture, engine, engines, clock } = await working(t);
    engine().closes = never;
    fixture.onOpen = (opened) => {
      opened.closes = never;
    };
    const startedAtMs = clock.nowMs();
    const restarted = [manager.restart("alice"), manager.restart("alice"), manager.restart("alice")];
    const stopped = manager.stop("alice");
    while (!(await isSettled(stopped))) await pass(clock, 100, 100);
    assert.ok(clock.nowMs() - startedAtMs < 5_000, `${clock.nowMs() - startedAtMs} ms`);
    await Promise.all(restarted);
    assert.equal(statusOf(await manager.get("alice")), Status.STOPPED);
    assert.equal(engines.length, 4);
  });

  it("wait for a slot without delaying others, and show until when", async (t) => {
    const clock = new FakeClock();
    const gate = new ConnectGate(clock, { perSecond: 1, maxConnecting: 10 });
    const it = openHarness(t, { gate }, clock);
    await it.start("first");
    await it.start("second");
    await it.start("third");
    assert.equal(it.engines.length, 1);
    const waiting = await it.manager.get("third");
    assert.equal(statusOf(waiting), Status.STARTING);
    assert.equal(engineStateOf(waiting), EngineState.BACKING_OFF);
    assert.equal(wakeAtMs(waiting), clock.nowMs() + 2_000);
    assert.ok(await isSettled(it.manager.stop("third")));
    await pass(clock, 5_000);
    assert.deepEqual(
      it.engines.map(({ session }) => session),
      ["first", "second"],
    );
  });

  it("are written once if they have to wait for a slot, with the status", async (t) => {
    const clock = new FakeClock();
    const it = openHarness(t, { gate: new ConnectGate(clock, { perSecond: 1, maxConnecting: 10 }) }, clock);
    await it.start("first");
    const commit = t.mock.method(it.backend.sessions, "commit");
    await it.start("second");
    assert.equal(commit.mock.callCount(), 1);
    const [event] = await it.events("second");
    const status = event?.payload.case === "sessionStatus" ? event.payload.value.status : undefined;
    assert.equal(status, Status.STARTING);
    assert.equal(engineStateOf(await it.manager.get("second")), EngineState.BACKING_OFF);
  });

  it("leave their slot to others if they cannot be written", async (t) => {
    const clock = new FakeClock();
    const it = openHarness(t, { gate: new ConnectGate(clock, { perSecond: 1_000, maxConnecting: 1 }) }, clock);
    const commit = t.mock.method(it.backend.sessions, "commit");
    commit.mock.mockImplementationOnce(() => Promise.reject(new Error("the disk is full")));
    await assert.rejects(async () => it.start("first"), /disk is full/);
    await pass(clock, 10, 1);
    await it.start("second");
    await pass(clock, 10, 1);
    assert.deepEqual(
      it.engines.map(({ session }) => session),
      ["second"],
    );
  });

  it("retry later after an engine that cannot be opened", async (t) => {
    const { fixture, start, manager, clock, engines } = openHarness(t);
    fixture.onOpen = () => {
      throw new Error("no memory");
    };
    await start();
    const record = await manager.get("alice");
    assert.equal(record.reason, Reason.ENGINE_CRASHED);
    fixture.onOpen = () => {};
    await pass(clock, 2_000);
    assert.equal(engines.length, 1);
  });
});

describe("an engine's reports", () => {
  it("are read one at a time, and never after the engine was given up", async (t) => {
    const { manager, engines, engine } = await working(t);
    const before = engine().asked;
    engine().report({ type: "message", message: messageOf("a") }, { type: "message", message: messageOf("b") });
    await settle();
    assert.equal(engine().asked, before + 2);
    const closing = Promise.withResolvers<void>();
    engine().closes = closing.promise;
    const stopping = manager.stop("alice");
    engine().report({ type: "message", message: messageOf("c") }, { type: "message", message: messageOf("d") });
    await settle();
    closing.resolve();
    await stopping;
    assert.ok((engines[0]?.asked ?? 0) <= before + 3, "nothing says that what came too late was committed");
  });

  it("yield each message once, also if WhatsApp sends it again", async (t) => {
    const { engine, events, reopen } = await working(t);
    const message = (id: string) => ({ type: "message", message: messageOf(id) }) as const;
    engine().report(message("a"), message("a"), message("b"), message("a"));
    await settle();
    const ids = async () =>
      (await events("alice")).flatMap(({ name, payload }) =>
        name === "message" && payload.case === "message" ? [payload.value.id] : [],
      );
    assert.deepEqual(await ids(), ["a", "b"]);
    await reopen().boot();
    engine().report({ type: "opened", me }, message("b"), message("c"));
    await settle();
    assert.deepEqual(await ids(), ["a", "b", "c"]);
  });

  it("tell the next engine the time up to which messages are known", async (t) => {
    const { manager, engine, clock } = await working(t);
    const openedAtMs = clock.nowMs();
    assert.equal(engine().reportedUntilMs, undefined, "before the first login");
    await manager.restart("alice");
    assert.equal(engine().reportedUntilMs, openedAtMs);
    engine().report({ type: "opened", me });
    for (const seconds of [1_700_000_002, 1_700_000_001]) {
      engine().report({ type: "message", message: messageOf(String(seconds), seconds) });
    }
    await settle();
    await manager.restart("alice");
    assert.equal(engine().reportedUntilMs, 1_700_000_002_000);
    engine().qr();
    engine().report({ type: "paired", me });
    await settle();
    await manager.restart("alice");
    assert.equal(engine().reportedUntilMs, clock.nowMs(), "another login has another history");
  });

  for (const first of ["paired", "opened"] as const) {
    it(`miss no message if engines die before they report one, after ${first}`, async (t) => {
      const { start, manager, engine, clock } = openHarness(t);
      await start();
      const firstAtMs = clock.nowMs();
      engine().report({ type: first, me });
      await settle();
      for (let died = 0; died < 3; died++) {
        clock.advance(5_000);
        engine().report({ type: "opened", me });
        await settle();
        clock.advance(5_000);
        await manager.crashed("alice");
        await manager.restart("alice");
        assert.equal(engine().reportedUntilMs, firstAtMs);
      }
    });
  }

  it("tell when the connection stops answering, and when it answers again", async (t) => {
    const { manager, engine, events } = await working(t);
    engine().report({ type: "health", healthy: false });
    await settle();
    const suspect = await manager.get("alice");
    assert.equal(suspect.health, Health.SUSPECT);
    assert.equal(statusOf(suspect), Status.WORKING);
    engine().report({ type: "health", healthy: true });
    await settle();
    const told = (await events("alice")).flatMap(({ payload }) =>
      payload.case === "sessionHealth" ? [payload.value] : [],
    );
    assert.deepEqual(
      told.map(({ health }) => health),
      [Health.SUSPECT, Health.HEALTHY],
    );
    assert.equal(told[0]?.lastInboundAt?.seconds, 1n);
  });

  it("end by themselves if an engine stays silent from its start", async (t) => {
    const { start, manager, clock, engine } = openHarness(t);
    await start();
    const deadlineMs = wakeAtMs(await manager.get("alice")) ?? Number.NaN;
    await pass(clock, deadlineMs - clock.nowMs(), 60_000);
    const record = await manager.get("alice");
    assert.equal(record.reason, Reason.UNREACHABLE);
    assert.equal(engineStateOf(record), EngineState.BACKING_OFF);
    assert.ok(engine().closed);
  });
});

describe("an engine whose library throws an uncaught error", () => {
  it("is closed and replaced, and the time of its last report is logged", async (t) => {
    const { manager, engines, clock } = await working(t);
    assert.deepEqual([...(await manager.lastInbound())], [["alice", 1_000]]);
    await manager.crashed("alice");
    await manager.crashed("nobody");
    assert.ok(engines[0]?.closed);
    const record = await manager.get("alice");
    assert.equal(record.reason, Reason.ENGINE_CRASHED);
    assert.equal(engineStateOf(record), EngineState.BACKING_OFF);
    assert.deepEqual([...(await manager.lastInbound())], []);
    await pass(clock, 2_000);
    assert.equal(engines.length, 2);
  });
});

describe("a restored login", () => {
  it("is used by a new engine after the former one is closed", async (t) => {
    const { manager, engines, fixture } = await working(t);
    fixture.restore = async (credentials) => {
      assert.ok(engines[0]?.closed);
      await credentials.write(new Map([["creds", Buffer.from("former")]]));
      return true;
    };
    assert.equal(statusOf(await manager.restoreCredentials("alice")), Status.STARTING);
    assert.equal(engines.length, 2);
  });

  it("brings back a session that was logged out by mistake", async (t) => {
    const { manager, engine, engines, fixture } = await working(t);
    engine().report({ type: "closed", cause: "logged_out", message: "unlinked" });
    await settle();
    assert.equal(statusOf(await manager.get("alice")), Status.FAILED);
    fixture.restore = async () => true;
    const record = await manager.restoreCredentials("alice");
    assert.equal(record.credentialsDead, false);
    assert.equal(engines.length, 2);
  });

  it("is refused if none is stored, and the session continues", async (t) => {
    const { manager, engines } = await working(t);
    await assert.rejects(manager.restoreCredentials("alice"), /No former login/);
    assert.equal(engines.length, 2);
    assert.equal(statusOf(await manager.get("alice")), Status.STARTING);
    await manager.stop("alice");
    await assert.rejects(manager.restoreCredentials("alice"), /No former login/);
    assert.equal(statusOf(await manager.get("alice")), Status.STOPPED);
  });
});
