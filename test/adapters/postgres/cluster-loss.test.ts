import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Session_DesiredState as Desired } from "../../../gen/sessiond/v1/session_pb.js";
import { type Lease, LeaseLost, OwnedElsewhere } from "../../../src/ports/sessions.ts";
import { eventOf, Reader, recordOf } from "../../contract/backend-fixtures.ts";
import { openNodes, type TestNode, until } from "./cluster-nodes.ts";

/** Creates a session that is to run. */
async function createRunning(node: TestNode, name: string): Promise<Lease> {
  const lease = await node.backend.sessions.acquire(name);
  await commit(node, lease);
  return lease;
}

const commit = (node: TestNode, lease: Lease, revision = 1) =>
  node.backend.sessions.commit(lease, {
    record: { ...recordOf(lease.session, revision), desiredState: Desired.RUNNING },
    events: [{ event: eventOf(lease.session), endpointIds: [] }],
  });

const arrivalsOf = (t: { signal: AbortSignal }, { cluster }: TestNode) =>
  new Reader(cluster.placement.arrivals(t.signal));

describe("a node of a PostgreSQL cluster that is gone", () => {
  it("loses its sessions to another one, which goes on with them", async (t) => {
    const [a, b] = (await openNodes(t, "a", "b")) as [TestNode, TestNode];
    const lease = await createRunning(a, "alice");
    await assert.rejects(b.backend.sessions.acquire("alice"), (error) => {
      return error instanceof OwnedElsewhere && error.node === "a";
    });
    const killedMs = performance.now();
    a.link.cut();
    assert.equal(await arrivalsOf(t, b).next(), "alice");
    assert.ok(performance.now() - killedMs < 4_000, `took ${performance.now() - killedMs} ms`);
    const next = await b.backend.sessions.acquire("alice");
    assert.ok(next.epoch > lease.epoch);
    await commit(b, next, 2);
    assert.equal((await b.backend.sessions.get("alice")).record?.revision, 2);
  });

  it("freezes before that, writes nothing any more, and begins anew", async (t) => {
    const [a, b] = (await openNodes(t, "a", "b")) as [TestNode, TestNode];
    const lease = await createRunning(a, "alice");
    let frozenAtLoss: boolean | undefined;
    lease.lost.addEventListener("abort", () => {
      frozenAtLoss = a.cluster.standing.isFrozen;
    });
    const { promise: frozen, resolve } = Promise.withResolvers<void>();
    a.cluster.standing.onFreeze(resolve);
    a.link.hold();
    await frozen;
    const late = commit(a, lease, 7);
    late.catch(() => {});
    assert.equal(await arrivalsOf(t, b).next(), "alice");
    const next = await b.backend.sessions.acquire("alice");
    await commit(b, next, 2);
    a.link.pass();
    await assert.rejects(late);
    await until(() => lease.lost.aborted);
    assert.equal(frozenAtLoss, true);
    await assert.rejects(commit(a, lease, 8), LeaseLost);
    await until(() => !a.cluster.standing.isFrozen);
    assert.equal((await b.backend.sessions.get("alice")).record?.revision, 2);
    await createRunning(a, "bob");
  });

  it("does not get a write through that was sent before the fence and arrives after it", async (t) => {
    const [a, b] = (await openNodes(t, "a", "b")) as [TestNode, TestNode];
    const lease = await createRunning(a, "alice");
    const credentials = a.backend.engineData.credentials(lease);
    a.link.hold("forth");
    const [record, keys] = [commit(a, lease, 7), credentials.write(new Map([["key", new Uint8Array([7])]]))];
    for (const late of [record, keys]) late.catch(() => {});
    assert.equal(await arrivalsOf(t, b).next(), "alice");
    const next = await b.backend.sessions.acquire("alice");
    a.link.pass();
    await assert.rejects(record, LeaseLost);
    await assert.rejects(keys, LeaseLost);
    assert.equal((await b.backend.sessions.get("alice")).record?.revision, 1);
    assert.deepEqual(await b.backend.engineData.credentials(next).read(["key"]), [undefined]);
  });

  it("learns that a write was made whose answer came after the fence", async (t) => {
    const [a, b] = (await openNodes(t, "a", "b")) as [TestNode, TestNode];
    const lease = await createRunning(a, "alice");
    a.link.hold("back");
    const written = commit(a, lease, 7);
    written.catch(() => {});
    await until(async () => (await b.backend.sessions.get("alice")).record?.revision === 7);
    assert.equal(await arrivalsOf(t, b).next(), "alice");
    a.link.cut();
    a.link.pass();
    const [event] = await written;
    assert.equal(event?.seq, 2n);
    await until(() => lease.lost.aborted);
  });

  for (const direction of ["forth", "back"] as const) {
    it(`is taken over when only its way ${direction} is cut, and fences nobody itself`, async (t) => {
      const [a, b] = (await openNodes(t, "a", "b")) as [TestNode, TestNode];
      const [lost, kept] = [await createRunning(a, "alice"), await createRunning(b, "bob")];
      a.link.hold(direction);
      assert.equal(await arrivalsOf(t, b).next(), "alice");
      a.link.pass();
      await until(() => lost.lost.aborted);
      await until(() => !a.cluster.standing.isFrozen);
      await commit(b, kept, 2);
      assert.equal(kept.lost.aborted, false);
    });
  }
});
