import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { it } from "node:test";
import { createSealer } from "../../../src/adapters/seal/aes-gcm.ts";
import { SealBroken } from "../../../src/ports/sealer.ts";

const text = Buffer.from("a secret that is easily found");
const context = Buffer.from("its key");

it("a sealed value can be opened under its context and reveals nothing", () => {
  const sealer = createSealer(randomBytes(32));
  const sealed = Buffer.from(sealer.seal(text, context));
  assert.ok(!sealed.includes("secret"));
  assert.equal(sealer.keyIdOf(sealed), sealer.keyId);
  assert.deepEqual(Buffer.from(sealer.open(sealed, context)), text);
  assert.deepEqual(Buffer.from(sealer.open(sealer.seal(Buffer.of(), context), context)), Buffer.of());
});

it("a value is sealed differently each time", () => {
  const sealer = createSealer(randomBytes(32));
  const sealed = Array.from({ length: 1000 }, () => Buffer.from(sealer.seal(text, context)).toString("hex"));
  assert.equal(new Set(sealed).size, 1000);
});

it("each process seals with its own key and opens values of the others", () => {
  const key = randomBytes(32);
  const [one, other] = [createSealer(key), createSealer(key)];
  const salts = [one, other].map((sealer) => Buffer.from(sealer.seal(text, context)).toString("hex", 12, 28));
  assert.notEqual(salts[0], salts[1]);
  assert.deepEqual(Buffer.from(other.open(one.seal(text, context), context)), text);
});

it("a value with another context or a changed bit is refused", () => {
  const sealer = createSealer(randomBytes(32));
  const sealed = sealer.seal(text, context);
  assert.throws(() => sealer.open(sealed, Buffer.from("another key")), SealBroken);
  for (let index = 4; index < sealed.length; index += 1) {
    const changed = Buffer.from(sealed);
    changed.writeUInt8(changed.readUInt8(index) ^ 1, index);
    assert.throws(() => sealer.open(changed, context), SealBroken, `byte ${index}`);
  }
});

it("a value that was never sealed is returned unchanged", () => {
  const sealer = createSealer(randomBytes(32));
  assert.equal(sealer.keyIdOf(text), undefined);
  assert.equal(sealer.open(text, context), text);
});

it("a former key only opens values, and an unknown one is named by its id", () => {
  const [before, now] = [randomBytes(32), randomBytes(32)];
  const former = createSealer(before);
  const sealed = former.seal(text, context);
  const rotated = createSealer(now, [before]);
  assert.deepEqual(Buffer.from(rotated.open(sealed, context)), text);
  assert.equal(rotated.keyIdOf(rotated.seal(text, context)), rotated.keyId);
  assert.notEqual(rotated.keyId, former.keyId);
  assert.throws(
    () => createSealer(now).open(sealed, context),
    (error: Error) => error instanceof SealBroken && error.message.includes(former.keyId),
  );
  assert.ok(!before.toString("hex").includes(former.keyId));
});
