import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { createSealer } from "../../../src/adapters/seal/aes-gcm.ts";
import { newEvent, recordOf } from "../../contract/backend-fixtures.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { openNodes, type TestNode } from "./cluster-nodes.ts";
import { emptyDatabase } from "./databases.ts";

describe("values that the nodes of a PostgreSQL cluster share", () => {
  it("the first value of a name stays, on all nodes", async (t) => {
    const [a, b] = (await openNodes(t, "a", "b")) as [TestNode, TestNode];
    assert.equal(await b.cluster.values.read("key"), undefined);
    const candidates = [a, b].map(({ name, cluster }) => cluster.values.add("key", Buffer.from(name)));
    const [first, second] = await Promise.all(candidates);
    assert.deepEqual(first, second);
    assert.deepEqual(await a.cluster.values.add("key", Buffer.from("later")), first);
    assert.deepEqual(await b.cluster.values.read("key"), first);
  });

  it("a value is sealed, and opens after a restart", async (t) => {
    const database = await emptyDatabase(t);
    const sealer = createSealer(randomBytes(32));
    const former = await database.open(new FakeClock(), { sealer });
    await former.cluster?.values.add("key", Buffer.from("a secret"));
    await former.upkeep.close();
    const { cluster } = await database.open(new FakeClock(), { sealer });
    assert.equal(Buffer.from((await cluster?.values.read("key")) ?? []).toString(), "a secret");
  });
});

describe("news of commits", () => {
  it("come once for each group with events, with the seq of its last event, until cancelled", async (t) => {
    const [a] = (await openNodes(t, "a")) as [TestNode];
    const { sessions, log } = a.backend;
    const seqs: bigint[] = [];
    const cancel = a.cluster.onCommit(({ seq }) => seqs.push(seq));
    const lease = await sessions.acquire("alice");
    await sessions.commit(lease, { record: recordOf("alice"), events: [newEvent("alice"), newEvent("alice")] });
    await sessions.commit(lease, { record: recordOf("alice", 2), events: [] });
    await sessions.commit(lease, { record: recordOf("alice", 3), events: [newEvent("alice")] });
    assert.deepEqual(seqs, [2n, 3n]);
    cancel();
    await sessions.commit(lease, { record: recordOf("alice", 4), events: [newEvent("alice")] });
    assert.deepEqual(seqs, [2n, 3n]);
    assert.equal(await log.lastSeq(), 4n);
  });
});
