import assert from "node:assert/strict";
import { buffer } from "node:stream/consumers";
import { describe, it, type TestContext } from "node:test";
import type { FileArchive } from "../../src/ports/profiles.ts";
import { openCluster } from "./cluster-harness.ts";
import { me, settle } from "./harness.ts";

async function* bytesOf(text: string) {
  yield Buffer.from(text);
}

/** Boots the nodes "a" and "b", whose sessions have files that can be archived, and notes what "a" does in order. */
async function bootNodes(t: TestContext) {
  const { boot, cluster } = openCluster(t);
  const [a, b] = [await boot("a", {}, true), await boot("b", {}, true)];
  const steps: string[] = [];
  a.fixture.pack = async (session, _credentials, archive) => {
    steps.push(`pack ${a.engine().closing ? "closed" : "open"} ${cluster.owners.get(session)}`);
    await archive.write(bytesOf(`files of ${session}`));
  };
  a.fixture.discard = async (session) => void steps.push(`discard ${cluster.owners.get(session)}`);
  const drain = async () => {
    await a.manager.drain("handoff");
    await a.manager.close();
    await settle();
  };
  return { a, b, cluster, steps, drain };
}

const read = async (archive: FileArchive | undefined, key: string) =>
  archive && String(await buffer(archive.read(key)));

describe("a session with files on its node", () => {
  it("goes to another node with an archive of them when its own is drained", async (t) => {
    const { a, b, cluster, drain } = await bootNodes(t);
    await a.create();
    await settle();
    await drain();
    assert.deepEqual(cluster.handOvers, ["alice → b"]);
    assert.equal(b.engines.length, 1);
    const [key = ""] = cluster.archives.get("alice")?.keys() ?? [];
    assert.equal(await read(b.engine().archive, key), "files of alice");
  });

  it("is archived when its engine is closed, and leaves no files behind, before it is given away", async (t) => {
    const { a, steps, drain } = await bootNodes(t);
    await a.create();
    await settle();
    await drain();
    assert.deepEqual(steps, ["pack closed a", "discard a"]);
  });

  it("is bound to the node that runs it next", async (t) => {
    const { a, cluster, drain } = await bootNodes(t);
    await a.create();
    await settle();
    assert.equal(cluster.bound.get("alice"), "a");
    await drain();
    assert.equal(cluster.bound.get("alice"), "b");
  });

  for (const [reason, pack] of [
    ["they cannot be archived", () => Promise.reject(new Error("the profile is larger than 200 bytes"))],
    ["the engine has no archives", undefined],
  ] as const) {
    it(`stays with its node and its files if ${reason}`, async (t) => {
      const { a, b, cluster, steps, drain } = await bootNodes(t);
      a.fixture.pack = pack;
      await a.create();
      await settle();
      await drain();
      assert.deepEqual([cluster.handOvers, steps], [[], []]);
      assert.deepEqual([cluster.bound.get("alice"), b.engines.length], ["a", 0]);
      assert.equal(a.log.filter((line) => line.includes("it waits for this one")).length, pack ? 1 : 0);
    });
  }

  it("stays with its node while it is stopped", async (t) => {
    const { a, cluster, steps, drain } = await bootNodes(t);
    await a.create();
    a.engine().report({ type: "paired", me }, { type: "opened", me });
    await settle();
    await a.manager.stop("alice");
    await drain();
    assert.deepEqual([cluster.handOvers, steps], [[], []]);
    assert.equal(cluster.bound.get("alice"), "a");
  });

  it("goes to another node although its files cannot be removed here", async (t) => {
    const { a, cluster, drain } = await bootNodes(t);
    a.fixture.discard = () => Promise.reject(new Error("EIO"));
    await a.create();
    await settle();
    await drain();
    assert.deepEqual(cluster.handOvers, ["alice → b"]);
    assert.ok(a.log.some((line) => line.includes("could not be removed here")));
  });
});
