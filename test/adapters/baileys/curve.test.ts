import assert from "node:assert/strict";
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { Curve } from "@whiskeysockets/baileys";
import * as libsignal from "libsignal/src/curve.js";
import { installFastCurve } from "../../../src/adapters/baileys/curve.ts";
import { installKeyDerivation } from "../../../src/adapters/baileys/key-derivation.ts";
import { installKeyObjects } from "../../../src/adapters/baileys/key-objects.ts";
import { libsignalPart } from "../../../src/adapters/baileys/libsignal.ts";

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

/** Returns the shortest time of many runs: those that the machine interrupts take longer. */
function shortestMs(work: () => void): number {
  const times = Array.from({ length: 40 }, () => {
    const startedAt = performance.now();
    work();
    return performance.now() - startedAt;
  });
  return Math.min(...times);
}

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

describe("the derivation of keys", () => {
  const libsignalCrypto = libsignalPart("libsignal/src/crypto.js") as {
    deriveSecrets(input: Buffer, salt: Buffer, info: Buffer, chunks?: number): Buffer[];
  };
  const inputs = [0, 1, 32, 33, 96, 200].map((bytes) => randomBytes(bytes));
  const infos = ["", "WhisperText", "WhisperRatchet", "WhisperMessageKeys"].map((text) => Buffer.from(text));
  const salts = [Buffer.alloc(32), randomBytes(32)];

  const derived = () =>
    salts.flatMap((salt) =>
      inputs.flatMap((input) =>
        infos.flatMap((info) =>
          [undefined, 1, 2, 3].map((chunks) =>
            libsignalCrypto.deriveSecrets(input, salt, info, chunks).map((key) => key.toString("hex")),
          ),
        ),
      ),
    );
  it("gives libsignal's own keys", () => {
    const own = derived();
    const uninstall = installKeyDerivation();
    assert.deepEqual(derived(), own);
    uninstall();
  });

  it("costs less than libsignal's own", () => {
    const ownMs = shortestMs(derived);
    const uninstall = installKeyDerivation();
    const fastMs = shortestMs(derived);
    uninstall();
    assert.ok(fastMs < ownMs, `${fastMs} ms against ${ownMs} ms`);
  });
});

describe("keys as KeyObjects", () => {
  const [key, iv] = [randomBytes(32), randomBytes(16)];
  const encrypted = (bytes: Buffer) => {
    const cipher = createCipheriv("aes-256-cbc", key, iv);
    return Buffer.concat([cipher.update(bytes), cipher.final()]);
  };
  const signatures = () =>
    [key, Buffer.alloc(0), "a text", createSecretKey(key), new Uint8Array(key).buffer].map((one) =>
      createHmac("sha256", one as Buffer)
        .update("message")
        .digest("hex"),
    );

  it("give the same ciphertexts and signatures, whatever a key is", () => {
    const before = { signatures: signatures(), encrypted: encrypted(key) };
    const uninstall = installKeyObjects();
    assert.deepEqual({ signatures: signatures(), encrypted: encrypted(key) }, before);
    const decipher = createDecipheriv("aes-256-cbc", key, iv);
    assert.deepEqual(Buffer.concat([decipher.update(before.encrypted), decipher.final()]), key);
    assert.throws(() => createCipheriv("aes-256-cbc", key.subarray(1), iv), { code: "ERR_CRYPTO_INVALID_KEYLEN" });
    assert.throws(() => createHmac("sha256", undefined as unknown as Buffer), { code: "ERR_INVALID_ARG_TYPE" });
    uninstall();
  });

  it("cost less than keys of bytes", () => {
    const work = () => {
      for (let i = 0; i < 100; i++) signatures();
    };
    const bytesMs = shortestMs(work);
    const uninstall = installKeyObjects();
    const objectsMs = shortestMs(work);
    uninstall();
    assert.ok(objectsMs < bytesMs, `${objectsMs} ms against ${bytesMs} ms`);
  });
});
