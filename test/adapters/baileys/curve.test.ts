import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { Curve } from "@whiskeysockets/baileys";
import * as libsignal from "libsignal/src/curve.js";
import { installFastCurve } from "../../../src/adapters/baileys/curve.ts";

const pairs = Array.from({ length: 12 }, () => Curve.generateKeyPair());
const messages = [0, 1, 31, 32, 64, 300].map((length) => Buffer.concat([Buffer.from([1]), randomBytes(length)]));

/** Returns whether libsignal accepts a signature; Baileys' `Curve.verify` drops the answer. */
const holds = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
  libsignal.verifySignature(Buffer.concat([Buffer.of(5), publicKey]), message, signature);
const signed = () => messages.map((message, i) => ({ message, pair: pairAt(i) })).map(withSignature);
const pairAt = (i: number) => pairs[i % pairs.length] ?? Curve.generateKeyPair();
const withSignature = ({ message, pair }: { message: Buffer; pair: ReturnType<typeof pairAt> }) => ({
  message,
  pair,
  signature: Buffer.from(Curve.sign(pair.private, message)),
});

describe("the fast curve", () => {
  let slow: ReturnType<typeof signed>;
  let uninstall = () => {};

  before(() => {
    slow = signed();
    uninstall = installFastCurve();
  });
  after(() => uninstall());

  it("accepts signatures of the slow one", () => {
    for (const { message, pair, signature } of slow) assert.equal(holds(pair.public, message, signature), true);
  });

  it("makes signatures that the slow one accepts", () => {
    const fast = signed();
    uninstall();
    for (const { message, pair, signature } of fast) assert.equal(holds(pair.public, message, signature), true);
    uninstall = installFastCurve();
  });

  it("rejects another message, another signature and another key, as the slow one does", () => {
    for (const install of [true, false]) {
      if (!install) uninstall();
      for (const { message, pair, signature } of slow) {
        const bent = (bytes: Buffer, i: number) => bytes.map((byte, at) => (at === i ? byte ^ 1 : byte));
        assert.equal(holds(pair.public, Buffer.from(bent(message, 0)), signature), false);
        assert.equal(holds(pair.public, message, Buffer.from(bent(signature, 40))), false);
        assert.equal(holds(Curve.generateKeyPair().public, message, signature), false);
      }
    }
    uninstall = installFastCurve();
  });

  it("costs little: a hundred signatures and checks take less than the slow one needs for ten", () => {
    const work = (times: number) => {
      const startedAt = performance.now();
      for (let i = 0; i < times; i++) {
        const { message, pair } = slow[i % slow.length] ?? assert.fail();
        holds(pair.public, message, Buffer.from(Curve.sign(pair.private, message)));
      }
      return performance.now() - startedAt;
    };
    work(10);
    const fastMs = work(100);
    uninstall();
    const slowMs = work(10);
    uninstall = installFastCurve();
    assert.ok(fastMs < slowMs, `${fastMs} ms against ${slowMs} ms`);
  });
});
