import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { SessionRecord_Phase as Phase, type SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  Session_DesiredState as Desired,
  Session_StatusReason as Reason,
  SessionConfigSchema,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";
import { type CloseCause, meOf, type SessionInput, statusOf, wakeAtMs } from "../../src/domain/session.ts";

import { closed, inPhase, me, nowMs, policy, step, stopped, transit, walk } from "./session-states.ts";

describe("a session's transitions", () => {
  it("a new session reaches WORKING; each status is announced once, SCAN_QR_CODE for each code", () => {
    const { state, seen } = walk(stopped(), [
      { type: "start" },
      { type: "qr" },
      { type: "qr" },
      { type: "paired", me },
      closed("restart_required"),
      { type: "opened", me },
      { type: "opened", me },
    ]);
    assert.deepEqual(seen, [
      "start: STARTING announce open_engine",
      "qr: SCAN_QR_CODE announce",
      "qr: SCAN_QR_CODE announce",
      "paired: STARTING announce",
      "closed: STARTING open_engine",
      "opened: WORKING announce",
      "opened: WORKING",
    ]);
    assert.equal(state.attempt, 0, "the restart after pairing is no failure");
    assert.equal(state.reason, Reason.STATUS_REASON_UNSPECIFIED);
    assert.deepEqual(meOf(state), me);
  });

  it("start and stop are idempotent", () => {
    for (const phase of [Phase.CONNECTING, Phase.PAIRING, Phase.WORKING, Phase.BACKING_OFF]) {
      const state = inPhase(phase);
      assert.deepEqual(step(state, { type: "start" }), { state, effects: [] });
    }
    const once = step(inPhase(Phase.WORKING), { type: "stop" });
    assert.deepEqual(
      once.effects.map((e) => e.type),
      ["announce", "close_engine"],
    );
    assert.deepEqual(step(once.state, { type: "stop" }), { state: once.state, effects: [] });
  });

  it("restart opens a new engine in every phase and announces STARTING unless already shown", () => {
    for (const [phase, announces] of [
      [Phase.STOPPED, true],
      [Phase.CONNECTING, false],
      [Phase.PAIRING, true],
      [Phase.WORKING, true],
      [Phase.BACKING_OFF, false],
      [Phase.FAILED, true],
    ] as const) {
      const { state, effects } = step(inPhase(phase, { attempt: 7 }), { type: "restart" });
      assert.equal(statusOf(state), Status.STARTING);
      assert.equal(state.attempt, 0);
      assert.deepEqual(
        effects.map((e) => e.type),
        announces ? ["announce", "close_engine", "open_engine"] : ["close_engine", "open_engine"],
        Phase[phase],
      );
    }
  });

  it("a new configuration restarts running sessions and leaves stopped ones alone", () => {
    const config = create(SessionConfigSchema, { debug: true });
    const quiet = step(stopped(), { type: "configure", config });
    assert.equal(quiet.state.config?.debug, true);
    assert.deepEqual(quiet.effects, []);
    assert.equal(quiet.state.revision, 2);
    const loud = step(inPhase(Phase.WORKING), { type: "configure", config });
    assert.deepEqual(
      loud.effects.map((e) => e.type),
      ["announce", "close_engine", "open_engine"],
    );
  });

  it("logout of a working session unlinks, wipes, and starts afresh without the account", () => {
    const { state, seen } = walk(inPhase(Phase.WORKING, { me }), [
      { type: "logout" },
      { type: "unlinked", outcome: "unlinked" },
      { type: "qr" },
    ]);
    assert.deepEqual(seen, [
      "logout: STARTING announce unlink_engine",
      "unlinked: STARTING wipe close_engine open_engine",
      "qr: SCAN_QR_CODE announce",
    ]);
    assert.equal(state.me, undefined);
  });
});

describe("the end of an engine", () => {
  const causes: Record<CloseCause, [status: Status, reason: Reason, waitMs: number | undefined]> = {
    logged_out: [Status.FAILED, Reason.LOGGED_OUT, undefined],
    replaced: [Status.STARTING, Reason.REPLACED, 30_000],
    restart_required: [Status.STARTING, Reason.RESTART_REQUIRED, 0],
    banned: [Status.FAILED, Reason.BANNED, undefined],
    temp_banned: [Status.FAILED, Reason.TEMPORARILY_BANNED, 5_000],
    client_outdated: [Status.FAILED, Reason.CLIENT_OUTDATED, undefined],
    rejected: [Status.FAILED, Reason.REJECTED, undefined],
    unreachable: [Status.STARTING, Reason.UNREACHABLE, 1_000],
    rate_limited: [Status.STARTING, Reason.UNREACHABLE, 8_000],
    pairing_timeout: [Status.FAILED, Reason.PAIRING_TIMEOUT, undefined],
    engine_crashed: [Status.STARTING, Reason.ENGINE_CRASHED, 1_000],
    bad_session: [Status.STARTING, Reason.BAD_SESSION, 1_000],
    credentials_unreadable: [Status.FAILED, Reason.CREDENTIALS_UNREADABLE, undefined],
  };
  for (const [cause, [status, reason, waitMs]] of Object.entries(causes) as [CloseCause, [Status, Reason, number]][]) {
    for (const phase of [Phase.CONNECTING, Phase.PAIRING, Phase.WORKING]) {
      it(`${cause} while ${Phase[phase]}: ${Status[status]}, ${Reason[reason]}`, () => {
        const { state, effects } = step(inPhase(phase), closed(cause, nowMs + 5_000));
        assert.equal(statusOf(state), status);
        assert.equal(state.reason, reason);
        assert.equal(state.reasonMessage, "why");
        const opens = effects.some((e) => e.type === "open_engine");
        const wake = wakeAtMs(state);
        assert.equal(opens ? 0 : wake === undefined ? undefined : wake - nowMs, waitMs);
      });
    }
  }

  it("has no effect on a session without an engine, whatever its cause", () => {
    for (const cause of Object.keys(causes) as CloseCause[]) {
      for (const phase of [Phase.STOPPED, Phase.FAILED, Phase.BACKING_OFF, Phase.LOGGING_OUT, Phase.DELETING]) {
        const state = inPhase(phase);
        assert.deepEqual(step(state, closed(cause)), { state, effects: [] });
      }
    }
  });

  it("a login proven invalid is stored until the next start, which wipes it and pairs anew", () => {
    const failed = step(inPhase(Phase.WORKING, { me }), closed("logged_out")).state;
    assert.equal(meOf(failed), undefined);
    const { state, effects } = step(failed, { type: "start" });
    assert.deepEqual(
      effects.map((e) => e.type),
      ["announce", "wipe", "open_engine"],
    );
    assert.equal(state.credentialsDead, false);
    assert.equal(state.me, undefined);
  });

  it("a replaced device retries once after 30 s and then gives way", () => {
    const first = step(inPhase(Phase.WORKING, { me }), closed("replaced"));
    assert.deepEqual(step(first.state, { type: "wake" }, nowMs + 29_999), { state: first.state, effects: [] });
    const second = step(first.state, { type: "wake" }, nowMs + 30_000);
    assert.deepEqual(
      second.effects.map((e) => e.type),
      ["open_engine"],
    );
    const third = transit(
      step(second.state, { type: "opened", me }, nowMs + 31_000).state,
      closed("replaced"),
      nowMs + 60_000,
      policy,
    );
    assert.equal(statusOf(third.state), Status.FAILED);
    assert.equal(third.state.reason, Reason.REPLACED);
  });

  it("a temporary ban is waited out by every command, then the session starts by itself", () => {
    const banned = step(inPhase(Phase.WORKING, { me }), closed("temp_banned", nowMs + 60_000)).state;
    for (const type of ["start", "restart", "wake", "resume"] as const) {
      assert.equal(statusOf(step(banned, { type }, nowMs + 59_000).state), Status.FAILED, type);
      assert.equal(statusOf(step(banned, { type }, nowMs + 60_000).state), Status.STARTING, type);
    }
  });

  it("repeated losses wait longer each time, at most 15 min, with at most 20 attempts an hour", () => {
    let state: SessionRecord = inPhase(Phase.CONNECTING);
    let atMs = nowMs;
    const waits: number[] = [];
    for (let i = 0; i < 22; i++) {
      state = transit(state, closed("unreachable"), atMs, policy).state;
      const wake = wakeAtMs(state) ?? Number.NaN;
      waits.push((wake - atMs) / 1000);
      atMs = wake;
      const opened = step(state, { type: "wake" }, atMs);
      assert.deepEqual(
        opened.effects.map((e) => e.type),
        ["open_engine"],
      );
      assert.equal(opened.state.reason, Reason.UNREACHABLE, "the reason stays visible while it tries");
      state = opened.state;
    }
    assert.deepEqual(waits.slice(0, 8), [1, 1, 2, 3, 5, 8, 13, 21]);
    assert.deepEqual(waits.slice(-3), [900, 900, 900]);
    let [sum, attempts] = [0, 0];
    for (const wait of waits) if (sum + wait <= 3600) [sum, attempts] = [sum + wait, attempts + 1];
    assert.ok(attempts <= 20);
  });

  it("a connection of ten minutes ends a row of failures, a shorter one does not", () => {
    const flapping = inPhase(Phase.WORKING, { attempt: 9, openedAt: timestampFromMs(nowMs - 599_999) });
    assert.equal(step(flapping, closed("unreachable")).state.attempt, 10);
    const stable = inPhase(Phase.WORKING, { attempt: 9, openedAt: timestampFromMs(nowMs - 600_000) });
    assert.equal(step(stable, closed("unreachable")).state.attempt, 1);
  });

  it("a repeated restart_required without progress counts as a failure", () => {
    const openedAt = timestampFromMs(nowMs - 3_600_000);
    const first = step(inPhase(Phase.CONNECTING, { openedAt }), closed("restart_required"));
    const second = step(first.state, closed("restart_required"));
    assert.equal(second.state.phase, Phase.BACKING_OFF);
    const opened = step(first.state, { type: "opened", me }).state;
    assert.equal(step(opened, closed("restart_required"), nowMs + 3_599_999).state.phase, Phase.BACKING_OFF);
    assert.equal(step(opened, closed("restart_required"), nowMs + 3_600_000).state.phase, Phase.CONNECTING);
    const paired = step(first.state, { type: "paired", me }).state;
    const restarted = step(paired, closed("restart_required")).state;
    assert.equal(restarted.phase, Phase.CONNECTING, "pairing is none of them");
    assert.equal(
      step(restarted, closed("restart_required")).state.phase,
      Phase.BACKING_OFF,
      "unless nothing comes of it",
    );
    const working = step(restarted, { type: "opened", me }).state;
    assert.equal(step(working, closed("restart_required")).state.phase, Phase.CONNECTING, "nor is it remembered");
  });

  const untilNextMs = (cause: CloseCause, livesMs: number, phase: Phase) => {
    let state: SessionRecord = inPhase(phase === Phase.PAIRING ? Phase.PAIRING : Phase.WORKING, { me });
    let atMs = nowMs;
    let attempts = 0;
    while (atMs - nowMs <= 3_600_000 && attempts < 100) {
      const came: SessionInput[] =
        phase === Phase.WORKING ? [{ type: "opened", me }] : phase === Phase.PAIRING ? [{ type: "qr" }] : [];
      for (const input of came) state = step(state, input, atMs).state;
      atMs += livesMs;
      state = transit(state, closed(cause), atMs, { ...policy, jitter: 0 }).state;
      if (state.phase !== Phase.CONNECTING) {
        const wake = wakeAtMs(state);
        if (wake === undefined) break;
        atMs = wake;
        state = step(state, { type: "wake" }, atMs).state;
      }
      attempts += 1;
    }
    return attempts;
  };
  for (const cause of Object.keys(causes) as CloseCause[]) {
    for (const phase of [Phase.CONNECTING, Phase.PAIRING, Phase.WORKING]) {
      it(`${cause} while ${Phase[phase]} costs at most 20 attempts an hour`, () => {
        for (const livesMs of [0, 100, 21_000, 61_000, 80_000, 300_000, 599_000, 601_000]) {
          const attempts = untilNextMs(cause, livesMs, phase);
          assert.ok(attempts <= 20, `${attempts} attempts with ${livesMs} ms of life`);
        }
      });
    }
  }
});

it("a transition is total and deterministic and does not change its argument", () => {
  const inputs: SessionInput[] = [
    ...(["start", "stop", "restart", "logout", "delete", "resume", "wake", "qr"] as const).map((type) => ({
      type,
    })),
    { type: "configure", config: create(SessionConfigSchema) },
    { type: "paired", me },
    { type: "opened", me },
    { type: "me_changed", me },
    { type: "health", healthy: false },
    { type: "postponed", untilMs: nowMs },
    ...(["unlinked", "not_linked", "pending", "unknown"] as const).map((outcome) => ({
      type: "unlinked" as const,
      outcome,
    })),
    { type: "restored" },
    closed("unreachable"),
  ];
  const phases = Object.values(Phase).filter((phase) => typeof phase === "number");
  for (const phase of phases) {
    for (const desiredState of [Desired.RUNNING, Desired.STOPPED]) {
      for (const input of inputs) {
        const state = Object.freeze(inPhase(phase, { desiredState, me }));
        const next = step(state, input);
        assert.deepEqual(step(state, input), next);
        const opens = next.effects.filter((e) => e.type === "open_engine").length;
        assert.ok(opens <= 1);
        if (opens)
          assert.equal(next.state.desiredState, Desired.RUNNING, "only a session wanted running gets an engine");
      }
    }
  }
});
