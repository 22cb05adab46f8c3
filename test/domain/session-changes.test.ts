import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { SessionRecord_Phase as Phase, type SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  Session_Health as Health,
  MeSchema,
  type MessageCappingSchema,
  type ReachoutTimelockSchema,
  Session_StatusReason as Reason,
  Session_Remedy as Remedy,
  SessionConfigSchema,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";
import { endpointIdsFor } from "../../src/domain/delivery.ts";
import { announcedEvents } from "../../src/domain/event.ts";
import { accountOf, meOf, type SessionInput } from "../../src/domain/session.ts";
import { closed, inPhase, me, nowMs, step, stopped, transit } from "./session-states.ts";

const config = create(SessionConfigSchema, { metadata: { tier: "gold" } });
const other = create(MeSchema, { id: "1202@c.us", pushName: "Other" });
const named = create(MeSchema, { ...me, pushName: "New name" });

/** An account with limits. */
const limited = (
  reachoutTimelock?: MessageInitShape<typeof ReachoutTimelockSchema>,
  messageCapping?: MessageInitShape<typeof MessageCappingSchema>,
) =>
  create(MeSchema, {
    id: me.id,
    ...(reachoutTimelock && { reachoutTimelock }),
    ...(messageCapping && { messageCapping }),
  });
const lockUntil = (seconds: number) => ({ isActive: true, timeEnforcementEnds: { seconds: BigInt(seconds) } });

/** Applies inputs in turn. */
const after = (state: SessionRecord, ...inputs: SessionInput[]): SessionRecord =>
  inputs.reduce((before, input) => transit(before, input).state, state);

describe("WhatsApp's limits on an account", () => {
  for (const [name, before, after, isAnnounced] of [
    ["a lock begins", limited(), limited(lockUntil(9)), true],
    ["a lock of unknown end begins", limited({ isActive: false }), limited({ isActive: true }), true],
    ["a lock ends", limited(lockUntil(9)), limited({ isActive: false }), true],
    ["a lock gets another end", limited(lockUntil(9)), limited(lockUntil(99)), true],
    ["the quota is used up", limited({}, { cappingStatus: "NONE" }), limited({}, { cappingStatus: "CAPPED" }), true],
    ["there is no lock", limited(), limited({ isActive: false }, { cappingStatus: "NONE" }), false],
    ["the lock is told again", limited(lockUntil(9)), limited(lockUntil(9)), false],
    ["more of the quota is used", limited({}, { usedQuota: 1 }), limited({}, { usedQuota: 2 }), false],
  ] as const) {
    it(`${isAnnounced ? "announce" : "do not announce"} WORKING again when ${name}`, () => {
      const { events, state } = transit(inPhase(Phase.WORKING, { me: before }), { type: "me_changed", me: after });
      assert.equal(events.includes("session.status"), isAnnounced);
      assert.deepEqual([state.me, state.phase], [after, Phase.WORKING]);
    });
  }
});

describe("a change without a new status", () => {
  const backingOff = after(inPhase(Phase.CONNECTING), closed("unreachable"));
  for (const [name, from, input, changed] of [
    ["a further failed attempt", { ...backingOff, phase: Phase.CONNECTING }, closed("unreachable"), ["attempt"]],
    ["a restart during a back-off", backingOff, { type: "restart" }, ["attempt"]],
    [
      "a connection that stops answering",
      inPhase(Phase.WORKING, { health: Health.HEALTHY }),
      { type: "health", healthy: false },
      ["health"],
    ],
    ["a configuration of a stopped session", stopped(), { type: "configure", config }, ["config"]],
    ["a configuration of a starting session", inPhase(Phase.CONNECTING), { type: "configure", config }, ["config"]],
    ["a new push name", inPhase(Phase.WORKING, { me }), { type: "me_changed", me: named }, ["account"]],
  ] as const) {
    it(`is announced by session.updated: ${name}`, () => {
      const next = transit(from, input);
      assert.deepEqual([next.events.includes("session.updated"), next.changed], [true, changed]);
    });
  }

  for (const [name, from, input] of [
    ["the same push name again", inPhase(Phase.WORKING, { me }), { type: "me_changed", me }],
    ["a start of a running session", inPhase(Phase.CONNECTING), { type: "start" }],
    ["the next attempt after a back-off", { ...backingOff, wakeAt: timestampFromMs(nowMs) }, { type: "wake" }],
    ["a slot that is not free yet", inPhase(Phase.CONNECTING), { type: "postponed", untilMs: nowMs + 1 }],
    ["another code", inPhase(Phase.PAIRING), { type: "qr" }],
    ["a stop", inPhase(Phase.WORKING, { me, health: Health.HEALTHY }), { type: "stop" }],
    ["a lost connection", inPhase(Phase.WORKING, { me, health: Health.HEALTHY }), closed("unreachable")],
    ["a configuration that restarts the session", inPhase(Phase.WORKING), { type: "configure", config }],
  ] as const) {
    it(`is not announced by session.updated: ${name}`, () => {
      assert.equal(transit(from, input).events.includes("session.updated"), false);
    });
  }

  it("goes to no webhook, not even to one for all events", () => {
    assert.deepEqual(endpointIdsFor("session.updated", [{ id: "all", config: { events: ["*"] } as never }]), []);
  });
});

describe("the events of a session's status", () => {
  const context = { nowMs, ulid: () => "1", wallMsAt: (atMs: number) => atMs + 5_000, hasProxyPool: false };

  it("carry the attempt, its time, the account, the sentence and the remedy", () => {
    const state = inPhase(Phase.WORKING, { me, account: me });
    const next = transit(state, closed("unreachable"));
    const [event] = announcedEvents(next, undefined, context);
    assert.equal(event?.name, "session.status");
    assert.ok(event.payload.case === "sessionStatus" && next.state.wakeAt);
    const { status, attempt, nextAttemptAt, account, statusMessage, remedy, health, changed } = event.payload.value;
    assert.deepEqual([status, attempt, account, statusMessage], [Status.STARTING, 1, me, "why"]);
    assert.equal(nextAttemptAt && timestampMs(nextAttemptAt), timestampMs(next.state.wakeAt) + 5_000);
    assert.deepEqual([remedy, health, changed], [Remedy.CHECK_NETWORK, Health.UNSPECIFIED, []]);
  });

  it("name the parts that changed, with an update", () => {
    const next = transit(stopped(), { type: "configure", config });
    const [event] = announcedEvents(next, undefined, context);
    assert.equal(event?.name, "session.updated");
    assert.deepEqual(event.metadata, { tier: "gold" });
    assert.ok(event.payload.case === "sessionStatus");
    assert.deepEqual([event.payload.value.status, event.payload.value.changed], [Status.STOPPED, ["config"]]);
  });
});

describe("the account of a session", () => {
  const paired = after(stopped(), { type: "start" }, { type: "qr" }, { type: "paired", me }, { type: "opened", me });

  for (const [name, inputs] of [
    ["while it works", []],
    ["while it is stopped", [{ type: "stop" }]],
    ["after it failed", [closed("banned")]],
    ["after the phone logged it out", [closed("logged_out")]],
    ["while it offers a code after that", [closed("logged_out"), { type: "start" }, { type: "qr" }]],
    ["after its owner logged it out", [{ type: "logout" }, { type: "unlinked", outcome: "unlinked" }]],
    [
      "after its owner logged it out while stopped",
      [{ type: "stop" }, { type: "logout" }, { type: "unlinked", outcome: "pending" }],
    ],
  ] as const satisfies readonly (readonly [string, readonly SessionInput[]])[]) {
    it(`is known ${name}`, () => {
      const state = after(paired, ...inputs);
      assert.deepEqual(accountOf(state), me);
      if (inputs.length > 0 && state.reason !== Reason.BANNED) assert.equal(meOf(state), undefined);
    });
  }

  it("is another one once another phone has paired", () => {
    const state = after(paired, closed("logged_out"), { type: "start" }, { type: "qr" }, { type: "paired", me: other });
    assert.deepEqual(accountOf(state), other);
  });

  it("keeps its push name while a new connection has not sent it", () => {
    const nameless = create(MeSchema, { id: me.id });
    assert.deepEqual(accountOf(after(paired, { type: "me_changed", me: nameless })), me);
    const unknown = create(MeSchema, { id: other.id });
    assert.deepEqual(accountOf(after(paired, { type: "me_changed", me: unknown })), unknown);
  });

  it("of an older record is the one it is paired with", () => {
    const record = inPhase(Phase.FAILED, { me, credentialsDead: true, reason: Reason.LOGGED_OUT });
    assert.deepEqual(accountOf(record), me);
    assert.deepEqual(accountOf(step(record, { type: "start" }).state), me);
    assert.equal(accountOf(stopped()), undefined);
  });
});
