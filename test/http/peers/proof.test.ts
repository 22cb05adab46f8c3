import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PeerClock } from "../../../src/http/peers/peer-clock.ts";
import { deriveProofKey, digestOf, Judge, Prover } from "../../../src/http/peers/proof.ts";

const key = deriveProofKey(new Uint8Array(32).fill(1));
const path = "/sessiond.v1.SessionService/StopSession";
const call = {
  from: "a",
  to: "b",
  path,
  digest: digestOf(new Uint8Array([1])),
  headers: [["if-match", '"1"']],
} as const;

/** A node that calls and one that judges, each with a clock of its own, in step with each other. */
function openPair({ aheadMs = 0 } = {}) {
  const time = { nowMs: 1_000 };
  const prover = new Prover(key, new PeerClock(() => time.nowMs));
  const judge = new Judge("b", key, new PeerClock(() => time.nowMs + aheadMs));
  /** Tells the caller the time of the judge, as the first call does. */
  const meet = () => {
    const first = prover.prove(call);
    const judged = judge.judge(first.call, first.proof, path);
    assert.equal(judged.kind, "untimely");
    assert.ok(judged.kind === "untimely" && prover.learnTime("b", judged.time, first.proof));
  };
  return { time, prover, judge, meet };
}

describe("the proof of a call between nodes", () => {
  for (const aheadMs of [0, 3_600_000, -3_600_000]) {
    it(`is accepted when the clocks differ by ${aheadMs} ms`, () => {
      const { prover, judge, meet } = openPair({ aheadMs });
      meet();
      const { call: text, proof } = prover.prove(call);
      const judged = judge.judge(text, proof, path);
      assert.equal(judged.kind, "proven");
      assert.deepEqual(judged.kind === "proven" && judged.call.headers, [["if-match", '"1"']]);
    });
  }

  it("is good for one call", () => {
    const { prover, judge, meet } = openPair();
    meet();
    const { call: text, proof } = prover.prove(call);
    assert.equal(judge.judge(text, proof, path).kind, "proven");
    assert.equal(judge.judge(text, proof, path).kind, "repeated");
  });

  it("is refused once it is old, and its nonce is forgotten only then", () => {
    const { time, prover, judge, meet } = openPair();
    meet();
    const { call: text, proof } = prover.prove(call);
    assert.equal(judge.judge(text, proof, path).kind, "proven");
    for (const atMs of [5_000, 10_900, 11_100, 40_000]) {
      time.nowMs = atMs;
      assert.notEqual(judge.judge(text, proof, path).kind, "proven");
    }
  });

  it("is refused by a node that was started again", () => {
    const { time, prover, meet } = openPair();
    meet();
    const { call: text, proof } = prover.prove(call);
    const restarted = new Judge("b", key, new PeerClock(() => time.nowMs));
    assert.equal(restarted.judge(text, proof, path).kind, "untimely");
  });

  const forgeries: readonly [string, (text: string, proof: string) => readonly [string, string, string]][] = [
    ["another path", (text, proof) => [text, proof, "/sessiond.v1.SessionService/DeleteSession"]],
    ["another description", (text, proof) => [text.replace(/^.{12}/, "eyJmcm9tIjoi"), `${proof}x`, path]],
    ["a proof that is cut", (text, proof) => [text, proof.slice(0, -1), path]],
    ["no proof", (text) => [text, "", path]],
  ];
  for (const [name, forge] of forgeries) {
    it(`proves nothing with ${name}`, () => {
      const { prover, judge, meet } = openPair();
      meet();
      const { call: text, proof } = prover.prove(call);
      assert.equal(judge.judge(...forge(text, proof)).kind, "unproven");
    });
  }

  it("proves nothing to a node of another cluster, or to another node", () => {
    const { prover, meet } = openPair();
    meet();
    const { call: text, proof } = prover.prove(call);
    const otherKey = deriveProofKey(new Uint8Array(32).fill(2));
    assert.equal(new Judge("b", otherKey, new PeerClock(() => 1_000)).judge(text, proof, path).kind, "unproven");
    assert.equal(new Judge("c", key, new PeerClock(() => 1_000)).judge(text, proof, path).kind, "unproven");
  });

  it("takes no time from anybody who cannot prove it", () => {
    const { prover } = openPair();
    const { proof } = prover.prove(call);
    for (const told of ["", "p.1", "p.1.x", `p.1.${proof}`]) assert.equal(prover.learnTime("b", told, proof), false);
  });
});
