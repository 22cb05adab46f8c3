import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { ConnectGate, defaultConnectLimits } from "../../src/app/connect-gate.ts";
import type { SessionManager } from "../../src/app/session-manager.ts";
import { statusOf } from "../../src/domain/session.ts";
import { openCluster } from "./cluster-harness.ts";
import { me, messageOf, pass, settle } from "./harness.ts";

/** A node whose session "alice" works. */
async function working(t: TestContext) {
  const { cluster, clock, boot } = openCluster(t);
  const gate = new ConnectGate(clock, defaultConnectLimits, cluster.node("a").standing);
  const node = await boot("a", { gate });
  await node.create();
  await settle();
  node.engine().report({ type: "opened", me });
  await settle();
  return { ...node, cluster, clock };
}

const commands: Readonly<Record<string, (manager: SessionManager) => Promise<unknown>>> = {
  create: (manager) => manager.create({ name: "bob", engine: 0, config: undefined, start: true }),
  start: (manager) => manager.start("alice"),
  stop: (manager) => manager.stop("alice"),
  restart: (manager) => manager.restart("alice"),
  logout: (manager) => manager.logout("alice"),
  delete: (manager) => manager.delete("alice"),
  update: (manager) => manager.update("alice", undefined),
  "restore credentials": (manager) => manager.restoreCredentials("alice"),
};

describe("a frozen node", () => {
  for (const [name, command] of Object.entries(commands)) {
    it(`refuses "${name}" at once and does nothing of it, then or later`, async (t) => {
      const { manager, standing, backend, engines, engine } = await working(t);
      standing.freeze();
      const before = await backend.sessions.list();
      await assert.rejects(command(manager), { reason: "STORE_UNAVAILABLE" });
      standing.thaw();
      await settle();
      assert.deepEqual(await backend.sessions.list(), before);
      assert.equal(engines.length, 1);
      assert.ok(!engine().closing);
    });
  }

  it("answers a command at once that waits for the store, and finishes it as a whole later", async (t) => {
    const { manager, standing, backend, engine } = await working(t);
    const { commit } = backend.sessions;
    const reachable = Promise.withResolvers<void>();
    backend.sessions.commit = async (...args) => {
      await reachable.promise;
      return commit(...args);
    };
    const answer = assert.rejects(manager.stop("alice"), { reason: "STORE_UNAVAILABLE" });
    await settle();
    standing.freeze();
    await answer;
    assert.ok(!engine().closing);
    standing.thaw();
    reachable.resolve();
    await settle();
    assert.equal(statusOf(await manager.get("alice")), Status.STOPPED);
    assert.ok(engine().closing);
  });

  it("answers reads", async (t) => {
    const { manager, standing } = await working(t);
    standing.freeze();
    assert.equal((await manager.get("alice")).name, "alice");
  });

  it("asks an engine for nothing more until what it reported is written", async (t) => {
    const { standing, engine } = await working(t);
    standing.freeze();
    const { asked } = engine();
    engine().report({ type: "message", message: messageOf("1") }, { type: "message", message: messageOf("2") });
    await settle();
    assert.equal(engine().asked, asked);
    standing.thaw();
    await settle();
    assert.equal(engine().asked, asked + 2);
  });

  it("keeps its engines for a minute and opens none, though time passes and a connection is lost", async (t) => {
    const { standing, engine, engines, clock } = await working(t);
    standing.freeze();
    await pass(clock, 60_000);
    assert.ok(!engine().closing);
    engine().report({ type: "closed", cause: "unreachable", message: "lost" });
    await pass(clock, 60_000);
    assert.equal(engines.length, 1);
  });

  it("opens the engines that were due within three seconds after its thaw", async (t) => {
    const { standing, engine, engines, clock } = await working(t);
    engine().report({ type: "closed", cause: "unreachable", message: "lost" });
    await settle();
    standing.freeze();
    await pass(clock, 120_000);
    assert.equal(engines.length, 1);
    standing.thaw();
    await pass(clock, 3_000, 500);
    assert.equal(engines.length, 2);
  });

  it("loses its sessions without a further step if others have taken them", async (t) => {
    const { standing, engine, engines, cluster, manager, backend } = await working(t);
    standing.freeze();
    engine().report({ type: "message", message: messageOf("1") });
    await settle();
    const before = await backend.log.lastSeq();
    await cluster.take("alice", "b");
    standing.lose();
    await settle();
    assert.ok(engine().closing);
    assert.equal(engines.length, 1);
    assert.equal(await backend.log.lastSeq(), before);
    assert.equal(manager.memberCounts?.owned, 0);
    assert.equal(manager.memberCounts?.lost, 1);
  });

  it("stops in seconds though its writes do not come through", async (t) => {
    const { standing, engine, manager, clock } = await working(t);
    standing.freeze();
    engine().report({ type: "message", message: messageOf("1") });
    await settle();
    const stopped = manager.close();
    await pass(clock, 10_000);
    await stopped;
    assert.ok(engine().closing);
  });
});
