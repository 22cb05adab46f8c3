import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AuthStore, CredentialsUnreadable } from "../../../src/adapters/baileys/auth-state.ts";
import { MemoryEngineData } from "../../contract/engine-data.ts";

const pair = { public: Buffer.from("public"), private: Buffer.from("private") };

async function opened() {
  const data = new MemoryEngineData();
  const failures: unknown[] = [];
  const store = await AuthStore.open(data, (error) => failures.push(error));
  return { data, failures, store, keys: store.state.keys };
}

describe("the login of a NOWEB engine", () => {
  it("is made anew where there is none, and written when it changes", async () => {
    const { data, store } = await opened();
    assert.equal(data.writes.length, 0);
    store.credsChanged();
    await store.flush();
    assert.deepEqual([...data.values.keys()], ["creds"]);
    const again = await AuthStore.open(data, (error) => assert.fail(String(error)));
    assert.deepEqual(again.state.creds.noiseKey, store.state.creds.noiseKey);
  });

  it("is written with the Signal keys of the same change, in one write", async () => {
    const { data, store, keys } = await opened();
    store.credsChanged();
    await keys.set({ "pre-key": { 1: pair, 2: pair }, session: { "5.0": Buffer.from("s") } });
    assert.deepEqual(
      data.writes.map((write) => [...write.keys()].sort()),
      [["creds", "pre-key:1", "pre-key:2", "session:5.0"]],
    );
    await keys.set({ "pre-key": { 1: null } });
    assert.deepEqual([...(data.writes[1] ?? [])], [["pre-key:1", null]]);
  });

  it("reads what is on its way to the disk as if it were there", async () => {
    const { store, keys } = await opened();
    const written = keys.set({ "pre-key": { 1: pair } });
    assert.deepEqual(await keys.get("pre-key", ["1", "2"]), { 1: pair });
    const removed = keys.set({ "pre-key": { 1: null } });
    assert.deepEqual(await keys.get("pre-key", ["1"]), {});
    await Promise.all([written, removed]);
    assert.deepEqual(await keys.get("pre-key", ["1"]), {});
    await store.close();
  });

  it("writes one change after another", async () => {
    const { data, keys } = await opened();
    const write = data.write.bind(data);
    const gates: (() => void)[] = [];
    data.write = async (changes) => {
      await new Promise<void>((resolve) => gates.push(resolve));
      await write(changes);
    };
    const first = keys.set({ "lid-mapping": { a: "1" } });
    while (gates.length === 0) await new Promise(setImmediate);
    const second = keys.set({ "lid-mapping": { a: "2" } });
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    assert.equal(gates.length, 1);
    gates[0]?.();
    await first;
    while (gates.length === 1) await new Promise(setImmediate);
    gates[1]?.();
    await second;
    assert.equal(Buffer.from(data.values.get("lid-mapping:a") ?? []).toString(), '"2"');
  });

  it("reports the first failure, once, and touches nothing afterwards", async () => {
    const { data, failures, keys, store } = await opened();
    data.values.set("session:1.0", Buffer.from("{"));
    await assert.rejects(async () => keys.get("session", ["1.0"]), CredentialsUnreadable);
    await assert.rejects(async () => keys.set({ session: { "1.0": Buffer.from("new") } }));
    await assert.rejects(async () => keys.get("session", ["2.0"]));
    store.credsChanged();
    await store.close();
    assert.equal(failures.length, 1);
    assert.deepEqual([...data.values.keys()], ["session:1.0"]);
    assert.equal(data.writes.length, 0);
  });

  it("finishes what it has begun when it closes, and writes no more", async () => {
    const { data, store, keys } = await opened();
    store.credsChanged();
    await store.close();
    assert.equal(data.writes.length, 1);
    await assert.rejects(async () => keys.set({ "lid-mapping": { a: "1" } }));
    store.credsChanged();
    await assert.rejects(store.flush());
    assert.equal(data.writes.length, 1);
  });
});
