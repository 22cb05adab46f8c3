import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Session_StatusReason as Reason, Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import { statusOf } from "../../../src/domain/session.ts";
import { settle } from "../../app/harness.ts";
import type { LinkedDevice } from "../../emulator/device.ts";
import type { WhatsApp } from "../../emulator/whatsapp.ts";
import { epochMs } from "../../support/fake-clock.ts";
import { type NowebHarness, openNowebHarness } from "./noweb-harness.ts";

const hourMs = 3_600_000;

interface Trouble {
  readonly what: string;
  /** From now on, for the whole hour. */
  begin(whatsapp: WhatsApp, device: LinkedDevice): void | Promise<void>;
  /** Answer to a connection that comes up in spite of it. */
  readonly again?: (whatsapp: WhatsApp, device: LinkedDevice) => void;
  readonly status: Status;
  readonly reason: Reason;
  /** How many times a connection is attempted in the hour, at least. */
  readonly atLeast: number;
}

const drop = (whatsapp: WhatsApp, device: LinkedDevice) => whatsapp.connectionOf(device).drop();
const unreachable = { status: Status.STARTING, reason: Reason.UNREACHABLE };

const troubles: readonly Trouble[] = [
  {
    what: "refuses the WebSocket with 503",
    begin: (whatsapp, device) => {
      whatsapp.refuseUpgrades(503);
      drop(whatsapp, device);
    },
    ...unreachable,
    atLeast: 8,
  },
  {
    what: "answers each login with 503",
    begin: (whatsapp, device) => {
      device.phone.loginRefusal = { reason: 503 };
      drop(whatsapp, device);
    },
    ...unreachable,
    atLeast: 8,
  },
  {
    what: "asks for patience with 429",
    begin: (whatsapp, device) => {
      whatsapp.refuseUpgrades(429);
      drop(whatsapp, device);
    },
    ...unreachable,
    atLeast: 3,
  },
  { what: "drops each connection as soon as it works", begin: drop, again: drop, ...unreachable, atLeast: 8 },
  {
    what: "falls silent, on new connections too",
    begin: (whatsapp, device) => {
      whatsapp.muteNewConnections(true);
      whatsapp.connectionOf(device).mute();
    },
    ...unreachable,
    atLeast: 8,
  },
  {
    what: "lets each connection come up and falls silent then",
    begin: (whatsapp, device) => whatsapp.connectionOf(device).mute(),
    again: (whatsapp, device) => whatsapp.connectionOf(device).mute(),
    ...unreachable,
    atLeast: 8,
  },
  {
    what: "gives the device to somebody else each time",
    begin: (whatsapp, device) => whatsapp.connectionOf(device).conflictReplaced(),
    again: (whatsapp, device) => whatsapp.connectionOf(device).conflictReplaced(),
    status: Status.FAILED,
    reason: Reason.REPLACED,
    atLeast: 1,
  },
  {
    what: "asks for a restart each time",
    begin: (whatsapp, device) => whatsapp.connectionOf(device).streamError(515),
    again: (whatsapp, device) => whatsapp.connectionOf(device).streamError(515),
    status: Status.STARTING,
    reason: Reason.RESTART_REQUIRED,
    atLeast: 8,
  },
  {
    what: "unlinks the device",
    begin: (_whatsapp, device) => device.phone.unlink(),
    status: Status.FAILED,
    reason: Reason.LOGGED_OUT,
    atLeast: 0,
  },
  {
    what: "bans the account",
    begin: (_whatsapp, device) => device.phone.ban(403),
    status: Status.FAILED,
    reason: Reason.BANNED,
    atLeast: 0,
  },
];

/** Engines that wait by the clock of the test; but for the answer to a ping Baileys waits itself. */
const settings = { keepAliveIntervalMs: 59_000, probeTimeoutMs: 20 };

describe("an hour in which WhatsApp", { concurrency: true }, () => {
  for (const { what, begin, again, status, reason, atLeast } of troubles) {
    it(`${what} costs at most 20 attempts, with a reason`, async (t) => {
      const it = await openNowebHarness(t, (clock) => ({ ...settings, clock }));
      const { clock, whatsapp, manager, working } = it;
      const device = await working("alice");
      let attempts = 0;
      const refusedBefore = whatsapp.counters.refusedUpgrades;
      whatsapp.on("connection", () => (attempts += 1));
      if (again) whatsapp.on("active", () => setImmediate(() => device.connection && again(whatsapp, device)));
      const startedAtMs = clock.nowMs();
      await begin(whatsapp, device);
      while (clock.nowMs() - startedAtMs < hourMs) {
        await quiet(it);
        const nextMs = clock.nextAtMs;
        // Only time is missing now: all that follows happens by timers.
        clock.advance(
          Math.min((nextMs ?? Number.POSITIVE_INFINITY) - clock.nowMs(), startedAtMs + hourMs - clock.nowMs()),
        );
      }
      await quiet(it);
      const record = await manager.get("alice");
      const made = attempts + whatsapp.counters.refusedUpgrades - refusedBefore;
      t.diagnostic(`${made} attempts`);
      assert.ok(made <= 20 && made >= atLeast, `${made} attempts`);
      assert.equal(Reason[record.reason], Reason[reason]);
      assert.equal(Status[statusOf(record)], Status[status]);
      assert.equal(whatsapp.counters.pairings, 1);
      assert.ok(clock.nowMs() >= epochMs + hourMs);
    });
  }
});

/** Waits until nothing moves any more between the two: the network is this machine's, and has its turns of the event loop. */
async function quiet({ whatsapp }: NowebHarness): Promise<void> {
  let moves = 0;
  const move = () => (moves += 1);
  whatsapp.on("change", move);
  for (let still = 0, before = -1; still < 8; still = moves === before ? still + 1 : 0) {
    before = moves;
    await settle();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  whatsapp.off("change", move);
}
