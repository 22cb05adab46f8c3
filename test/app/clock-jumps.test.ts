import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Session_StatusReason as Reason, Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { sessionView } from "../../src/api/session-view.ts";
import { ConnectGate } from "../../src/app/connect-gate.ts";
import type { CloseCause } from "../../src/domain/session.ts";
import { jumps } from "../support/clock-jumps.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { me, openHarness, settle } from "./harness.ts";

type Harness = ReturnType<typeof openHarness>;

const minuteMs = 60_000;

async function opened({ engine }: Harness): Promise<void> {
  engine().report({ type: "opened", me });
  await settle();
}

async function working(harness: Harness): Promise<void> {
  await harness.start();
  await settle();
  await opened(harness);
}

async function close({ engine }: Harness, cause: CloseCause, untilMs?: number): Promise<void> {
  engine().report({ type: "closed", cause, message: "lost", ...(untilMs !== undefined && { untilMs }) });
  await settle();
}

async function advance({ clock }: Harness, ms: number): Promise<void> {
  clock.advance(ms);
  await settle();
}

const session = async ({ manager, clock }: Harness) =>
  sessionView(await manager.get("alice"), { showSecrets: false, hasProxyPool: false, clock });

/** Returns the wait that callers see, by the wall clock. */
async function shownWaitMs(harness: Harness): Promise<number> {
  const { nextAttemptAt } = await session(harness);
  return nextAttemptAt ? timestampMs(nextAttemptAt) - harness.clock.wallMs() : Number.NaN;
}

/** Asserts that the session waits between `minMs` and `maxMs`, shows it, and then opens a new engine. */
async function assertWaits(harness: Harness, minMs: number, maxMs: number): Promise<void> {
  const before = harness.engines.length;
  const shownMs = await shownWaitMs(harness);
  assert.ok(shownMs >= minMs && shownMs <= maxMs, `shown to wait ${shownMs} ms`);
  await advance(harness, minMs - 1);
  assert.equal(harness.engines.length, before, "it comes early");
  await advance(harness, maxMs - minMs + 1);
  assert.equal(harness.engines.length, before + 1, "it comes late");
}

for (const [name, jumpMs] of jumps) {
  const jumped = ({ clock }: Harness) => clock.jumpWall(jumpMs);

  describe(`sessions when the clock is set ${name}`, () => {
    it("are started at once, though others have just connected", async (t) => {
      const clock = new FakeClock();
      const harness = openHarness(t, { gate: new ConnectGate(clock) }, clock);
      await harness.start("bob");
      await settle();
      jumped(harness);
      await harness.start();
      await advance(harness, 50);
      assert.deepEqual(
        harness.engines.map((engine) => engine.session),
        ["bob", "alice"],
      );
    });

    it("are restarted at once", async (t) => {
      const clock = new FakeClock();
      const harness = openHarness(t, { gate: new ConnectGate(clock) }, clock);
      await working(harness);
      await advance(harness, 100);
      jumped(harness);
      await harness.manager.restart("alice");
      await advance(harness, 100);
      assert.equal(harness.engines.length, 2);
      assert.equal(harness.engine().closed, false);
    });

    it("keep the delay after a lost connection, whenever the clock is set", async (t) => {
      const harness = openHarness(t);
      await working(harness);
      await close(harness, "unreachable");
      jumped(harness);
      await assertWaits(harness, 900, 1_100);
      jumped(harness);
      await close(harness, "unreachable");
      await assertWaits(harness, 900, 1_100);
    });

    it("keep the delay after a replaced connection, and fail the second time within an hour", async (t) => {
      const harness = openHarness(t);
      await working(harness);
      await close(harness, "replaced");
      jumped(harness);
      await assertWaits(harness, 30_000, 30_000);
      await opened(harness);
      await advance(harness, 50 * minuteMs);
      await close(harness, "replaced");
      assert.equal((await session(harness)).status, Status.FAILED);
    });

    it("count a second restart_required within an hour as a failure, later ones not", async (t) => {
      const harness = openHarness(t);
      await working(harness);
      await close(harness, "restart_required");
      assert.equal(harness.engines.length, 2);
      await opened(harness);
      jumped(harness);
      await advance(harness, 50 * minuteMs);
      await close(harness, "restart_required");
      await assertWaits(harness, 900, 1_100);
      await opened(harness);
      await advance(harness, 61 * minuteMs);
      jumped(harness);
      await close(harness, "restart_required");
      assert.equal(harness.engines.length, 4);
    });

    it("count consecutive failures until a connection has lasted ten minutes", async (t) => {
      const harness = openHarness(t);
      const attemptAfter = async (ms: number) => {
        await opened(harness);
        jumped(harness);
        await advance(harness, ms);
        await close(harness, "unreachable");
        return (await session(harness)).attempt;
      };
      await harness.start();
      await settle();
      assert.equal(await attemptAfter(9 * minuteMs), 1);
      await advance(harness, 1_100);
      assert.equal(await attemptAfter(9 * minuteMs), 2);
      await advance(harness, 1_100);
      assert.equal(await attemptAfter(10 * minuteMs), 1);
    });

    it("give a silent engine five minutes", async (t) => {
      const harness = openHarness(t);
      await harness.start();
      jumped(harness);
      await advance(harness, 5 * minuteMs - 1);
      assert.equal((await session(harness)).attempt, 0);
      await advance(harness, 1);
      assert.equal((await session(harness)).attempt, 1);
    });

    it("offer unscanned codes for three minutes", async (t) => {
      const harness = openHarness(t);
      await harness.start();
      await settle();
      harness.engine().qr();
      await settle();
      jumped(harness);
      await advance(harness, 3 * minuteMs - 1);
      assert.equal((await session(harness)).status, Status.SCAN_QR_CODE);
      await advance(harness, 1);
      assert.equal((await session(harness)).statusReason, Reason.PAIRING_TIMEOUT);
    });

    it("wait for the end of a temporary ban, also in a new process", async (t) => {
      const harness = openHarness(t);
      await working(harness);
      await close(harness, "temp_banned", harness.clock.nowMs() + 60 * minuteMs);
      jumped(harness);
      assert.equal(await shownWaitMs(harness), 60 * minuteMs);
      await harness.manager.close();
      const manager = harness.reopen();
      await manager.boot();
      await manager.start("alice");
      await advance(harness, 60 * minuteMs - 1);
      assert.equal(harness.engines.length, 1);
      await advance(harness, 1);
      assert.equal(harness.engines.length, 2);
    });

    it("report events in order, with wall clock times", async (t) => {
      const harness = openHarness(t);
      await working(harness);
      const beforeMs = harness.clock.wallMs();
      jumped(harness);
      await harness.manager.stop("alice");
      const events = await harness.events("alice");
      const times = events.map(({ time }) => time && timestampMs(time));
      assert.deepEqual(times, [...Array(times.length - 1).fill(beforeMs), beforeMs + jumpMs]);
      const ids = events.map(({ id }) => id);
      assert.deepEqual(ids, ids.toSorted());
      const { updatedAt } = await harness.manager.get("alice");
      assert.equal(updatedAt && timestampMs(updatedAt), beforeMs + jumpMs);
    });
  });
}
