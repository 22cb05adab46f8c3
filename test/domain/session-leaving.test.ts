import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { SessionRecord_Phase as Phase, type SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  Session_DesiredState as Desired,
  Session_StatusReason as Reason,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";
import { statusOf, type UnlinkOutcome, wakeAtMs } from "../../src/domain/session.ts";
import { inPhase, me, nowMs, step, stopped, transit } from "./session-states.ts";

const apply = (state: SessionRecord, type: "logout" | "delete") => transit(state, { type });
const effectsOf = ({ effects }: ReturnType<typeof step>) => effects.map(({ type }) => type).join(" ");

const phases = {
  STOPPED: stopped(),
  CONNECTING: inPhase(Phase.CONNECTING),
  PAIRING: inPhase(Phase.PAIRING),
  WORKING: inPhase(Phase.WORKING),
  BACKING_OFF: inPhase(Phase.BACKING_OFF, { wakeAt: timestampFromMs(nowMs + 1_000) }),
  FAILED: inPhase(Phase.FAILED),
};

describe("leaving", () => {
  for (const [name, state] of Object.entries(phases)) {
    for (const account of [me, undefined]) {
      it(`unlinks first a session that is ${name}${account ? "" : " without a known account"}`, () => {
        const from = { ...state, ...(account && { me: account }) };
        for (const type of ["logout", "delete"] as const) {
          const { state: next, wipe, actions } = apply(from, type);
          assert.equal(next.phase, type === "logout" ? Phase.LOGGING_OUT : Phase.DELETING);
          assert.deepEqual([wipe, actions], ["none", [{ type: "unlink_engine", connects: true }]]);
          assert.equal(wakeAtMs(next), undefined, "nothing else is done meanwhile");
        }
      });
    }

    it(`does not contact WhatsApp for a session that is ${name} and unlinked by the phone`, () => {
      const from = { ...state, credentialsDead: true, me };
      const loggedOut = apply(from, "logout");
      assert.equal(loggedOut.wipe, "discard");
      assert.ok(!loggedOut.actions.some(({ type }) => type === "unlink_engine"));
      assert.match(effectsOf(step(from, { type: "delete" })), /close_engine remove$/);
    });
  }

  const outcomes: Record<UnlinkOutcome, string> = {
    unlinked: "discard",
    not_linked: "discard",
    unknown: "discard",
    pending: "set_aside",
  };
  for (const [outcome, wipe] of Object.entries(outcomes) as [UnlinkOutcome, string][]) {
    it(`ends with the login ${wipe === "discard" ? "removed" : "set aside"} when its device is ${outcome}`, () => {
      const loggedOut = transit(inPhase(Phase.LOGGING_OUT, { me }), { type: "unlinked", outcome });
      assert.equal(loggedOut.wipe, wipe);
      assert.equal(loggedOut.state.me, undefined);
      const deleted = transit(inPhase(Phase.DELETING, { me }), { type: "unlinked", outcome });
      assert.equal(deleted.wipe, wipe === "set_aside" ? wipe : "none", "removing the session removes the login");
      assert.equal(deleted.actions.at(-1)?.type, "remove");
    });
  }

  for (const type of ["start", "stop", "restart", "logout", "delete", "resume"] as const) {
    it(`sets the login aside if a crash interrupted it, at the next ${type}`, () => {
      const half = apply(inPhase(Phase.WORKING, { me }), "logout").state;
      const next = transit(half, { type });
      if (type === "delete") assert.equal(next.actions[0]?.type, "unlink_engine");
      else assert.equal(next.wipe, "set_aside");
      const deleting = apply(inPhase(Phase.WORKING, { me }), "delete").state;
      const last = transit(deleting, { type });
      assert.equal(last.wipe, "set_aside");
      assert.equal(last.actions.at(-1)?.type, "remove");
    });
  }

  it("does not connect during a temporary ban, which would prolong it", () => {
    const banned = (untilMs: number) =>
      inPhase(Phase.FAILED, { me, reason: Reason.TEMPORARILY_BANNED, wakeAt: timestampFromMs(untilMs) });
    for (const [untilMs, connects] of [
      [nowMs + 1, false],
      [nowMs, true],
    ] as const) {
      assert.deepEqual(apply(banned(untilMs), "logout").actions, [{ type: "unlink_engine", connects }]);
    }
  });

  it("shows a stopped session as STOPPED and any other as STARTING", () => {
    const quiet = step({ ...stopped(), me }, { type: "logout" });
    assert.equal(effectsOf(quiet), "unlink_engine");
    assert.equal(statusOf(quiet.state), Status.STOPPED);
    const done = step(quiet.state, { type: "unlinked", outcome: "unlinked" });
    assert.equal(effectsOf(done), "wipe close_engine");
    assert.deepEqual([statusOf(done.state), done.state.desiredState], [Status.STOPPED, Desired.STOPPED]);
    for (const phase of [Phase.PAIRING, Phase.WORKING, Phase.FAILED]) {
      const loud = step(inPhase(phase, { me }), { type: "logout" });
      assert.equal(effectsOf(loud), "announce unlink_engine", Phase[phase]);
      assert.equal(statusOf(loud.state), Status.STARTING);
      assert.equal(
        effectsOf(step(loud.state, { type: "unlinked", outcome: "pending" })),
        "wipe close_engine open_engine",
      );
    }
  });
});
