import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import type { SessionManager } from "../../src/app/session-manager.ts";
import { statusOf } from "../../src/domain/session.ts";
import { LeaseLost } from "../../src/ports/sessions.ts";
import { openCluster } from "./cluster-harness.ts";
import { me, messageOf, pass, settle } from "./harness.ts";

/** Node "a" runs the session "alice", which works; node "b" is up. */
async function working(t: TestContext) {
  const { cluster, boot, clock } = openCluster(t);
  const [a, b] = [await boot("a"), await boot("b")];
  await a.create();
  await settle();
  a.engine().report({ type: "opened", me });
  await settle();
  return { a, b, cluster, clock };
}

/** Holds the commits of a node from now on, until they are passed on. */
function holdCommits({ backend }: { backend: { sessions: { commit: (...args: never[]) => Promise<unknown> } } }) {
  const { commit } = backend.sessions;
  const held = Promise.withResolvers<void>();
  backend.sessions.commit = async (...args) => {
    await held.promise;
    return commit(...args);
  };
  return () => held.resolve();
}

const commands: Readonly<Record<string, (manager: SessionManager) => Promise<unknown>>> = {
  start: (manager) => manager.start("alice"),
  stop: (manager) => manager.stop("alice"),
  restart: (manager) => manager.restart("alice"),
  logout: (manager) => manager.logout("alice"),
  delete: (manager) => manager.delete("alice"),
  update: (manager) => manager.update("alice", undefined),
  "restore credentials": (manager) => manager.restoreCredentials("alice"),
};

describe("a session that is taken from its node", () => {
  it("has its engine closed before anything else happens", async (t) => {
    const { a, cluster } = await working(t);
    const taking = cluster.take("alice", "b");
    await Promise.resolve();
    assert.ok(a.engine().closing);
    await taking;
  });

  it("writes nothing more, though its commit was under way", async (t) => {
    const { a, b, cluster } = await working(t);
    const release = holdCommits(a);
    a.engine().report({ type: "message", message: messageOf("1") });
    await settle();
    const before = await b.backend.log.lastSeq();
    await cluster.take("alice", "c");
    release();
    await settle();
    assert.equal(await b.backend.log.lastSeq(), before);
  });

  it("is given up for a refused write alone, and its engine is asked for nothing more", async (t) => {
    const { a } = await working(t);
    a.backend.sessions.commit = async () => {
      throw new LeaseLost("refused");
    };
    const { asked } = a.engine();
    a.engine().report({ type: "message", message: messageOf("1") });
    await settle();
    assert.ok(a.engine().closing);
    assert.equal(a.engine().asked, asked);
    assert.equal(a.manager.memberCounts?.owned, 0);
  });

  it("is given up for a refused command alone", async (t) => {
    const { a } = await working(t);
    a.backend.sessions.commit = async () => {
      throw new LeaseLost("refused");
    };
    await assert.rejects(a.manager.stop("alice"), { reason: "SESSION_MOVING" });
    assert.ok(a.engine().closing);
  });

  it("runs on the other node", async (t) => {
    const { b, cluster } = await working(t);
    await cluster.take("alice", "b");
    await settle();
    assert.equal(b.engines.length, 1);
    b.engine().report({ type: "opened", me });
    await settle();
    assert.equal(statusOf(await b.manager.get("alice")), Status.WORKING);
  });

  it("can come back under another lease", async (t) => {
    const { a, b, cluster } = await working(t);
    await cluster.take("alice", "b");
    await settle();
    await cluster.take("alice", "a");
    await settle();
    assert.ok(b.engine().closing);
    assert.equal(a.engines.length, 2);
    a.engine().report({ type: "opened", me });
    await settle();
    assert.equal(statusOf(await a.manager.get("alice")), Status.WORKING);
    await a.manager.stop("alice");
  });

  it("comes back though its former engine takes long to close", async (t) => {
    const { a, cluster } = await working(t);
    a.engine().closes = new Promise(() => {});
    await cluster.take("alice", "a");
    await settle();
    assert.equal(a.engines.length, 2);
  });

  for (const [name, command] of Object.entries(commands)) {
    it(`tells the caller of "${name}" on the former node who runs it`, async (t) => {
      const { a, cluster } = await working(t);
      await cluster.take("alice", "b");
      await settle();
      await assert.rejects(command(a.manager), {
        reason: "OWNED_ELSEWHERE",
        metadata: { session: "alice", node: "b", bound: "false" },
      });
      assert.equal(a.engines.length, 1);
    });

    // A session that works is not changed by a start.
    if (name === "start") continue;
    it(`tells the caller of a "${name}" that was under way to try again`, async (t) => {
      const { a, cluster } = await working(t);
      const release = holdCommits(a);
      const answer = assert.rejects(command(a.manager), { reason: "SESSION_MOVING" });
      await settle();
      await cluster.take("alice", "c");
      release();
      await answer;
      await settle();
      assert.equal(a.engines.length, 1);
    });
  }

  it("opens no engine if it is taken while it is loaded", async (t) => {
    const { b, cluster } = await working(t);
    b.backend.sessions.messages = async () => {
      await cluster.take("alice", "c");
      return undefined;
    };
    await cluster.take("alice", "b");
    await settle();
    assert.equal(b.engines.length, 0);
  });

  it("runs if it is lost while it is loaded, and comes back before that is over", async (t) => {
    const { b, cluster, clock } = await working(t);
    const { messages } = b.backend.sessions;
    b.backend.sessions.messages = async (session) => {
      b.backend.sessions.messages = messages;
      await cluster.take("alice", "c");
      await cluster.take("alice", "b");
      await settle();
      return messages(session);
    };
    await cluster.take("alice", "b");
    await settle();
    assert.equal(b.engines.length, 0);
    await pass(clock, 2_000);
    assert.equal(b.engines.length, 1);
  });

  it("is not kept in memory if it is taken while it is loaded, though it has nothing to write", async (t) => {
    const { a, b, cluster } = await working(t);
    await a.manager.stop("alice");
    b.backend.sessions.messages = async () => {
      await cluster.take("alice", "c");
      return undefined;
    };
    cluster.owners.delete("alice");
    await assert.rejects(b.manager.stop("alice"), { reason: "SESSION_MOVING" });
    assert.equal(b.manager.memberCounts?.owned, 0);
  });

  it("keeps its files if it is taken at the moment in which its login was discarded", async (t) => {
    const { cluster, boot } = openCluster(t);
    const a = await boot("a", {}, true);
    await a.create();
    await settle();
    a.engine().report({ type: "closed", cause: "logged_out", message: "unlinked" });
    await settle();
    const discarded: string[] = [];
    a.fixture.discard = async (session) => void discarded.push(session);
    const { commit } = a.backend.sessions;
    a.backend.sessions.commit = async (...args) => {
      const events = await commit(...args);
      await cluster.take("alice", "c");
      return events;
    };
    await assert.rejects(a.manager.start("alice"), { reason: "SESSION_MOVING" });
    assert.deepEqual(discarded, []);
    assert.equal(a.engines.length, 1);
  });

  it("opens no engine on the former node as time passes", async (t) => {
    const { a, cluster, clock } = await working(t);
    a.engine().report({ type: "closed", cause: "unreachable", message: "lost" });
    await settle();
    await cluster.take("alice", "c");
    clock.advance(3_600_000);
    await settle();
    assert.equal(a.engines.length, 1);
  });
});

describe("a session's name", () => {
  it("cannot be used again on a node while another one owns it", async (t) => {
    const { b } = await working(t);
    await assert.rejects(b.create(), { reason: "SESSION_ALREADY_EXISTS" });
  });

  it("is given to one of two nodes that create it at the same moment", async (t) => {
    const { boot } = openCluster(t);
    const [a, b] = [await boot("a"), await boot("b")];
    const results = await Promise.allSettled([a.create(), b.create()]);
    assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    assert.equal(a.engines.length + b.engines.length, 1);
  });

  it("can be used on any node once the session is deleted", async (t) => {
    const { a, b } = await working(t);
    await a.manager.delete("alice");
    await b.create();
    assert.equal(b.engines.length, 1);
  });
});
