import assert from "node:assert/strict";
import { it } from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  Session_DesiredState as Desired,
  SessionConfigSchema,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";
import { ConnectGate } from "../../src/app/connect-gate.ts";
import { SessionError } from "../../src/domain/errors.ts";
import type { CloseCause } from "../../src/domain/session.ts";
import { statusOf } from "../../src/domain/session.ts";
import { legalSteps } from "../domain/session-states.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { type FakeEngine, me, openHarness, pass, settle } from "./harness.ts";

/** Set SESSIOND_TEST_COMMANDS for more. */
const commandCount = Number(process.env.SESSIOND_TEST_COMMANDS ?? 10_000);
const sessionCount = 50;
/** Longest time between the commands on a session. Engines pair, work and fail in between. */
const longestPauseMs = 8_000;
/** Longest time that an engine hangs when it is told to close. */
const longestHangMs = 4_000;

const causes: readonly CloseCause[] = [
  "unreachable",
  "restart_required",
  "replaced",
  "engine_crashed",
  "pairing_timeout",
];
const kinds = ["start", "stop", "restart", "logout", "update", "delete"] as const;
type Kind = (typeof kinds)[number];

/** Returns a generator with the same numbers for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

it(`${commandCount} commands on ${sessionCount} sessions: the last wins, no session has two engines`, async (t) => {
  const seed = Number(process.env.SESSIOND_TEST_SEED ?? Date.now() % 2 ** 32);
  t.diagnostic(`SESSIOND_TEST_SEED=${seed}`);
  const random = randomOf(seed);
  const pick = <T>(of: readonly T[]): T => of[random(of.length)] ?? assert.fail();
  const clock = new FakeClock();
  const harness = openHarness(t, { gate: new ConnectGate(clock, { perSecond: 1_000, maxConnecting: 1_000 }) }, clock);
  const { manager, fixture, engines } = harness;
  const current = new Map<string, FakeEngine>();
  /** Sessions whose engine was opened before their last one was told to close. */
  const twice: string[] = [];

  /** Lets an engine pair, work, fail and hang at random. */
  const animate = (engine: FakeEngine) => {
    const last = current.get(engine.session);
    if (last && !last.closed && !last.closing) twice.push(engine.session);
    current.set(engine.session, engine);
    if (random(10) === 0) engine.closes = new Promise((resolve) => clock.schedule(random(longestHangMs), resolve));
    if (random(10) === 0)
      engine.unlinks = new Promise((resolve) => clock.schedule(random(6_000), () => resolve("unknown")));
    const life = [
      () => engine.qr(),
      () => engine.report({ type: "paired", me }),
      () => engine.report({ type: "opened", me }),
      () => engine.report({ type: "health", healthy: false }),
      () => engine.report({ type: "closed", cause: pick(causes), message: "chance" }),
    ];
    const from = random(3);
    const step = (i: number) => {
      if (engine.closed) return;
      life[i]?.();
      if (i < from + 3) clock.schedule(random(3_000), () => step(i + 1));
    };
    clock.schedule(random(500), () => step(from));
  };
  fixture.onOpen = animate;

  const config = create(SessionConfigSchema);
  const run: Record<Kind, (name: string) => Promise<unknown>> = {
    start: (name) => manager.start(name),
    stop: (name) => manager.stop(name),
    restart: (name) => manager.restart(name),
    logout: (name) => manager.logout(name),
    update: (name) => manager.update(name, config),
    delete: (name) => manager.delete(name),
  };
  const wants: Partial<Record<Kind, Desired>> = {
    start: Desired.RUNNING,
    restart: Desired.RUNNING,
    stop: Desired.STOPPED,
  };
  const orGone = async (command: Promise<unknown>) => {
    await command.catch((error: unknown) => {
      if (!(error instanceof SessionError && error.reason === "SESSION_NOT_FOUND")) throw error;
    });
  };

  let issued = 0;
  const play = async (name: string) => {
    let desired: Desired | undefined;
    while (issued < commandCount) {
      if (desired === undefined) {
        await manager.create({ name, engine: 0, config: undefined, start: true });
        desired = Desired.RUNNING;
      }
      const burst = Array.from({ length: 1 + random(5) }, () =>
        random(12) === 0 ? "delete" : pick(kinds.slice(0, 5)),
      );
      issued += burst.length;
      if (random(2) === 0) await new Promise<void>((resolve) => clock.schedule(random(longestPauseMs), resolve));
      const end = burst.indexOf("delete");
      await Promise.all(burst.map((kind) => orGone(run[kind](name))));
      if (end >= 0) {
        await assert.rejects(manager.get(name), /not found/);
        desired = undefined;
        continue;
      }
      desired = burst.reduce((before, kind) => wants[kind] ?? before, desired);
      const record = await manager.get(name);
      assert.equal(record.desiredState, desired, `after ${burst.join(", ")}`);
      if (desired === Desired.STOPPED) {
        assert.equal(statusOf(record), Status.STOPPED);
        const engine = current.get(name);
        assert.ok(!engine || engine.closed || engine.closing, "its engine is closed");
      }
    }
  };
  const playing = Promise.all(Array.from({ length: sessionCount }, (_, i) => play(`s${i}`)));
  let done = false;
  playing.then(
    () => (done = true),
    () => (done = true),
  );
  while (!done) {
    await new Promise(setImmediate);
    clock.advance(10);
  }
  await playing;

  assert.deepEqual(twice, []);
  const seen = new Set<string>();
  const statuses = new Map<string, string>();
  const reading = harness.backend.log.events(
    undefined,
    0n,
    new AbortController().signal,
    await harness.backend.log.lastSeq(),
  );
  for await (const { session, name, payload } of reading) {
    if (name === "session.deleted") statuses.delete(session);
    if (name !== "session.status" || payload.case !== "sessionStatus") continue;
    const to = Status[payload.value.status] ?? "";
    const from = statuses.get(session) ?? "STOPPED";
    assert.ok(legalSteps[from]?.includes(to), `${session}: ${from} to ${to}`);
    statuses.set(session, to);
    seen.add(to);
  }
  assert.deepEqual([...seen].sort(), ["FAILED", "SCAN_QR_CODE", "STARTING", "STOPPED", "WORKING"]);

  // A command does not wait for an engine that hangs while it closes. Such an engine ends once its time has passed.
  await pass(clock, longestHangMs, 100);
  for (const engine of engines) engine.closes = Promise.resolve();
  await manager.close();
  await settle();
  assert.deepEqual(
    engines.filter((engine) => !engine.closed).map(({ session }) => session),
    [],
    "no engine is left",
  );
  // All engines have ended; any remaining wait is a leak.
  clock.advance(60_000);
  assert.equal(clock.pending, 0, "no timer is left");
});
