import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chooseSuccessor, type Successor } from "../../src/domain/successor.ts";

const node = (name: string, more: Partial<Successor> = {}): Successor => ({
  name,
  isAlive: true,
  isDraining: false,
  version: "1.0.0",
  build: "",
  startedAs: 1n,
  capacity: 2_000,
  load: 0,
  ...more,
});

const started = (name: string, startedAs: number, version: string, more: Partial<Successor> = {}) =>
  node(name, { startedAs: BigInt(startedAs), version, ...more });

describe('the successor of node "a"', () => {
  const cases: readonly (readonly [what: string, nodes: readonly Successor[], expected: string | undefined])[] = [
    ["is the node with most room", [node("a"), node("b", { load: 20 }), node("c", { load: 10 })], "c"],
    ["has room by its capacity", [node("a"), node("b", { load: 20, capacity: 4_000 }), node("c", { load: 15 })], "b"],
    ["is the first by name of equal ones", [node("a"), node("c"), node("b")], "b"],
    ["is no node that is gone", [node("a"), node("b", { isAlive: false }), node("c", { load: 10 })], "c"],
    ["is no node that drains", [node("a"), node("b", { isDraining: true }), node("c", { load: 10 })], "c"],
    ["is none if there is no other", [node("a")], undefined],
    [
      "is of the version that came last, though it has less room",
      [started("a", 1, "1.0.0"), started("b", 2, "1.0.0"), started("c", 3, "1.1.0", { load: 900 })],
      "c",
    ],
    [
      "is of the build that came last, though it has less room",
      [node("a", { build: "x" }), node("b", { build: "x" }), node("c", { build: "y", startedAs: 3n, load: 900 })],
      "c",
    ],
    [
      "is of the former version if that is put back",
      [started("a", 4, "1.1.0"), started("b", 5, "1.1.0"), started("c", 6, "1.0.0", { load: 900 })],
      "c",
    ],
    [
      "is of the new version though an old node has started again",
      [started("a", 1, "1.0.0"), started("b", 4, "1.0.0"), started("c", 3, "1.1.0", { load: 900 })],
      "c",
    ],
    [
      "is of its own version if that is the newest",
      [started("a", 3, "1.1.0"), started("b", 2, "1.0.0"), started("c", 4, "1.1.0", { load: 900 })],
      "c",
    ],
    [
      "has most room among those of the newest version",
      [started("a", 1, "1.0.0"), started("b", 3, "1.1.0", { load: 20 }), started("c", 2, "1.1.0", { load: 10 })],
      "c",
    ],
    [
      "is an old node if the new ones are full",
      [started("a", 1, "1.0.0"), started("b", 2, "1.0.0"), started("c", 3, "1.1.0", { load: 2_000 })],
      "b",
    ],
    [
      "is a new node if all are full",
      [started("a", 1, "1.0.0"), started("b", 2, "1.0.0", { load: 2_000 }), started("c", 3, "1.1.0", { load: 2_500 })],
      "c",
    ],
  ];
  for (const [what, nodes, expected] of cases) {
    it(what, () => {
      assert.equal(chooseSuccessor("a", nodes), expected);
      assert.equal(chooseSuccessor("a", nodes.toReversed()), expected, "in any order");
    });
  }
});
