import assert from "node:assert/strict";
import { it } from "node:test";
import { keyOf, numberBytes, numberOf, partsOf, rangeOf } from "../../../src/adapters/level/store/key.ts";

const names = [
  "",
  "\0",
  "\0\0",
  "\0\u0001",
  "\0\u0002",
  "\u0001",
  "a",
  "a\0",
  "a\0b",
  "a\u0001",
  "a.b",
  "ab",
  "b",
  "ü",
  "😀",
];

const isWithin = (key: Uint8Array, range: { gte: Uint8Array; lt: Uint8Array }) =>
  Buffer.compare(key, range.gte) >= 0 && Buffer.compare(key, range.lt) < 0;

it("a key can be parsed into its parts, for any text", () => {
  for (const session of names) {
    for (const endpoint of names) {
      const key = keyOf("retry", session, endpoint, 5n, 2n ** 64n - 1n);
      assert.deepEqual(partsOf(key, 2), { texts: [session, endpoint], numbers: [5n, 2n ** 64n - 1n] });
    }
  }
});

it("the range of a name excludes the keys of all others", () => {
  for (const name of names) {
    const range = rangeOf("credentials", name);
    for (const other of names) {
      for (const key of ["", "\0", "key", "\u{10ffff}"]) {
        assert.equal(isWithin(keyOf("credentials", other, key), range), other === name, JSON.stringify([name, other]));
      }
    }
  }
});

it("the range of a family excludes the keys of all others", () => {
  assert.ok(isWithin(keyOf("record", "\u{10ffff}"), rangeOf("record")));
  assert.ok(!isWithin(keyOf("event", 0n), rangeOf("record")));
  assert.ok(!isWithin(keyOf("meta", "\u{10ffff}"), rangeOf("record")));
  assert.ok(isWithin(keyOf("event", 2n ** 64n - 1n), rangeOf("event")));
});

it("keys sort by their parts in turn", () => {
  const keys = names.flatMap((name) => [0n, 1n, 255n, 256n, 2n ** 63n].map((seq) => keyOf("sessionEvent", name, seq)));
  const sorted = keys.toSorted(Buffer.compare);
  assert.deepEqual(sorted, keys);
});

it("a range whose prefix ends with the highest byte has an end", () => {
  const range = rangeOf("event", 2n ** 64n - 1n);
  assert.ok(isWithin(keyOf("event", 2n ** 64n - 1n), range));
  assert.ok(!isWithin(keyOf("event", 2n ** 64n - 2n), range));
  assert.ok(!isWithin(keyOf("sessionEvent", ""), range));
});

it("malformed text is rejected", () => {
  assert.throws(() => keyOf("credentials", "alice", "\ud800"), TypeError);
});

it("a truncated key is an error", () => {
  assert.throws(() => partsOf(keyOf("endpoint", "alice"), 2));
});

it("numbers can be encoded and decoded", () => {
  for (const value of [0n, 1n, 2n ** 32n, 2n ** 64n - 1n]) assert.equal(numberOf(numberBytes(value)), value);
});
