import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SessionRecord_Phase as Phase, type SessionRecord } from "../../../gen/sessiond/store/v1/store_pb.js";
import { Session_StatusReason as Reason, Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import { statusOf, wakeAtMs } from "../../../src/domain/session.ts";
import type { Connection } from "../../emulator/connection.ts";
import { stanza } from "../../emulator/stanza.ts";
import { epochMs } from "../../support/fake-clock.ts";
import { candidateConnection, openNowebHarness } from "./noweb-harness.ts";

/** Expected state of a session after an event. */
interface Shown {
  readonly status: Status;
  readonly reason: Reason;
  readonly attempt?: number;
  /** Seconds until it retries, ±10 %; left out: it does not retry. */
  readonly againS?: number;
}

const failed = (reason: Reason, againS?: number): Shown => ({
  status: Status.FAILED,
  reason,
  ...(againS !== undefined && { againS }),
});
const backsOff = (reason: Reason, attempt = 1, againS = 1): Shown => ({
  status: Status.STARTING,
  reason,
  attempt,
  againS,
});

/** WhatsApp's answers to a connection, and what follows (wire.md, section 4). */
const refusals: [what: string, reason: number, attributes: Record<string, string>, Shown][] = [
  ["402 with its expiry", 402, { code: "101", expire: "3600" }, failed(Reason.TEMPORARILY_BANNED, 3_600)],
  ["403", 403, {}, failed(Reason.BANNED)],
  ["405", 405, {}, failed(Reason.CLIENT_OUTDATED)],
  ["406", 406, {}, failed(Reason.BANNED)],
  ["408", 408, {}, backsOff(Reason.UNREACHABLE)],
  ["409", 409, {}, failed(Reason.REJECTED)],
  ["411", 411, {}, failed(Reason.REJECTED)],
  ["419", 419, {}, failed(Reason.REJECTED)],
  ["429", 429, {}, backsOff(Reason.UNREACHABLE, 6, 8)],
  ["500", 500, {}, backsOff(Reason.BAD_SESSION)],
  ["503", 503, {}, backsOff(Reason.UNREACHABLE)],
  ["a code nobody knows", 599, {}, backsOff(Reason.BAD_SESSION)],
];

/** Events on an open connection. */
const endings: [what: string, end: (connection: Connection) => void, Shown][] = [
  ["the TCP connection is reset", (c) => c.drop(), backsOff(Reason.UNREACHABLE)],
  ["the WebSocket is closed", (c) => c.closeCleanly(), backsOff(Reason.UNREACHABLE)],
  ["the stream ends with 503", (c) => c.streamError(503), backsOff(Reason.UNREACHABLE)],
  ["the stream ends with 516", (c) => c.streamError(516), backsOff(Reason.UNREACHABLE)],
  ["the stream ends with 500", (c) => c.streamError(500), backsOff(Reason.BAD_SESSION)],
  ["the stream ends without a code", (c) => c.streamError(), backsOff(Reason.BAD_SESSION)],
  ["the stream ends with 409", (c) => c.streamError(409), failed(Reason.REJECTED)],
  [
    "multi-device is off",
    (c) => c.send(stanza("ib", { from: "@s.whatsapp.net" }, [stanza("downgrade_webclient")])),
    failed(Reason.REJECTED),
  ],
  ["another connection takes over", (c) => c.conflictReplaced(), { ...backsOff(Reason.REPLACED, 0, 30) }],
];

function assertShown(record: SessionRecord, { status, reason, attempt, againS }: Shown, what: string): void {
  assert.equal(Status[statusOf(record)], Status[status], what);
  assert.equal(Reason[record.reason], Reason[reason], what);
  assert.ok(record.reasonMessage, `${what}: a sentence says why`);
  if (attempt !== undefined) assert.equal(record.attempt, attempt, what);
  const atMs = wakeAtMs(record);
  if (againS === undefined) assert.equal(atMs, undefined, `${what}: nothing is tried again`);
  else assert.ok(Math.abs((atMs ?? Number.NaN) - epochMs - againS * 1_000) <= againS * 100, `${what}: ${atMs}`);
}

/** It has come to that, and an earlier deadline is not taken for the wait. */
const isOver = (record: SessionRecord, { status, reason, againS }: Shown) =>
  statusOf(record) === status &&
  record.reason === reason &&
  (againS === undefined || (record.wakeAt !== undefined && record.phase !== Phase.CONNECTING));

describe("what WhatsApp does to a NOWEB session", () => {
  it("that is paired: each reason leads to its status and its wait, and the login stays", async (t) => {
    const { manager, whatsapp, until, untilStatus, working } = await openNowebHarness(t);
    const device = await working("alice");
    const shown = async (what: string, wanted: Shown) => {
      const { record } = await until("alice", (one) => isOver(one, wanted));
      assertShown(record, wanted, what);
      assert.equal(record.credentialsDead, false, `${what}: the login stays`);
    };
    for (const [what, reason, attributes, wanted] of refusals) {
      if (reason === 402) continue;
      device.refuseNextLogin(reason, attributes);
      await manager.restart("alice");
      await shown(what, wanted);
    }
    for (const [what, end, wanted] of endings) {
      await manager.restart("alice");
      await untilStatus("alice", Status.WORKING);
      end(whatsapp.connectionOf(device));
      await shown(what, wanted);
    }
    await manager.restart("alice");
    await untilStatus("alice", Status.WORKING);
    whatsapp.refuseUpgrades(503);
    whatsapp.connectionOf(device).drop();
    await shown("a loss", backsOff(Reason.UNREACHABLE));
    await manager.restart("alice");
    await shown("an upgrade refused with 503", backsOff(Reason.UNREACHABLE));
    whatsapp.refuseUpgrades(429);
    await manager.restart("alice");
    await shown("an upgrade refused with 429", backsOff(Reason.UNREACHABLE, 6, 8));
    whatsapp.refuseUpgrades(null);
    device.refuseNextLogin(402, { code: "101", expire: "3600" });
    await manager.restart("alice");
    const banned = await until("alice", ({ reason }) => reason === Reason.TEMPORARILY_BANNED);
    assert.equal(statusOf(banned.record), Status.FAILED);
    assert.equal(whatsapp.counters.pairings, 1, "nobody was asked to scan again");
  });

  it("that is not paired: each reason leads to its status and its wait", async (t) => {
    const { manager, whatsapp, until, pairing } = await openNowebHarness(t);
    let count = 0;
    const shown = async (name: string, what: string, wanted: Shown) => {
      const { record } = await until(name, (one) => isOver(one, wanted));
      assertShown(record, wanted, what);
      await manager.delete(name);
    };
    for (const [what, reason, , wanted] of refusals) {
      const name = `refused${count++}`;
      whatsapp.refuseLogins(reason);
      await manager.create({ name, engine: 0, config: undefined, start: true });
      // Registrations are refused without an expiry here.
      await shown(name, what, reason === 402 ? failed(Reason.TEMPORARILY_BANNED) : wanted);
    }
    whatsapp.refuseLogins(null);
    for (const [what, end, wanted] of endings) {
      const name = `ended${count++}`;
      await pairing(name);
      end(await candidateConnection(whatsapp));
      await shown(name, what, wanted);
    }
  });

  for (const paired of [true, false]) {
    it(`401 is a logout, and the next start shows a code: ${paired ? "paired" : "not paired"}`, async (t) => {
      const { manager, whatsapp, until, untilStatus, pairing, working } = await openNowebHarness(t);
      if (paired) await (await working("alice")).phone.unlink();
      else {
        await pairing("alice");
        (await candidateConnection(whatsapp)).failure(401);
      }
      const { record } = await untilStatus("alice", Status.FAILED);
      assertShown(record, failed(Reason.LOGGED_OUT), "401");
      assert.equal(record.credentialsDead, true);
      await manager.start("alice");
      const { pairing: offered } = await until("alice", (_record, codes) => codes !== undefined);
      await whatsapp.phone().scan(offered?.value ?? "");
      await untilStatus("alice", Status.WORKING);
    });

    it(`515 leads to a new connection, and to a failure if repeated: ${paired ? "paired" : "not paired"}`, async (t) => {
      const { whatsapp, until, untilStatus, pairing, working } = await openNowebHarness(t);
      if (paired) await working("alice");
      else await pairing("alice");
      const connections = () =>
        paired ? whatsapp.connections : whatsapp.candidates.map(({ connection }) => connection);
      const [first] = connections();
      first?.streamError(515);
      await whatsapp.until(() => connections().some((one) => one !== first), "another connection");
      const { record } = await (paired
        ? untilStatus("alice", Status.WORKING)
        : until("alice", (_record, codes) => codes !== undefined));
      assert.equal(record.attempt, 0);
      await whatsapp.until(() => connections().length === 1 && connections()[0] !== first, "the end of the first");
      connections()[0]?.streamError(515);
      const again = await until("alice", ({ attempt }) => attempt > 0);
      assertShown(again.record, backsOff(Reason.RESTART_REQUIRED), "515 again");
    });
  }

  it("ends after codes that no phone scans", async (t) => {
    const { untilStatus, pairing } = await openNowebHarness(t, () => ({ qrTimeoutMs: 20 }));
    await pairing("alice");
    const { record } = await untilStatus("alice", Status.FAILED);
    assertShown(record, failed(Reason.PAIRING_TIMEOUT), "unseen codes");
  });

  it("a device that was replaced tries once more, and gives way then", async (t) => {
    const { clock, whatsapp, until, untilStatus, working } = await openNowebHarness(t);
    const device = await working("alice");
    whatsapp.connectionOf(device).conflictReplaced();
    await until("alice", ({ reason, wakeAt }) => reason === Reason.REPLACED && wakeAt !== undefined);
    clock.advance(30_000);
    await untilStatus("alice", Status.WORKING);
    await whatsapp.waitForLogin(device);
    whatsapp.connectionOf(device).conflictReplaced();
    assertShown((await untilStatus("alice", Status.FAILED)).record, failed(Reason.REPLACED), "replaced again");
  });
});
