import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Engine_Kind, Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { SessionError } from "../../src/domain/errors.ts";
import { statusOf } from "../../src/domain/session.ts";
import type { EngineFactory } from "../../src/ports/engine.ts";
import { FakeEngine, hasLogin, openHarness, settle } from "./harness.ts";

/** Opens a harness in which WEBJS is an engine with or without an obstacle. */
function harnessOf(t: TestContext) {
  const fixture: { obstacle: string | undefined; fault?: Error | undefined } = { obstacle: "there is no browser" };
  const webjs: EngineFactory = {
    kind: Engine_Kind.WEBJS,
    abilities: ["screenshots"],
    obstacle: async () => fixture.obstacle,
    open: (options) => new FakeEngine(options),
    hasLogin,
    files: {
      setAside: async () => {},
      discard: async () => {
        if (fixture.fault) throw fixture.fault;
      },
    },
  };
  const harness = openHarness(t, { engines: new Map([[webjs.kind, webjs]]), defaultEngine: Engine_Kind.WEBJS });
  const obstruct = (obstacle: string | undefined) => {
    fixture.obstacle = obstacle;
  };
  const refuseDiscard = (fault: Error | undefined) => {
    fixture.fault = fault;
  };
  return { ...harness, obstruct, refuseDiscard };
}

const refused = (error: unknown) =>
  error instanceof SessionError &&
  error.reason === "ENGINE_UNAVAILABLE" &&
  error.message === "The engine WEBJS is not available on this server: there is no browser";

describe("an engine that cannot be opened on this machine", () => {
  it("prevents the creation of sessions, started or not, and stores nothing", async (t) => {
    const { manager, backend, log } = harnessOf(t);
    for (const start of [true, false]) {
      await assert.rejects(manager.create({ name: "alice", engine: 0, config: undefined, start }), refused);
    }
    await assert.rejects(manager.startDeprecated("alice", undefined), refused);
    assert.deepEqual((await backend.sessions.list()).records, []);
    assert.deepEqual(log, []);
  });

  it("prevents the start, restart or update of a running session and leaves it unchanged", async (t) => {
    const { manager, obstruct } = harnessOf(t);
    obstruct(undefined);
    const stopped = (await manager.create({ name: "alice", engine: 0, config: undefined, start: false })).record;
    const running = (await manager.create({ name: "bob", engine: 0, config: undefined, start: true })).record;
    await settle();
    obstruct("there is no browser");
    await assert.rejects(manager.start("alice"), refused);
    await assert.rejects(manager.restart("alice"), refused);
    await assert.rejects(manager.update("bob", undefined), refused);
    await assert.rejects(manager.restart("bob"), refused);
    assert.deepEqual(await manager.get("alice"), stopped);
    assert.deepEqual(await manager.get("bob"), running);
    // Commands that need no new engine still work.
    assert.equal(statusOf(await manager.start("bob")), Status.STARTING);
    assert.equal(statusOf(await manager.update("alice", undefined)), Status.STOPPED);
    assert.equal(statusOf(await manager.stop("bob")), Status.STOPPED);
    await manager.delete("bob");
  });
});

describe("engine files outside the store", () => {
  it("are removed before the session's record; the session stays if that fails", async (t) => {
    const harness = harnessOf(t);
    harness.obstruct(undefined);
    await harness.manager.create({ name: "alice", engine: 0, config: undefined, start: true });
    harness.refuseDiscard(new Error("the disk does not answer"));
    await assert.rejects(harness.manager.delete("alice"), /disk/);
    assert.equal((await harness.manager.get("alice")).name, "alice");
    harness.refuseDiscard(undefined);
    await harness.manager.delete("alice");
    await assert.rejects(harness.manager.get("alice"), { reason: "SESSION_NOT_FOUND" });
  });
});

describe("an engine that stores no former login", () => {
  it("reports so when a restore is requested, and continues", async (t) => {
    const { manager, obstruct } = harnessOf(t);
    obstruct(undefined);
    const { record } = await manager.create({ name: "alice", engine: 0, config: undefined, start: true });
    await settle();
    await assert.rejects(manager.restoreCredentials("alice"), {
      reason: "METHOD_NOT_SUPPORTED",
      message: "The engine WEBJS keeps no former login that could be restored.",
    });
    assert.deepEqual(await manager.get("alice"), record);
    await assert.rejects(manager.restoreCredentials("nobody"), { reason: "SESSION_NOT_FOUND" });
  });
});
