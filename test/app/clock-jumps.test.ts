import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Session_StatusReason as Reason, Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { sessionView } from "../../src/api/session-view.ts";
import { ConnectGate } from "../../src/app/connect-gate.ts";
import type { CloseCause } from "../../src/domain/session.ts";
import { jumps } from "../support/clock-jumps.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { me, openHouse, settle } from "./house.ts";

type House = ReturnType<typeof openHouse>;

const minuteMs = 60_000;

async function opened({ engine }: House): Promise<void> {
  engine().report({ type: "opened", me });
  await settle();
}

async function working(house: House): Promise<void> {
  await house.start();
  await settle();
  await opened(house);
}

async function close({ engine }: House, cause: CloseCause, untilMs?: number): Promise<void> {
  engine().report({ type: "closed", cause, message: "lost", ...(untilMs !== undefined && { untilMs }) });
  await settle();
}

async function advance({ clock }: House, ms: number): Promise<void> {
  clock.advance(ms);
  await settle();
}

const session = async ({ manager, clock }: House) =>
  sessionView(await manager.get("alice"), { showSecrets: false, clock });

/** How long callers are told to wait, by the wall clock. */
async function shownWaitMs(house: House): Promise<number> {
  const { nextAttemptAt } = await session(house);
  return nextAttemptAt ? timestampMs(nextAttemptAt) - house.clock.wallMs() : Number.NaN;
}

/** It waits from `minMs` to `maxMs`, is shown to, and then a new engine is opened. */
async function assertWaits(house: House, minMs: number, maxMs: number): Promise<void> {
  const before = house.engines.length;
  const shownMs = await shownWaitMs(house);
  assert.ok(shownMs >= minMs && shownMs <= maxMs, `shown to wait ${shownMs} ms`);
  await advance(house, minMs - 1);
  assert.equal(house.engines.length, before, "it comes early");
  await advance(house, maxMs - minMs + 1);
  assert.equal(house.engines.length, before + 1, "it comes late");
}

for (const [name, jumpMs] of jumps) {
  const jumped = ({ clock }: House) => clock.jumpWall(jumpMs);

  describe(`sessions when the clock is set ${name}`, () => {
    it("are started at once, though others have just connected", async (t) => {
      const clock = new FakeClock();
      const house = openHouse(t, { gate: new ConnectGate(clock) }, clock);
      await house.start("bob");
      await settle();
      jumped(house);
      await house.start();
      await advance(house, 50);
      assert.deepEqual(
        house.engines.map((engine) => engine.session),
        ["bob", "alice"],
      );
    });

    it("are restarted at once", async (t) => {
      const clock = new FakeClock();
      const house = openHouse(t, { gate: new ConnectGate(clock) }, clock);
      await working(house);
      await advance(house, 100);
      jumped(house);
      await house.manager.restart("alice");
      await advance(house, 100);
      assert.equal(house.engines.length, 2);
      assert.equal(house.engine().closed, false);
    });

    it("keep the wait of a lost connection, set during the wait or before it", async (t) => {
      const house = openHouse(t);
      await working(house);
      await close(house, "unreachable");
      jumped(house);
      await assertWaits(house, 900, 1_100);
      jumped(house);
      await close(house, "unreachable");
      await assertWaits(house, 900, 1_100);
    });

    it("keep the wait after another connection took over, and fail the second time within an hour", async (t) => {
      const house = openHouse(t);
      await working(house);
      await close(house, "replaced");
      jumped(house);
      await assertWaits(house, 30_000, 30_000);
      await opened(house);
      await advance(house, 50 * minuteMs);
      await close(house, "replaced");
      assert.equal((await session(house)).status, Status.FAILED);
    });

    it("take a second request to reconnect within an hour for a failure, and later ones not", async (t) => {
      const house = openHouse(t);
      await working(house);
      await close(house, "restart_required");
      assert.equal(house.engines.length, 2);
      await opened(house);
      jumped(house);
      await advance(house, 50 * minuteMs);
      await close(house, "restart_required");
      await assertWaits(house, 900, 1_100);
      await opened(house);
      await advance(house, 61 * minuteMs);
      jumped(house);
      await close(house, "restart_required");
      assert.equal(house.engines.length, 4);
    });

    it("count failures in a row until a connection has lasted ten minutes", async (t) => {
      const house = openHouse(t);
      const attemptAfter = async (ms: number) => {
        await opened(house);
        jumped(house);
        await advance(house, ms);
        await close(house, "unreachable");
        return (await session(house)).attempt;
      };
      await house.start();
      await settle();
      assert.equal(await attemptAfter(9 * minuteMs), 1);
      await advance(house, 1_100);
      assert.equal(await attemptAfter(9 * minuteMs), 2);
      await advance(house, 1_100);
      assert.equal(await attemptAfter(10 * minuteMs), 1);
    });

    it("give an engine that falls silent five minutes", async (t) => {
      const house = openHouse(t);
      await house.start();
      jumped(house);
      await advance(house, 5 * minuteMs - 1);
      assert.equal((await session(house)).attempt, 0);
      await advance(house, 1);
      assert.equal((await session(house)).attempt, 1);
    });

    it("offer codes that nobody scans for three minutes", async (t) => {
      const house = openHouse(t);
      await house.start();
      await settle();
      house.engine().qr();
      await settle();
      jumped(house);
      await advance(house, 3 * minuteMs - 1);
      assert.equal((await session(house)).status, Status.SCAN_QR_CODE);
      await advance(house, 1);
      assert.equal((await session(house)).statusReason, Reason.PAIRING_TIMEOUT);
    });

    it("wait for the end of a temporary ban, also in a new process", async (t) => {
      const house = openHouse(t);
      await working(house);
      await close(house, "temp_banned", house.clock.nowMs() + 60 * minuteMs);
      jumped(house);
      assert.equal(await shownWaitMs(house), 60 * minuteMs);
      await house.manager.close();
      const manager = house.reopen();
      await manager.boot();
      await manager.start("alice");
      await advance(house, 60 * minuteMs - 1);
      assert.equal(house.engines.length, 1);
      await advance(house, 1);
      assert.equal(house.engines.length, 2);
    });

    it("tell events in their order, with the time that people read", async (t) => {
      const house = openHouse(t);
      await working(house);
      const beforeMs = house.clock.wallMs();
      jumped(house);
      await house.manager.stop("alice");
      const events = await house.events("alice");
      const times = events.map(({ time }) => time && timestampMs(time));
      assert.deepEqual(times, [...Array(times.length - 1).fill(beforeMs), beforeMs + jumpMs]);
      const ids = events.map(({ id }) => id);
      assert.deepEqual(ids, ids.toSorted());
      const { updatedAt } = await house.manager.get("alice");
      assert.equal(updatedAt && timestampMs(updatedAt), beforeMs + jumpMs);
    });
  });
}
