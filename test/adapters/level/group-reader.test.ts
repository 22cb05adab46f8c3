import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GroupReader } from "../../../src/adapters/level/store/group-reader.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);

/** Opens a reader on values that are their keys in capitals. `release` lets the oldest group end. */
function openReader() {
  const groups: string[][] = [];
  const waiting: PromiseWithResolvers<void>[] = [];
  const reader = new GroupReader(async (keys) => {
    const names = keys.map((key) => Buffer.from(key).toString());
    groups.push(names);
    const wait = Promise.withResolvers<void>();
    waiting.push(wait);
    await wait.promise;
    if (names.includes("bad")) throw new Error("damaged");
    return names.map((name) => (name === "none" ? undefined : bytes(name.toUpperCase())));
  });
  const read = async (...names: string[]) => {
    const values = await reader.read(names.map(bytes));
    return values.map((value) => value && Buffer.from(value).toString());
  };
  const turn = () => new Promise(setImmediate);
  const release = async () => {
    waiting.shift()?.resolve();
    await turn();
  };
  return { groups, read, release, turn };
}

describe("reads of the store", () => {
  it("of one turn, and those that come while a group is read, share a group each", async () => {
    const { groups, read, release, turn } = openReader();
    const first = [read("a", "none"), read("b")];
    await turn();
    const second = [read("c"), read("d", "e"), read()];
    assert.deepEqual(groups, [["a", "none", "b"]]);
    await release();
    assert.deepEqual(await Promise.all(first), [["A", undefined], ["B"]]);
    assert.deepEqual(groups[1], ["c", "d", "e"]);
    await release();
    assert.deepEqual(await Promise.all(second), [["C"], ["D", "E"], []]);
  });

  it("fail with their own group only", async () => {
    const { read, release, turn } = openReader();
    const failed = [read("a"), read("bad")].map((reading) => assert.rejects(reading, /damaged/));
    await turn();
    const next = read("c");
    await release();
    await Promise.all(failed);
    await release();
    assert.deepEqual(await next, ["C"]);
  });

  it("are read in several groups where they have many keys", async () => {
    const { groups, read, release, turn } = openReader();
    const many = Array.from({ length: 600 }, (_, n) => `k${n}`);
    const all = [read(...many), read(...many), read("last")];
    await turn();
    await release();
    await release();
    assert.deepEqual(
      groups.map((group) => group.length),
      [1_200, 1],
    );
    assert.deepEqual((await Promise.all(all)).at(-1), ["LAST"]);
  });
});
