import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Session_DesiredState as Desired } from "../../../gen/sessiond/v1/session_pb.js";
import { Connection } from "../../../src/adapters/postgres/store/connection.ts";
import { recordOf } from "../../contract/backend-fixtures.ts";
import { openNodes, type TestNode, until } from "./cluster-nodes.ts";

const runningRecord = (name: string) => ({ ...recordOf(name), desiredState: Desired.RUNNING });

describe("owners of sessions in PostgreSQL", () => {
  it("are found for many sessions at once, the same at all nodes", async (t) => {
    const [a, b] = (await openNodes(t, "a", "b")) as [TestNode, TestNode];
    for (const [node, name] of [
      [a, "ann"],
      [a, "o'hara"],
      [b, "bob"],
    ] as const) {
      const lease = await node.backend.sessions.acquire(name);
      await node.backend.sessions.commit(lease, { record: runningRecord(name), events: [] });
    }
    const asked = ["ann", "bob", "o'hara", "nobody"];
    for (const { cluster } of [a, b]) {
      assert.deepEqual([...(await cluster.placement.ownersOf(asked))].sort(), [
        ["ann", "a"],
        ["bob", "b"],
        ["o'hara", "a"],
      ]);
      assert.deepEqual([...(await cluster.placement.ownersOf([]))], []);
    }
  });

  it("are known without the database to a node that has always been alone", async (t) => {
    const [a] = (await openNodes(t, "a")) as [TestNode];
    const lease = await a.backend.sessions.acquire("ann");
    await a.backend.sessions.commit(lease, { record: runningRecord("ann"), events: [] });
    assert.equal((await a.cluster.placement.nodes()).length, 1);
    a.link.cut();
    assert.deepEqual([...(await a.cluster.placement.ownersOf(["ann", "nobody"]))], [["ann", "a"]]);
  });

  it("are asked for once for calls that follow each other, and anew where that matters", async (t) => {
    const [a, b] = (await openNodes(t, "a", "b")) as [TestNode, TestNode];
    const lease = await b.backend.sessions.acquire("ann");
    await b.backend.sessions.commit(lease, { record: runningRecord("ann"), events: [] });
    const { placement } = a.cluster;
    const query = t.mock.method(Connection.prototype, "query");
    const ownerAt = async (mayBeOld: boolean) => {
      const owner = await placement.ownerOf("ann", mayBeOld);
      return owner.kind === "node" ? owner.node.name : owner.kind;
    };
    const seen = [await ownerAt(true), await ownerAt(true), await ownerAt(true)];
    const asked = query.mock.calls.filter(({ arguments: [text] }) => text.includes("coalesce(node, home) AS owner"));
    assert.deepEqual([seen, asked.length], [["b", "b", "b"], 1]);
    await b.cluster.placement.handOver(lease, "a");
    assert.notEqual(await ownerAt(false), "b");
    assert.notEqual(await ownerAt(true), "b", "what was found anew counts");
  });

  it("say which sessions no other node can run, also while that node is down", async (t) => {
    const [a, b] = (await openNodes(t, "a", "b")) as [TestNode, TestNode];
    for (const [name, isBound] of [
      ["bound", true],
      ["free", false],
    ] as const) {
      const lease = await b.backend.sessions.acquire(name);
      await b.backend.sessions.commit(lease, { record: runningRecord(name), events: [], isBound });
    }
    const { placement } = a.cluster;
    const shownOf = async (name: string) => {
      const owner = await placement.ownerOf(name);
      return owner.kind === "node" ? [owner.node.name, owner.isBound] : owner.kind;
    };
    assert.deepEqual(
      [await shownOf("bound"), await shownOf("free")],
      [
        ["b", true],
        ["b", false],
      ],
    );
    b.link.cut();
    await until(async () => (await placement.nodes()).some(({ isAlive }) => !isAlive));
    assert.deepEqual(await shownOf("bound"), ["b", true]);
    assert.equal((await placement.ownersOf(["bound"])).get("bound"), "b");
  });
});
