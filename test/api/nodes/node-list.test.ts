import assert from "node:assert/strict";
import { hostname } from "node:os";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ServerService } from "../../../gen/sessiond/v1/server_service_pb.js";
import { Session_View as View } from "../../../gen/sessiond/v1/session_pb.js";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import packageJson from "../../../package.json" with { type: "json" };
import { startServer } from "../../support/server.ts";
import { startTwoNodes, type TestNode } from "../../support/two-nodes.ts";

const { version } = packageJson;
const getJson = async (url: string): Promise<unknown> => (await fetch(url)).json();
const sessionsOf = ({ url }: TestNode) => createClient(SessionService, createGrpcTransport({ baseUrl: url }));

describe("the list of nodes", () => {
  for (const [env, name] of [
    [{}, hostname()],
    [{ SESSIOND_NODE: "sun" }, "sun"],
  ] as const) {
    it(`of a server without a cluster is the server itself, ${JSON.stringify(env)}`, async (t) => {
      const { url } = await startServer(t, env);
      const alone = { name, version, alive: true, draining: false, self: true };
      assert.deepEqual(await getJson(`${url}/api/server/nodes`), { nodes: [alone] });
      const { nodes } = await createClient(ServerService, createGrpcTransport({ baseUrl: url })).listNodes({});
      assert.deepEqual(
        nodes.map((node) => [node.name, node.url, node.capacity, node.load]),
        [[name, "", undefined, undefined]],
      );
    });
  }

  it("shows the build after the version", async (t) => {
    const { url } = await startServer(t, { SESSIOND_BUILD: "5d9c7b" });
    const { nodes } = await createClient(ServerService, createGrpcTransport({ baseUrl: url })).listNodes({});
    assert.deepEqual(
      nodes.map((node) => node.version),
      [`${version}+5d9c7b`],
    );
  });

  it("is the same at all nodes of a cluster, except for the one that answers", async (t) => {
    const { table, a, b } = await startTwoNodes(t);
    table.enter("b", b.url, { isDraining: true, capacity: 8_000, load: 201, version: "0.9.0" });
    table.enter("c", "http://10.0.0.3:3000", { isAlive: false });
    for (const { name: asked, url } of [a, b]) {
      const state = { alive: true, draining: false, capacity: 100, load: 0, version: "1.0.0" };
      const nodes = [
        { ...state, name: "a", url: a.url },
        { ...state, name: "b", url: b.url, draining: true, capacity: 8_000, load: 201, version: "0.9.0" },
        { ...state, name: "c", url: "http://10.0.0.3:3000", alive: false },
      ];
      const expected = { nodes: nodes.map((node) => ({ ...node, self: node.name === asked })) };
      assert.deepEqual(await getJson(`${url}/api/server/nodes`), expected);
    }
  });
});

describe("the name of this server in its status", () => {
  const workerOf = async (url: string) => Object(await getJson(`${url}/api/server/status`)).worker;
  for (const [env, expected] of [
    [{}, ["a", "b"]],
    [{ WAHA_WORKER_ID: "worker-7" }, ["worker-7", "worker-7"]],
  ] as const) {
    it(`is WAHA_WORKER_ID, or the name of its node, ${JSON.stringify(env)}`, async (t) => {
      const { a, b } = await startTwoNodes(t, { env });
      const workers = [await workerOf(a.url), await workerOf(b.url)];
      assert.deepEqual(
        workers,
        expected.map((id) => ({ id })),
      );
    });
  }

  it("is empty without a cluster", async (t) => {
    assert.deepEqual(await workerOf((await startServer(t)).url), { id: "" });
  });
});

describe("the worker assigned to a session", () => {
  it("is its owner at all nodes, in lists, reads and answers of commands", async (t) => {
    const { a, b } = await startTwoNodes(t);
    await sessionsOf(a).createSession({ name: "ann" });
    await sessionsOf(b).createSession({ name: "bob", start: false });
    for (const { url } of [a, b]) {
      const listed = await getJson(`${url}/api/sessions?all=true`);
      assert.ok(Array.isArray(listed));
      const workers = listed.map((session) => [session.name, session.assignedWorker]);
      assert.deepEqual(workers, [
        ["ann", "a"],
        ["bob", "b"],
      ]);
      assert.equal(Object(await getJson(`${url}/api/sessions/ann`)).assignedWorker, "a");
    }
    const { sessions } = await sessionsOf(a).listSessions({ all: true, view: View.SUMMARY });
    assert.deepEqual(
      sessions.map(({ assignedWorker }) => assignedWorker),
      ["a", "b"],
    );
    assert.equal((await sessionsOf(a).stopSession({ session: "bob" })).session?.assignedWorker, "b");
    assert.equal((await sessionsOf(b).logoutSession({ session: "ann" })).session?.assignedWorker, "a");
  });

  it("changes when the session moves, and is missing while no node has it", async (t) => {
    const { table, a } = await startTwoNodes(t);
    await sessionsOf(a).createSession({ name: "ann", start: false });
    const workers: unknown[] = [];
    for (const owner of ["b", undefined, "a"]) {
      table.give("ann", owner);
      const session = Object(await getJson(`${a.url}/api/sessions/ann`));
      workers.push("assignedWorker" in session ? session.assignedWorker : "missing");
    }
    assert.deepEqual(workers, ["b", "missing", "a"]);
  });

  it("is looked up once for a list, however many sessions it has", async (t) => {
    const { table, a } = await startTwoNodes(t);
    for (let i = 0; i < 20; i++) await sessionsOf(a).createSession({ name: `session-${i}`, start: false });
    let asked = 0;
    table.onAsked = table.onOwnersAsked = () => void asked++;
    assert.equal((await sessionsOf(a).listSessions({ all: true })).sessions.length, 20);
    assert.equal(asked, 1);
  });

  it("is not shown without a cluster", async (t) => {
    const { url } = await startServer(t);
    const init = { method: "POST", headers: { "content-type": "application/json" } };
    await fetch(`${url}/api/sessions`, { ...init, body: JSON.stringify({ name: "ann", start: false }) });
    assert.ok(!("assignedWorker" in Object(await getJson(`${url}/api/sessions/ann`))));
  });
});
