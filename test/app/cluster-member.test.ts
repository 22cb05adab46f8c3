import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Engine_Kind, Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { ConnectGate } from "../../src/app/connect-gate.ts";
import { statusOf } from "../../src/domain/session.ts";
import type { EngineFactory } from "../../src/ports/engine.ts";
import { openCluster } from "./cluster-harness.ts";
import { me, pass, settle } from "./harness.ts";

const names = (count: number) => Array.from({ length: count }, (_, i) => `session-${String(i).padStart(4, "0")}`);

describe("a node that starts", () => {
  it("runs none of the sessions that it is not given", async (t) => {
    const { boot } = openCluster(t);
    const a = await boot("a");
    await a.create();
    await settle();
    const b = await boot("b");
    assert.equal(b.engines.length, 0);
  });

  for (const [what, others, count] of [
    ["loads its engine beside other nodes, before a session is handed to it", true, 1],
    ["loads no engine before it is used if it is alone", false, 0],
  ] as const) {
    it(what, async (t) => {
      const { boot, cluster } = openCluster(t);
      for (const name of ["b", "c"]) cluster.node(name).isAlive = others;
      let loads = 0;
      const factory: EngineFactory = {
        kind: Engine_Kind.NOWEB,
        abilities: [],
        preload: async () => void loads++,
        open: () => assert.fail("no session runs"),
        hasLogin: async () => false,
      };
      await boot("a", { engines: new Map([[factory.kind, factory]]) });
      assert.equal(loads, count);
    });
  }

  it("runs each session that it is given, and says so in one line", async (t) => {
    const { boot, cluster } = openCluster(t);
    const a = await boot("a");
    for (const name of names(3)) await a.create(name);
    await settle();
    const b = await boot("b");
    for (const name of names(3)) await cluster.take(name, "b");
    await settle();
    assert.deepEqual(b.engines.map(({ session }) => session).sort(), names(3));
    for (const engine of b.engines) engine.report({ type: "opened", me });
    await settle();
    const lines = b.log.filter((line) => line.includes("sessions restored"));
    assert.deepEqual(lines.length, 1);
    assert.match(lines[0] ?? "", /"restored":3/);
    assert.equal(b.manager.memberCounts?.given, 3);
  });

  it("takes on a session whose store fails at first", async (t) => {
    const { boot, cluster, clock } = openCluster(t);
    const a = await boot("a");
    await a.create();
    await settle();
    const b = await boot("b");
    const { acquire } = b.backend.sessions;
    b.backend.sessions.acquire = async () => {
      b.backend.sessions.acquire = acquire;
      throw new Error("the store does not answer");
    };
    await cluster.take("alice", "b");
    await pass(clock, 2_000);
    assert.equal(b.engines.length, 1);
  });

  it("leaves a session alone that another node has got in the meantime", async (t) => {
    const { boot, cluster, clock } = openCluster(t);
    const a = await boot("a");
    await a.create();
    await settle();
    const b = await boot("b");
    cluster.node("b").given.emit("session", "alice");
    await pass(clock, 5_000);
    assert.equal(b.engines.length, 0);
    assert.deepEqual(
      b.log.filter((line) => line.startsWith("error")),
      [],
    );
  });

  for (const [what, run] of [
    ["runs on another node", async () => {}],
    ["is stopped on another node", (stop: () => Promise<unknown>) => stop()],
  ] as const) {
    it(`does not start a session of WHATSAPP_START_SESSION that ${what}`, async (t) => {
      const { boot } = openCluster(t);
      const a = await boot("a");
      await a.create();
      await run(() => a.manager.stop("alice"));
      const b = await boot("b", { names: ["alice"] });
      assert.equal(b.engines.length, 0);
    });
  }

  it("creates the sessions of WHATSAPP_START_SESSION that are nowhere", async (t) => {
    const { boot } = openCluster(t);
    const a = await boot("a", { names: ["alice"] });
    const b = await boot("b", { names: ["alice"] });
    assert.deepEqual([a.engines.length, b.engines.length], [1, 0]);
  });

  it("starts stopped sessions that no node owns if all are to be restarted", async (t) => {
    const { boot, cluster } = openCluster(t);
    const a = await boot("a");
    await a.create("one");
    await a.create("two");
    await a.manager.stop("one");
    await a.manager.stop("two");
    await a.manager.close();
    cluster.owners.set("two", "c");
    const b = await boot("b", { restart: "all" });
    assert.deepEqual(
      b.engines.map(({ session }) => session),
      ["one"],
    );
  });

  it("leaves a session to its creation that has the name of a removed one with deliveries", async (t) => {
    const { boot, cluster } = openCluster(t);
    const a = await boot("a");
    const { messages } = a.backend.sessions;
    a.backend.sessions.messages = async (session) => {
      cluster.give(session, "a");
      await settle();
      return messages(session);
    };
    await a.create();
    await settle();
    assert.equal(a.engines.length, 1);
  });

  it("acquires a removed session that still has deliveries", async (t) => {
    const { boot, cluster } = openCluster(t);
    await boot("b");
    cluster.give("gone", "b");
    cluster.owners.delete("gone");
    await settle();
    assert.equal(cluster.owners.get("gone"), "b");
  });
});

describe("a login that is still to be unlinked at WhatsApp", () => {
  it("is taken over by the node that is given it", async (t) => {
    const { boot, cluster, clock } = openCluster(t);
    const a = await boot("a");
    await a.create();
    await settle();
    a.engine().report({ type: "opened", me });
    await settle();
    a.engine().unlinks = Promise.resolve("unknown");
    a.fixture.onOpen = (engine) => {
      engine.unlinks = Promise.resolve("unknown");
    };
    const left = a.manager.logout("alice");
    await pass(clock, 10_000);
    await left;
    assert.equal(a.manager.pendingUnlinks, 1);
    const [pending] = await a.backend.pendingUnlinks.list();
    const b = await boot("b");
    const id = pending?.id ?? "";
    await a.manager.close();
    cluster.give(id, "b");
    await pass(clock, 120_000, 5_000);
    assert.equal(b.manager.pendingUnlinks, 0);
    assert.deepEqual(await b.backend.pendingUnlinks.list(), []);
  });
});

describe("a node that is drained", () => {
  it("hands over all its sessions, each with its engine closed first, at most 20 a second", async (t) => {
    const { boot, cluster, clock } = openCluster(t);
    const [a, b] = [await boot("a"), await boot("b")];
    cluster.node("c").isAlive = false;
    for (const name of names(100)) await a.create(name);
    await settle();
    const startedAtMs = clock.nowMs();
    const drained = a.manager.drain("handoff");
    await settle();
    assert.equal(cluster.node("a").isDraining, true);
    while (cluster.handOvers.length < 100) {
      assert.ok(cluster.handOvers.length <= 1 + (clock.nowMs() - startedAtMs) / 50);
      await pass(clock, 50, 50);
    }
    await drained;
    assert.ok(clock.nowMs() - startedAtMs <= 6_000);
    await settle();
    assert.ok(a.engines.every((engine) => engine.closing));
    assert.deepEqual(b.engines.map(({ session }) => session).sort(), names(100));
    assert.deepEqual(a.manager.memberCounts, { owned: 0, isFrozen: false, given: 0, lost: 0, handedOver: 100 });
  });

  it("spreads its sessions over the other nodes by the loads as they will be", async (t) => {
    const { boot, cluster, clock } = openCluster(t);
    const [a] = [await boot("a"), await boot("b"), await boot("c")];
    for (const name of names(6)) await a.create(name);
    await settle();
    const drained = a.manager.drain("handoff");
    await pass(clock, 1_000, 50);
    await drained;
    const targets = cluster.handOvers.map((line) => line.at(-1));
    assert.deepEqual(targets, ["b", "c", "b", "c", "b", "c"]);
  });

  it("prefers nodes of the build that came last, though they have less room", async (t) => {
    const { boot, cluster, clock } = openCluster(t);
    const [a, , c] = [await boot("a"), await boot("b"), await boot("c")];
    Object.assign(cluster.node("c"), { build: "new", startedAs: 3n });
    for (const name of names(3)) await a.create(name);
    await c.create("other");
    await settle();
    const drained = a.manager.drain("handoff");
    await pass(clock, 1_000, 50);
    await drained;
    assert.deepEqual(
      cluster.handOvers,
      names(3).map((name) => `${name} → c`),
    );
  });

  it("hands over no faster than nodes connect", async (t) => {
    const { boot, cluster, clock } = openCluster(t);
    const gate = new ConnectGate(clock, { perSecond: 5, maxConnecting: 64 });
    const [a] = [await boot("a", { gate }), await boot("b")];
    for (const name of names(3)) await a.create(name);
    await pass(clock, 1_000, 50);
    const drained = a.manager.drain("handoff");
    await pass(clock, 350, 50);
    assert.equal(cluster.handOvers.length, 2);
    await pass(clock, 200, 50);
    await drained;
    assert.equal(cluster.handOvers.length, 3);
  });

  it("keeps stopped sessions until it ends, and then leaves them to any node", async (t) => {
    const { boot, cluster } = openCluster(t);
    const [a] = [await boot("a"), await boot("b")];
    for (const name of names(100)) await a.manager.create({ name, engine: 0, config: undefined, start: false });
    await a.manager.drain("handoff");
    assert.deepEqual(cluster.handOvers, []);
    await a.manager.close();
    assert.equal(cluster.owners.size, 0);
  });

  it("answers commands for a session that it has handed over with the new node's name", async (t) => {
    const { boot, clock } = openCluster(t);
    const [a] = [await boot("a"), await boot("b")];
    await a.create();
    const drained = a.manager.drain("handoff");
    await pass(clock, 100, 50);
    await drained;
    await assert.rejects(a.manager.stop("alice"), { reason: "OWNED_ELSEWHERE" });
  });

  it("takes on no more sessions", async (t) => {
    const { boot, cluster } = openCluster(t);
    const [a, b] = [await boot("a"), await boot("b")];
    await b.create();
    await a.manager.drain("handoff");
    await cluster.take("alice", "a");
    await settle();
    assert.equal(a.engines.length, 0);
  });

  it("stops at once if no other node could take its sessions", async (t) => {
    const { boot, cluster, clock } = openCluster(t);
    const a = await boot("a");
    for (const name of ["b", "c"]) cluster.node(name).isAlive = false;
    for (const name of names(100)) await a.create(name);
    const startedAtMs = clock.nowMs();
    await a.manager.drain("handoff");
    await a.manager.close();
    assert.equal(clock.nowMs(), startedAtMs);
    assert.deepEqual(cluster.handOvers, []);
    assert.equal(cluster.owners.size, 0);
  });

  it("leaves its sessions to its own next start if that is wanted", async (t) => {
    const { boot, cluster } = openCluster(t);
    const [a] = [await boot("a"), await boot("b")];
    await a.create();
    await a.manager.drain("return");
    assert.equal(cluster.node("a").returns, true);
    await a.manager.close();
    assert.ok(a.engine().closing);
    assert.deepEqual([...cluster.owners], [["alice", "a"]]);
  });

  it("hands over nothing while it is frozen", async (t) => {
    const { boot, cluster } = openCluster(t);
    const [a] = [await boot("a"), await boot("b")];
    await a.create();
    a.standing.freeze();
    await a.manager.drain("handoff");
    assert.deepEqual(cluster.handOvers, []);
  });
});

describe("a session with files on its node's machine", () => {
  it("cannot be run by another node, and says why", async (t) => {
    const { boot, cluster } = openCluster(t);
    const a = await boot("a", {}, true);
    await a.create();
    await settle();
    const b = await boot("b", {}, true);
    cluster.owners.delete("alice");
    await assert.rejects(
      b.manager.restart("alice"),
      (error: { reason?: string; message?: string; metadata?: object }) => {
        assert.equal(error.reason, "OWNED_ELSEWHERE");
        assert.deepEqual(error.metadata, { session: "alice", node: "a", bound: "true" });
        assert.match(error.message ?? "", /browser profile on node 'a'.*start the node/);
        return true;
      },
    );
  });

  it("stays where it is when its node is drained", async (t) => {
    const { boot, cluster } = openCluster(t);
    const [a, b] = [await boot("a", {}, true), await boot("b", {}, true)];
    await a.create();
    await settle();
    await a.manager.drain("handoff");
    await a.manager.close();
    assert.ok(a.engine().closing);
    assert.deepEqual(cluster.handOvers, []);
    assert.equal(b.engines.length, 0);
  });

  it("can be run by any node once it was never started, or is logged out", async (t) => {
    const { boot, cluster } = openCluster(t);
    const [a, b] = [await boot("a", {}, true), await boot("b", {}, true)];
    await a.manager.create({ name: "alice", engine: 0, config: undefined, start: false });
    await cluster.take("alice", "b");
    await settle();
    await b.manager.start("alice");
    b.engine().report({ type: "opened", me });
    await settle();
    await b.manager.stop("alice");
    await assert.rejects(a.manager.start("alice"), { reason: "OWNED_ELSEWHERE" });
    await b.manager.logout("alice");
    await cluster.take("alice", "a");
    await settle();
    assert.equal(statusOf(await a.manager.start("alice")), Status.STARTING);
  });
});
