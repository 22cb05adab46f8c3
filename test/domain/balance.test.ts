import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Balance, type BalancedNode, balanceLoad } from "../../src/domain/balance.ts";

const lookMs = 5_000;
const minuteMs = 60_000;

const node = (name: string, load: number, more: Partial<BalancedNode> = {}): BalancedNode => ({
  name,
  load,
  capacity: 2_000,
  version: "1.0.0",
  build: "",
  epoch: 1n,
  isAlive: true,
  isDraining: false,
  ...more,
});

/** Lets node "a" look at the nodes every 5 s; returns the times, in seconds, at which it gives a session away, and to which node. */
function watch(nodesAt: (second: number) => readonly BalancedNode[], untilMs = minuteMs + 2 * lookMs): string[] {
  const given: string[] = [];
  let balance: Balance | undefined;
  for (let nowMs = 0; nowMs <= untilMs; nowMs += lookMs) {
    const step = balanceLoad("a", nodesAt(nowMs / 1_000), nowMs, balance);
    balance = step.balance;
    if (step.target !== undefined) given.push(`${nowMs / 1_000} ${step.target}`);
  }
  return given;
}

const always = (...nodes: readonly BalancedNode[]) => watch(() => nodes);
const [later, never] = [(to: string) => [60, 65, 70].map((second) => `${second} ${to}`), [] as string[]];

describe("the balance of load among nodes", () => {
  const cases: readonly (readonly [what: string, nodes: readonly BalancedNode[], given: readonly string[]])[] = [
    ["a node with all sessions gives some to one without", [node("a", 40), node("b", 0)], later("b")],
    ["121 % of the share is too much", [node("a", 121), node("b", 79)], later("b")],
    ["120 % of the share is not", [node("a", 120), node("b", 80)], never],
    ["the emptiest node gets it", [node("a", 90), node("b", 30), node("c", 20)], later("c")],
    ["of equal ones the first by name", [node("a", 90), node("c", 20), node("b", 20)], later("b")],
    ["a node with too little gives none", [node("a", 0), node("b", 90)], never],
    ["shares go by capacity", [node("a", 60, { capacity: 6_000 }), node("b", 20)], never],
    ["a small node has a small share", [node("a", 30, { capacity: 1_000 }), node("b", 30)], later("b")],
    ["a session does not move to and fro", [node("a", 2), node("b", 1)], never],
    ["one of three sessions moves", [node("a", 3), node("b", 0)], later("b")],
    ["a single node gives none", [node("a", 900)], never],
    ["without sessions there is nothing to do", [node("a", 0), node("b", 0)], never],
    ["nodes that are gone do not count", [node("a", 40), node("b", 40), node("c", 0, { isAlive: false })], never],
    ["nor do they get any", [node("a", 90), node("b", 20), node("c", 0, { isAlive: false })], later("b")],
    ["a node that drains stops it all", [node("a", 90), node("b", 0), node("c", 30, { isDraining: true })], never],
    ["so do two versions side by side", [node("a", 90), node("b", 0, { version: "1.1.0" })], never],
    ["a node without capacity gets none", [node("a", 90), node("b", 0, { capacity: 0 })], never],
    ["a node that is not listed gives none", [node("b", 90), node("c", 0)], never],
  ];
  for (const [what, nodes, given] of cases) it(what, () => assert.deepEqual(always(...nodes), given));

  const [full, empty] = [node("a", 40), node("b", 0)];
  it("waits for a minute after a node has come", () => {
    assert.deepEqual(
      watch((second) => (second < 30 ? [full] : [full, empty]), 100_000),
      ["90 b", "95 b", "100 b"],
    );
  });

  it("waits for a minute after a node has failed", () => {
    const failed = node("c", 0, { isAlive: false });
    const given = watch((second) => [full, empty, second < 30 ? node("c", 30) : failed], 90_000);
    assert.deepEqual(given, ["90 b"]);
  });

  it("waits for a minute after a node has started again", () => {
    const given = watch((second) => [full, node("b", 0, { epoch: second < 30 ? 1n : 2n })], 90_000);
    assert.deepEqual(given, ["90 b"]);
  });

  it("waits for a minute after a drain has ended", () => {
    assert.deepEqual(
      watch((second) => [full, node("b", 0, { isDraining: second < 30 })], 90_000),
      ["90 b"],
    );
  });

  it("begins to wait again when the load was even in between", () => {
    assert.deepEqual(
      watch((second) => [second === 30 ? node("a", 0) : full, empty], 95_000),
      ["95 b"],
    );
  });

  it("stops as soon as the load is within the limits", () => {
    let load = 40;
    let balance: Balance | undefined;
    for (let nowMs = 0; nowMs < 10 * minuteMs; nowMs += lookMs) {
      const step = balanceLoad("a", [node("a", load), node("b", 40 - load)], nowMs, balance);
      balance = step.balance;
      if (step.target !== undefined) load -= 1;
    }
    assert.equal(load, 24);
  });
});
