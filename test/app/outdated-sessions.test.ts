import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Engine_Kind, Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { ConnectGate } from "../../src/app/connect-gate.ts";
import { statusOf } from "../../src/domain/session.ts";
import type { EngineFactory, EngineOptions } from "../../src/ports/engine.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FakeEngine, hasLogin, openHarness, settle } from "./harness.ts";

/** Opens sessions whose engines have a client version that the test sets. */
function openVersions(t: TestContext, gated = false) {
  const clock = new FakeClock();
  const engines: FakeEngine[] = [];
  const reported: string[] = [];
  const listeners: ((version: string) => void)[] = [];
  const clientVersions = {
    current: "1.0.0",
    refused: (version: string) => void reported.push(version),
    onChange: (listener: (version: string) => void) => void listeners.push(listener),
  };
  const factory: EngineFactory = {
    kind: Engine_Kind.NOWEB,
    abilities: [],
    clientVersions,
    open(options: EngineOptions) {
      const engine = new FakeEngine(options);
      engines.push(engine);
      return engine;
    },
    hasLogin,
  };
  const gate = gated ? new ConnectGate(clock, { perSecond: 1, maxConnecting: 1 }) : undefined;
  const harness = openHarness(t, { engines: new Map([[factory.kind, factory]]), gate }, clock);
  return {
    ...harness,
    engines,
    reported,
    change(version: string) {
      clientVersions.current = version;
      for (const listener of listeners) listener(version);
    },
    statusOf: async (name: string) => Status[statusOf(await harness.manager.get(name))],
  };
}

const refuse = (engine: FakeEngine | undefined, clientVersion: string) =>
  engine?.report({ type: "closed", cause: "client_outdated", message: "refused", clientVersion });

describe("sessions that failed for their client version", () => {
  it("are retried when the version changes, and not before", async (t) => {
    const { engines, start, change, reported, statusOf } = openVersions(t);
    await start("a");
    await start("b");
    for (const engine of [...engines]) refuse(engine, "1.0.0");
    await settle();
    assert.deepEqual(reported, ["1.0.0", "1.0.0"]);
    assert.deepEqual([await statusOf("a"), engines.length], ["FAILED", 2]);
    change("1.0.0");
    await settle();
    assert.equal(engines.length, 2, "the same version is no change");
    change("1.0.1");
    await settle();
    assert.deepEqual([await statusOf("a"), await statusOf("b"), engines.length], ["STARTING", "STARTING", 4]);
    refuse(engines[2], "1.0.1");
    await settle();
    assert.deepEqual([await statusOf("a"), engines.length], ["FAILED", 4]);
  });

  it("are retried at once if the version had changed before they were refused", async (t) => {
    const { engines, start, change, statusOf } = openVersions(t);
    await start("a");
    change("1.0.1");
    refuse(engines[0], "1.0.0");
    await settle();
    assert.deepEqual([await statusOf("a"), engines.length], ["STARTING", 2]);
  });

  it("are retried by a new process only with another version, and reported to it", async (t) => {
    const { engines, manager, start, change, reported, reopen, statusOf } = openVersions(t);
    await start("a");
    refuse(engines[0], "1.0.0");
    await settle();
    await manager.close();
    const second = reopen();
    await second.boot();
    await settle();
    assert.deepEqual([engines.length, reported], [1, ["1.0.0", "1.0.0"]]);
    await second.close();
    change("1.0.1");
    await reopen().boot();
    await settle();
    assert.deepEqual([await statusOf("a"), engines.length], ["STARTING", 2]);
  });

  it("reconnect through the gate", async (t) => {
    const { engines, clock, start, change } = openVersions(t, true);
    for (const name of ["a", "b", "c"]) await start(name);
    while (engines.length < 3) {
      clock.advance(1_000);
      await settle();
      refuse(engines.at(-1), "1.0.0");
      await settle();
    }
    change("1.0.1");
    await settle();
    assert.ok(engines.length <= 4, `${engines.length} engines`);
    refuse(engines[0], "1.0.0");
    for (let second = 0; second < 10; second++) {
      clock.advance(1_000);
      await settle();
      engines.at(-1)?.qr();
      await settle();
    }
    assert.equal(engines.length, 6);
  });
});
