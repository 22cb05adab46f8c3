import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Engine_Kind } from "../gen/sessiond/v1/session_pb.js";
import { systemClock } from "../src/adapters/node/system.ts";
import type { EngineFactory } from "../src/ports/engine.ts";
import type { Logger } from "../src/ports/system.ts";
import { warnIfShared } from "../src/server/unsealed-cluster.ts";
import { FakeEngine, hasLogin, me, settle } from "./app/harness.ts";
import { MemoryCluster } from "./support/memory-cluster.ts";
import { silentLogger, startServer } from "./support/server.ts";

/** Starts servers as nodes of one cluster, whose sessions work as soon as their engines are open. */
function openServers(t: TestContext) {
  const cluster = new MemoryCluster(systemClock, "a", "b");
  const start = async (name: string, env: Readonly<Record<string, string>> = {}) => {
    const engines: FakeEngine[] = [];
    const factory: EngineFactory = {
      kind: Engine_Kind.NOWEB,
      abilities: [],
      open(options) {
        const engine = new FakeEngine(options);
        engines.push(engine);
        engine.report({ type: "opened", me });
        return engine;
      },
      hasLogin,
    };
    const log: string[] = [];
    const line = (_fields: object, message: string) => void log.push(message);
    const logger: Logger = { debug() {}, info: line, warn: line, error: line, child: () => logger };
    const server = await startServer(t, env, { backend: cluster.node(name).backend, engines: [factory], logger });
    const post = async (path: string, body: object = {}) => {
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`${server.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
      return { status: answer.status, body: await answer.json() };
    };
    return { ...server, engines, log, post, until: untilOf(log) };
  };
  return { cluster, start };
}

const untilOf = (log: readonly string[]) => async (text: string) => {
  while (!log.some((line) => line.includes(text))) await settle();
};

describe("a server that is a node of a cluster", () => {
  it("gives its sessions to another node when it stops", async (t) => {
    const { cluster, start } = openServers(t);
    const [a, b] = [await start("a"), await start("b")];
    for (const name of ["one", "two"]) await a.post("/api/sessions", { name, start: true });
    await a.stop();
    while (b.engines.length < 2) await settle();
    assert.deepEqual(cluster.handOvers, ["one → b", "two → b"]);
    assert.ok(a.engines.every((engine) => engine.closing));
    assert.ok(a.log.includes("sessions handed over"));
  });

  it("leaves them to its next start with SESSIOND_DRAIN=return", async (t) => {
    const { cluster, start } = openServers(t);
    const [a, b] = [await start("a", { SESSIOND_DRAIN: "return" }), await start("b")];
    await a.post("/api/sessions", { name: "one", start: true });
    await a.stop();
    assert.deepEqual([...cluster.owners], [["one", "a"]]);
    assert.equal(b.engines.length, 0);
  });

  it("is not healthy while it gives its sessions away, and still answers calls", async (t) => {
    const { cluster, start } = openServers(t);
    const a = await start("a");
    await start("b");
    await a.post("/api/sessions", { name: "one", start: true });
    const { placement } = cluster.node("a").backend.cluster ?? assert.fail();
    const { handOver } = placement;
    const checked = Promise.withResolvers<number[]>();
    placement.handOver = async (...args) => {
      const answers = [await fetch(`${a.url}/health`), await fetch(`${a.url}/api/sessions`)];
      checked.resolve(answers.map(({ status }) => status));
      return handOver(...args);
    };
    await a.stop();
    assert.deepEqual(await checked.promise, [503, 200]);
  });

  for (const [env, address] of [
    [{}, "http"],
    [{ SESSIOND_NODE_URL: "https://a.internal:3443" }, "https://a.internal:3443"],
  ] as const) {
    it(`tells the others where it listens with ${JSON.stringify(env)}`, async (t) => {
      const { cluster, start } = openServers(t);
      const { url } = await start("a", env);
      const expected = address === "http" ? { scheme: "http", port: Number(new URL(url).port) } : { url: address };
      assert.deepEqual(cluster.node("a").address, expected);
    });
  }

  it("refuses commands while it is frozen, says why, and goes on afterwards", async (t) => {
    const { cluster, start } = openServers(t);
    const a = await start("a");
    await a.post("/api/sessions", { name: "one", start: true });
    const { standing } = cluster.node("a");
    standing.freeze();
    const refused = await a.post("/api/sessions/one/stop");
    assert.equal(refused.status, 503);
    assert.match(JSON.stringify(refused.body), /cannot reach the store now/);
    standing.thaw();
    assert.equal((await a.post("/api/sessions/one/stop")).status, 201);
    await a.until("this node goes on");
    assert.ok(a.log.some((line) => line.includes("sends and acknowledges nothing")));
  });

  it("shows its state in the metrics", async (t) => {
    const { cluster, start } = openServers(t);
    const a = await start("a", { SESSIOND_METRICS: "true" });
    await a.post("/api/sessions", { name: "one", start: true });
    await cluster.take("one", "a");
    await settle();
    cluster.node("a").standing.freeze();
    const text = await (await fetch(`${a.url}/metrics`)).text();
    cluster.node("a").standing.thaw();
    for (const line of ["sessions 1", "frozen 1", "sessions_given_total 1", "sessions_lost_total 1"]) {
      assert.match(text, new RegExp(`^sessiond_node_${line}$`, "m"));
    }
  });
});

describe("a node whose store is not sealed", () => {
  for (const [what, otherIsAlive, count] of [
    ["warns beside another one, and names the variable", true, 1],
    ["does not warn of one that is gone", false, 0],
  ] as const) {
    it(what, async () => {
      const cluster = new MemoryCluster(systemClock, "a", "b");
      cluster.node("b").isAlive = otherIsAlive;
      const warnings: string[] = [];
      const logger = { ...silentLogger, warn: (_fields: object, message: string) => void warnings.push(message) };
      await warnIfShared(cluster.node("a").backend.cluster ?? assert.fail(), logger);
      assert.equal(warnings.length, count);
      for (const message of warnings) assert.match(message, /SESSIOND_SECRET_KEY is not set.*Set the same key/);
    });
  }
});

it("a server that is alone shows no metrics of a node", async (t) => {
  const { url } = await startServer(t, { SESSIOND_METRICS: "true" });
  assert.doesNotMatch(await (await fetch(`${url}/metrics`)).text(), /sessiond_node_/);
});
