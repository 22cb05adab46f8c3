import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { SessionRecord_Phase as Phase } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  Session_Health as Health,
  Session_StatusReason as Reason,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";
import { statusOf, wakeAtMs } from "../../src/domain/session.ts";

import { closed, inPhase, me, nowMs, policy, step, stopped } from "./session-states.ts";

describe("the limits of waiting", () => {
  it("a connection without login or code is closed and retried, and its reason is shown", () => {
    const { state } = step(stopped(), { type: "start" });
    const deadline = wakeAtMs(state) ?? Number.NaN;
    assert.equal(deadline, nowMs + policy.connectDeadlineMs);
    assert.deepEqual(step(state, { type: "wake" }, deadline - 1), { state, effects: [] });
    const over = step(state, { type: "wake" }, deadline);
    assert.deepEqual(
      over.effects.map((e) => e.type),
      ["close_engine"],
    );
    assert.equal(over.state.phase, Phase.BACKING_OFF);
    assert.equal(over.state.reason, Reason.UNREACHABLE);
    assert.equal(wakeAtMs(over.state), deadline + 1000);
  });

  it("the last code of an incomplete round ends the round; each code restarts the wait", () => {
    const first = step(inPhase(Phase.CONNECTING), { type: "qr" }).state;
    const second = step(first, { type: "qr" }, nowMs + 100_000).state;
    const deadline = nowMs + 100_000 + policy.pairingDeadlineMs;
    assert.equal(wakeAtMs(second), deadline);
    const over = step(second, { type: "wake" }, deadline);
    assert.equal(over.state.phase, Phase.FAILED);
    assert.equal(over.state.reason, Reason.PAIRING_TIMEOUT);
    assert.equal(wakeAtMs(over.state), undefined, "and nothing is tried after that");
    assert.deepEqual(
      over.effects.map((e) => e.type),
      ["announce", "close_engine"],
    );
  });

  it("a working session has no deadline", () => {
    const { state } = step(inPhase(Phase.CONNECTING, { wakeAt: timestampFromMs(nowMs) }), { type: "opened", me });
    assert.equal(wakeAtMs(state), undefined);
  });

  it("a session that waits for its slot shows until when", () => {
    const started = step(stopped(), { type: "start" }).state;
    const { state, effects } = step(started, { type: "postponed", untilMs: nowMs + 500 });
    assert.deepEqual(effects, []);
    assert.equal(statusOf(state), Status.STARTING);
    assert.equal(wakeAtMs(state), nowMs + 500);
    assert.match(state.reasonMessage, /turn/);
    assert.equal(state.attempt, 0);
    const turn = step(state, { type: "wake" }, nowMs + 500);
    assert.deepEqual(
      turn.effects.map((e) => e.type),
      ["open_engine"],
    );
    assert.equal(turn.state.reasonMessage, "", "and then it no longer waits, however long it takes to connect");
    for (const type of ["stop", "restart", "delete"] as const) {
      assert.notEqual(step(state, { type }).state.phase, Phase.BACKING_OFF, type);
    }
  });
});

describe("a session that waits for its slot after a failure", () => {
  it("shows the failure while it waits and while it retries", () => {
    const failed = step(inPhase(Phase.CONNECTING), closed("unreachable")).state;
    const again = step(failed, { type: "wake" }, (wakeAtMs(failed) ?? 0) + 1).state;
    const waiting = step(again, { type: "postponed", untilMs: nowMs + 9_000 }).state;
    const trying = step(waiting, { type: "wake" }, nowMs + 9_000).state;
    for (const state of [failed, again, waiting, trying]) {
      assert.equal(state.reason, Reason.UNREACHABLE);
      assert.equal(state.reasonMessage, failed.reasonMessage);
    }
    assert.equal(trying.phase, Phase.CONNECTING);
  });
});

describe("a connection's health", () => {
  it("is reported when it changes, and ends with the connection", () => {
    const working = step(inPhase(Phase.CONNECTING), { type: "opened", me }).state;
    assert.equal(working.health, Health.HEALTHY);
    assert.deepEqual(step(working, { type: "health", healthy: true }), { state: working, effects: [] });
    const suspect = step(working, { type: "health", healthy: false });
    assert.equal(suspect.state.health, Health.SUSPECT);
    assert.deepEqual(
      suspect.effects.map((e) => e.type),
      ["announce_health"],
    );
    assert.equal(step(suspect.state, { type: "health", healthy: true }).state.health, Health.HEALTHY);
    assert.equal(step(suspect.state, closed("unreachable")).state.health, Health.UNSPECIFIED);
    const stoppedState = step(suspect.state, { type: "stop" }).state;
    assert.equal(stoppedState.health, Health.UNSPECIFIED);
    assert.deepEqual(step(stoppedState, { type: "health", healthy: true }).effects, []);
  });
});

describe("a restored login", () => {
  it("counts as valid again, and a session that should run is started with it", () => {
    const dead = step(inPhase(Phase.WORKING, { me }), closed("logged_out")).state;
    const { state, effects } = step(dead, { type: "restored" });
    assert.deepEqual(
      effects.map((e) => e.type),
      ["announce", "close_engine", "open_engine"],
    );
    assert.equal(state.me, me);
    assert.deepEqual(step(stopped(), { type: "restored" }).effects, []);
  });
});

describe("a new process", () => {
  it("opens an engine for every session that should run", () => {
    for (const phase of [Phase.CONNECTING, Phase.PAIRING, Phase.WORKING, Phase.BACKING_OFF, Phase.STOPPED]) {
      const { state, effects } = step(inPhase(phase, { me }), { type: "resume" });
      assert.equal(state.phase, Phase.CONNECTING);
      assert.ok(
        effects.some((e) => e.type === "open_engine"),
        Phase[phase],
      );
      assert.deepEqual(state.me, me);
    }
  });

  it("leaves FAILED and STOPPED sessions alone and goes on waiting after a replaced device", () => {
    const replaced = inPhase(Phase.BACKING_OFF, { reason: Reason.REPLACED, wakeAt: timestampFromMs(nowMs + 1) });
    for (const state of [stopped(), inPhase(Phase.FAILED), replaced]) {
      assert.deepEqual(step(state, { type: "resume" }), { state, effects: [] });
    }
    assert.equal(timestampMs(replaced.wakeAt ?? timestampFromMs(0)), nowMs + 1);
  });
});
