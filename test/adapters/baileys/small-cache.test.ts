import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { WASocket } from "@whiskeysockets/baileys";
import { LIDMappingStore } from "@whiskeysockets/baileys/lib/Signal/lid-mapping.js";
import { boundPairCache } from "../../../src/adapters/baileys/caches.ts";
import { SmallCache } from "../../../src/adapters/baileys/small-cache.ts";
import { FakeClock } from "../../support/fake-clock.ts";

function openCache(entries = 3) {
  const clock = new FakeClock();
  return { clock, cache: new SmallCache(clock, { ttlMs: 1_000, entries }) };
}

describe("a small cache", () => {
  it("returns the value that was stored last under a key", () => {
    const { cache } = openCache();
    cache.set("a", 1);
    cache.set("a", 2);
    cache.set("b", [3]);
    assert.deepEqual([cache.get("a"), cache.get("b"), cache.get("c")], [2, [3], undefined]);
  });

  it("forgets an entry when its time has passed", () => {
    const { clock, cache } = openCache();
    cache.set("a", 1);
    clock.advance(999);
    assert.ok(cache.has("a"));
    clock.advance(1);
    assert.ok(!cache.has("a"));
  });

  it("counts an entry's time from when it was last stored", () => {
    const { clock, cache } = openCache();
    cache.set("a", 1);
    clock.advance(600);
    cache.set("a", 2);
    clock.advance(600);
    assert.equal(cache.get("a"), 2);
  });

  it("drops the oldest entries at its limit", () => {
    const { cache } = openCache(2);
    for (const key of ["a", "b", "c"]) cache.set(key, key);
    assert.deepEqual([cache.size, cache.get("a"), cache.get("b"), cache.get("c")], [2, undefined, "b", "c"]);
  });

  it("drops expired entries when another is stored", () => {
    const { clock, cache } = openCache();
    cache.set("a", 1);
    cache.set("b", 1);
    clock.advance(1_000);
    cache.set("c", 1);
    assert.equal(cache.size, 1);
  });

  it("removes one entry, or all", () => {
    const { cache } = openCache();
    for (const key of ["a", "b", "c"]) cache.set(key, key);
    cache.del("a");
    assert.deepEqual([cache.has("a"), cache.size], [false, 2]);
    cache.flushAll();
    assert.equal(cache.size, 0);
  });

  it("leaves no timer", () => {
    const { clock, cache } = openCache();
    cache.set("a", 1);
    assert.equal(clock.pending, 0);
  });
});

describe("the pairs of numbers and LIDs", () => {
  const logger = { trace() {}, debug() {}, warn() {} };
  function openPairs() {
    const reads: string[] = [];
    const keys = {
      get: async (_type: string, ids: string[]) => {
        reads.push(...ids);
        return Object.fromEntries(ids.flatMap((id) => (id.startsWith("1") ? [[id, `9${id}`]] : [])));
      },
      set: async () => {},
      transaction: async (work: () => unknown) => work(),
    };
    const lidMapping = Reflect.construct(LIDMappingStore, [keys, logger, async () => null]) as InstanceType<
      typeof LIDMappingStore
    >;
    return { reads, lidMapping };
  }
  const numbers = ["111", "111:0", "111:5", "112:99", "113", "222", "222:3", "abc", ""].flatMap((user) => [
    `${user}@s.whatsapp.net`,
    `${user}@lid`,
    `${user}@hosted`,
    `${user}@g.us`,
  ]);

  it("are found as Baileys finds them, for the first time and again", async () => {
    const [own, bound] = [openPairs(), openPairs()];
    boundPairCache({ signalRepository: bound } as unknown as WASocket, new FakeClock());
    for (const number of [...numbers, ...numbers]) {
      assert.equal(await bound.lidMapping.getLIDForPN(number), await own.lidMapping.getLIDForPN(number), number);
    }
    assert.deepEqual(bound.reads, own.reads);
  });
});
