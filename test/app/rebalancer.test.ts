import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { openCluster } from "./cluster-harness.ts";
import { me, messageOf, pass, settle } from "./harness.ts";

/** Boots node "a" with working sessions, then "b" without any; "c" is not there. Messages: the time of each session's newest one, in order. */
async function bootNodes(
  t: TestContext,
  { newest, hasFiles = false }: { newest: readonly number[]; hasFiles?: boolean },
) {
  const { boot, cluster, clock } = openCluster(t);
  cluster.node("c").isAlive = false;
  const a = await boot("a", {}, hasFiles);
  for (const [i, atSecond] of newest.entries()) {
    await a.create(`s${i}`);
    a.engine().report({ type: "opened", me });
    if (atSecond > 0)
      a.engine().report({ type: "message", message: messageOf(`m${i}`, clock.wallMs() / 1_000 + atSecond) });
    await settle();
  }
  const b = await boot("b", {}, hasFiles);
  return { a, b, cluster, clock };
}

describe("a node with more than its share", () => {
  it("gives one session every 5 s to the other after a minute, the quietest first", async (t) => {
    const { a, b, cluster, clock } = await bootNodes(t, { newest: [4, 3, 1, 2, 5] });
    await pass(clock, 60_000);
    assert.deepEqual(cluster.handOvers, []);
    await pass(clock, 5_000);
    assert.deepEqual(cluster.handOvers, ["s2 → b"]);
    await pass(clock, 60_000);
    assert.deepEqual(cluster.handOvers, ["s2 → b", "s3 → b"]);
    assert.deepEqual(
      b.engines.map(({ session }) => session),
      ["s2", "s3"],
    );
    assert.equal(a.manager.memberCounts?.handedOver, 2);
  });

  it("leaves sessions alone that pair, wait or are stopped", async (t) => {
    const { a, cluster, clock } = await bootNodes(t, { newest: [] });
    for (const name of ["pairing", "connecting", "stopped", "works"]) {
      await a.create(name);
      if (name === "pairing") a.engine().qr();
      if (name === "stopped") await a.manager.stop(name);
      if (name === "works") a.engine().report({ type: "opened", me });
      await settle();
    }
    await pass(clock, 120_000);
    assert.deepEqual(cluster.handOvers, ["works → b"]);
  });

  it("leaves sessions with files where they are", async (t) => {
    const { cluster, clock } = await bootNodes(t, { newest: [0, 0, 0], hasFiles: true });
    await pass(clock, 120_000);
    assert.deepEqual(cluster.handOvers, []);
  });

  it("gives none away while it is frozen, and waits for a minute again", async (t) => {
    const { a, cluster, clock } = await bootNodes(t, { newest: [1, 2, 3] });
    await pass(clock, 50_000);
    a.standing.freeze();
    await pass(clock, 30_000);
    a.standing.thaw();
    await pass(clock, 55_000);
    assert.deepEqual(cluster.handOvers, []);
    await pass(clock, 15_000);
    assert.deepEqual(cluster.handOvers, ["s0 → b"]);
  });

  it("goes on after a look at the nodes that fails", async (t) => {
    const { a, cluster, clock } = await bootNodes(t, { newest: [1, 2, 3] });
    const { placement } = a.backend.cluster ?? assert.fail();
    const { nodes } = placement;
    placement.nodes = async () => {
      placement.nodes = nodes;
      throw new Error("the store does not answer");
    };
    await pass(clock, 80_000);
    assert.deepEqual(cluster.handOvers, ["s0 → b"]);
    assert.ok(a.log.some((line) => line.startsWith("warn a session could not be given")));
  });

  it("gives none away once it is drained", async (t) => {
    const { a, cluster, clock } = await bootNodes(t, { newest: [1, 2, 3] });
    await a.manager.drain("return");
    await pass(clock, 120_000);
    assert.deepEqual(cluster.handOvers, []);
  });
});
