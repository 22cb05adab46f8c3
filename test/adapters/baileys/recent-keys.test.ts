import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RecentKeys } from "../../../src/adapters/baileys/recent-keys.ts";
import { MemoryEngineData } from "../../contract/engine-data.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Opens credentials with a memory, and counts the keys that are read from the store. */
function open(recent = new RecentKeys(), entries: Record<string, string> = {}) {
  const data = new MemoryEngineData();
  for (const [key, text] of Object.entries(entries)) data.values.set(key, bytes(text));
  const readKeys: string[] = [];
  const store = {
    read: (keys: readonly string[]) => {
      readKeys.push(...keys);
      return data.read(keys);
    },
    write: (changes: ReadonlyMap<string, Uint8Array | null>) => data.write(changes),
  };
  const credentials = recent.of(store);
  const read = async (...keys: string[]) =>
    (await credentials.read(keys)).map((value) => value && new TextDecoder().decode(value));
  const write = (key: string, text: string | null) =>
    credentials.write(new Map([[key, text === null ? null : bytes(text)]]));
  return { data, readKeys, read, write };
}

describe("the keys that an engine uses for each message", () => {
  it("are read once, also those that are not there", async () => {
    const { read, readKeys } = open(undefined, { "session:a": "1", creds: "x" });
    assert.deepEqual(await read("session:a", "tctoken:b", "creds"), ["1", undefined, "x"]);
    assert.deepEqual(await read("creds", "session:a", "tctoken:b"), ["x", "1", undefined]);
    assert.deepEqual(readKeys, ["session:a", "tctoken:b", "creds", "creds"]);
  });

  it("are what was written last, or gone", async () => {
    const { read, write, readKeys } = open(undefined, { "session:a": "1" });
    await read("session:a");
    await write("session:a", "2");
    assert.deepEqual(await read("session:a"), ["2"]);
    await write("session:a", null);
    assert.deepEqual(await read("session:a"), [undefined]);
    assert.deepEqual(readKeys, ["session:a"]);
  });

  it("are read again after a write that failed", async () => {
    const { data, read, write } = open(undefined, { "session:a": "1" });
    await read("session:a");
    data.failWrites = new Error("full");
    await assert.rejects(write("session:a", "2"));
    assert.deepEqual(await read("session:a"), ["1"]);
  });

  it("are not remembered from a read beside a write", async () => {
    const { data, read, write } = open(undefined, { "session:a": "1" });
    const former = data.read(["session:a"]);
    data.read = () => former;
    const reading = read("session:a");
    await write("session:a", "2");
    await reading;
    assert.deepEqual(await read("session:a"), ["2"]);
  });

  it("are those of its own session", async () => {
    const recent = new RecentKeys();
    const [alice, bob] = [open(recent, { "session:a": "1" }), open(recent, { "session:a": "2" })];
    assert.deepEqual([await alice.read("session:a"), await bob.read("session:a")], [["1"], ["2"]]);
    assert.deepEqual([await alice.read("session:a"), await bob.read("session:a")], [["1"], ["2"]]);
  });

  it("give way to later ones, the oldest first", async () => {
    const { read, readKeys } = open(new RecentKeys(500), { "session:a": "1" });
    for (const key of ["session:a", "session:b", "session:a", "session:c", "session:a", "session:b"]) await read(key);
    assert.deepEqual(readKeys, ["session:a", "session:b", "session:c", "session:b"]);
  });
});
