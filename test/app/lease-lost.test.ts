import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { LeaseLost } from "../../src/ports/sessions.ts";
import { type FakeEngine, me, messageOf, openHarness, settle } from "./harness.ts";

/** States of a session in which its owner has an open engine. */
const states: readonly (readonly [string, (engine: FakeEngine) => void])[] = [
  ["connects", () => {}],
  ["offers a code", (engine) => engine.qr()],
  ["is paired", (engine) => engine.report({ type: "paired", me })],
  ["works", (engine) => engine.report({ type: "opened", me })],
];

/** Opens a session whose engine has made the reports of `prepare`. */
async function owned(t: TestContext, prepare: (engine: FakeEngine) => void) {
  const harness = openHarness(t);
  await harness.start();
  const engine = harness.engine();
  prepare(engine);
  await settle();
  return { ...harness, engine };
}

describe("a session that another process takes over", () => {
  for (const [state, prepare] of states) {
    it(`has its engine closed before the new owner has the lease, while it ${state}`, async (t) => {
      const { backend, engine } = await owned(t, prepare);
      const taking = backend.sessions.acquire("alice");
      // Nothing was awaited since, so the engine had no chance to run.
      assert.ok(engine.closing);
      await taking;
    });

    it(`keeps its record as it was, while it ${state}`, async (t) => {
      const { backend, engine } = await owned(t, prepare);
      const before = await backend.sessions.get("alice");
      await backend.sessions.acquire("alice");
      engine.report({ type: "message", message: messageOf("1") });
      await settle();
      assert.deepEqual(await backend.sessions.get("alice"), before);
    });
  }

  it("opens no other engine for commands or for time that passes", async (t) => {
    const { backend, manager, engines, clock } = await owned(t, (engine) =>
      engine.report({ type: "closed", cause: "unreachable", message: "lost" }),
    );
    await backend.sessions.acquire("alice");
    clock.advance(3_600_000);
    await assert.rejects(manager.restart("alice"));
    await settle();
    assert.equal(engines.length, 1);
  });

  it("has its credentials refused to the former engine", async (t) => {
    const { backend, engine } = await owned(t, (one) => one.report({ type: "opened", me }));
    await backend.sessions.acquire("alice");
    await assert.rejects(engine.pair(), LeaseLost);
  });

  it("is said once in the log", async (t) => {
    const { backend, log } = await owned(t, (engine) => engine.report({ type: "opened", me }));
    await backend.sessions.acquire("alice");
    await settle();
    assert.equal(log.filter((line) => line.includes("another process may run this session")).length, 1);
  });
});

it("a session given up by its owner says nothing of a loss", async (t) => {
  const { manager, backend, log } = await owned(t, (engine) => engine.report({ type: "opened", me }));
  await manager.close();
  await backend.sessions.acquire("alice");
  await settle();
  assert.deepEqual(
    log.filter((line) => line.includes("another process")),
    [],
  );
});
