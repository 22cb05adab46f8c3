import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addTransactionCapability } from "@whiskeysockets/baileys";
import { pino } from "pino";
import { AuthStore } from "../../../src/adapters/baileys/auth-state.ts";
import { CredentialsUnreadable } from "../../../src/adapters/engine/credentials.ts";
import { MemoryEngineData } from "../../contract/engine-data.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const pair = { public: Buffer.from("public"), private: Buffer.from("private") };

async function opened() {
  const data = new MemoryEngineData();
  const failures: unknown[] = [];
  const clock = new FakeClock();
  const store = await AuthStore.open(data, clock, (error) => failures.push(error));
  return { data, failures, clock, store, keys: store.state.keys };
}

describe("the login of a NOWEB engine", () => {
  it("is made anew where there is none, and written when it changes", async () => {
    const { data, store } = await opened();
    assert.equal(data.writes.length, 0);
    store.credsChanged();
    await store.flush();
    assert.deepEqual([...data.values.keys()], ["creds"]);
    const again = await AuthStore.open(data, new FakeClock(), (error) => assert.fail(String(error)));
    assert.deepEqual(again.state.creds.noiseKey, store.state.creds.noiseKey);
  });

  it("is not written again while it stays the same, in this life or the next", async () => {
    const { data, store } = await opened();
    const connect = async (login: AuthStore) => {
      login.credsChanged();
      login.rememberLogin();
      await login.flush();
    };
    await connect(store);
    assert.deepEqual([...data.values.keys()].sort(), ["creds", "creds.kept"]);
    const writes = data.writes.length;
    await connect(store);
    const next = await AuthStore.open(data, new FakeClock(), (error) => assert.fail(String(error)));
    next.credsChanged();
    next.rememberLogin();
    assert.equal(next.isDurable, true, "no frame waits for a write");
    await next.flush();
    assert.equal(data.writes.length, writes);
    next.state.creds.accountSyncCounter += 1;
    await connect(next);
    assert.deepEqual(
      data.writes.slice(writes).flatMap((write) => [...write.keys()].sort()),
      ["creds", "creds.kept"],
    );
  });

  it("writes nothing for a list of devices that is stored already", async () => {
    const { data, store } = await opened();
    const { keys } = store.state;
    store.takeRatchets(keys, () => false);
    const write = async (devices: string[]) => {
      await keys.set({ "device-list": { "4915": devices } });
      await store.flush();
      return data.writes.length;
    };
    assert.equal(await write(["0"]), 1);
    assert.equal(await write(["0"]), 1);
    assert.equal(await write(["0", "1"]), 2);
    assert.deepEqual(await keys.get("device-list", ["4915"]), { "4915": ["0", "1"] });
    await keys.set({ "device-list": { "4915": null } });
    await store.flush();
    assert.deepEqual(await keys.get("device-list", ["4915"]), {});
    assert.equal(data.writes.length, 3);
  });

  it("is read where the former login is damaged, which is then replaced", async () => {
    const { data, store } = await opened();
    store.credsChanged();
    store.rememberLogin();
    await store.flush();
    const damaged = {
      read: async (keys: readonly string[]) => {
        if (keys.includes("creds.kept")) throw new Error("broken seal");
        return data.read(keys);
      },
      write: (changes: ReadonlyMap<string, Uint8Array | null>) => data.write(changes),
    };
    const next = await AuthStore.open(damaged, new FakeClock(), (error) => assert.fail(String(error)));
    assert.deepEqual(next.state.creds.noiseKey, store.state.creds.noiseKey);
    const writes = data.writes.length;
    next.rememberLogin();
    await next.flush();
    assert.deepEqual([...(data.writes[writes]?.keys() ?? [])], ["creds.kept"]);
  });

  it("is written with the Signal keys of the same change, in one write", async () => {
    const { data, store, keys } = await opened();
    store.credsChanged();
    await keys.set({ "pre-key": { 1: pair, 2: pair }, "lid-mapping": { a: "1" } });
    await store.flush();
    assert.deepEqual(
      data.writes.map((write) => [...write.keys()].sort()),
      [["creds", "lid-mapping:a", "pre-key:1", "pre-key:2"]],
    );
    await keys.set({ "pre-key": { 1: null } });
    assert.equal(store.isDurable, false);
    await store.flush();
    assert.equal(store.isDurable, true);
    assert.deepEqual([...(data.writes[1] ?? [])], [["pre-key:1", null]]);
  });

  it("writes a ratchet that was turned together with the message that has turned it", async () => {
    const { data, store, keys, clock } = await opened();
    store.expectMessage();
    await keys.set({ session: { "5.0": Buffer.from("turned") } });
    store.credsChanged();
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    assert.equal(data.writes.length, 0, "neither it nor what came after it");
    assert.deepEqual(await keys.get("session", ["5.0"]), { "5.0": Buffer.from("turned") });
    await store.releaseRatchets(new Map([["inbox:0", Buffer.from("hello")]]));
    assert.deepEqual(
      data.writes.map((write) => [...write.keys()].sort()),
      [["creds", "inbox:0", "session:5.0"]],
    );
    assert.equal(clock.pending, 0);
  });

  it("waits for a message only so long, and not at all for one that could not be decrypted", async () => {
    const { data, store, keys, clock } = await opened();
    const settle = () => new Promise(setImmediate);
    store.expectMessage();
    await keys.set({ "sender-key": { "5.0": Buffer.from("turned") } });
    clock.advance(4_999);
    await settle();
    assert.equal(data.writes.length, 0);
    clock.advance(1);
    await store.flush();
    assert.equal(data.writes.length, 1);
    store.expectMessage();
    await keys.set({ session: { "5.0": Buffer.from("moved") } });
    store.expectNoMessage();
    await store.flush();
    assert.equal(data.writes.length, 2);
    assert.equal(clock.pending, 0);
  });

  it("writes a ratchet at once unless a message has advanced it, also within a transaction", async () => {
    const { data, store } = await opened();
    const keys = addTransactionCapability(store.state.keys, pino({ level: "silent" }), {
      maxCommitRetries: 1,
      delayBetweenTriesMs: 0,
    });
    store.takeRatchets(keys, () => false);
    await keys.transaction(async () => {
      await keys.set({
        session: { "5.0": Buffer.from("sent") },
        "lid-mapping": { a: "1" },
        "pre-key": { 7: pair, 8: null },
      });
      assert.equal(store.isDurable, false, "a frame that leaves now waits");
      await store.flush();
      assert.deepEqual(
        data.writes.map((write) => [...write.keys()]),
        [["session:5.0", "pre-key:7"]],
      );
      // Another transaction has it too, and changes it.
      await store.state.keys.set({ session: { "5.0": Buffer.from("received") } });
      await store.flush();
      assert.deepEqual(await keys.get("session", ["5.0"]), { "5.0": Buffer.from("received") });
    }, "me");
    await store.flush();
    assert.deepEqual(await keys.get("session", ["5.0"]), { "5.0": Buffer.from("received") });
    assert.deepEqual([...(data.writes.at(-1)?.keys() ?? [])], ["lid-mapping:a", "pre-key:7"]);
  });

  it("writes a privacy token at once, also after the end of the transaction that has issued it", async () => {
    const { data, store } = await opened();
    const keys = addTransactionCapability(store.state.keys, pino({ level: "silent" }), {
      maxCommitRetries: 1,
      delayBetweenTriesMs: 0,
    });
    store.takeRatchets(keys, () => false);
    const answer = Promise.withResolvers<void>();
    const issued: Promise<void>[] = [];
    const token = { token: Buffer.alloc(0), senderTimestamp: 7 };
    await keys.transaction(async () => {
      assert.deepEqual(await keys.get("tctoken", ["5@lid"]), {});
      issued.push(answer.promise.then(() => keys.set({ tctoken: { "5@lid": token } })));
    }, "me");
    answer.resolve();
    await Promise.all(issued);
    await store.flush();
    assert.deepEqual(
      data.writes.map((write) => [...write.keys()]),
      [["tctoken:5@lid"]],
    );
    assert.deepEqual(await keys.get("tctoken", ["5@lid"]), { "5@lid": token });
  });

  it("gives up a ratchet whose message never came, and all since then", async () => {
    const { data, store, keys, clock } = await opened();
    await keys.set({ "lid-mapping": { a: "1" } });
    await store.flush();
    store.expectMessage();
    await keys.set({ session: { "5.0": Buffer.from("turned") }, "pre-key": { 1: null } });
    store.credsChanged();
    store.defer(new Map([["inbox:0", null]]));
    await store.close();
    assert.deepEqual(
      data.writes.map((write) => [...write.keys()]),
      [["lid-mapping:a"], ["inbox:0"]],
    );
    assert.equal(clock.pending, 0);
  });

  it("gives up a ratchet whose message was not reported when the connection ended, whatever comes after it", async () => {
    const { data, store, keys, clock } = await opened();
    let isOver = false;
    store.takeRatchets(keys, () => isOver);
    store.expectMessage();
    await keys.set({ session: { "5.0": Buffer.from("turned") } });
    isOver = true;
    // Baileys goes on with the messages that it has read, such as one that was decrypted before.
    store.expectMessage();
    store.expectNoMessage();
    clock.advance(10_000);
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    await store.close();
    assert.deepEqual(data.writes, []);
  });

  it("writes deferred changes with the next change, at the latest at the close", async () => {
    const { data, store, keys } = await opened();
    store.defer(new Map([["inbox:0", null]]));
    assert.equal(store.isDurable, true, "nobody has to wait for it");
    await keys.set({ "lid-mapping": { a: "1" } });
    await store.flush();
    store.defer(new Map([["inbox:1", null]]));
    await store.close();
    assert.deepEqual(
      data.writes.map((write) => [...write.keys()].sort()),
      [["inbox:0", "lid-mapping:a"], ["inbox:1"]],
    );
  });

  it("reads a change back while it is being written", async () => {
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
    const { data, store, keys } = await opened();
    const write = data.write.bind(data);
    const gates: (() => void)[] = [];
    data.write = async (changes) => {
      await new Promise<void>((resolve) => gates.push(resolve));
      await write(changes);
    };
    await keys.set({ "lid-mapping": { a: "1" } });
    const first = store.flush();
    while (gates.length === 0) await new Promise(setImmediate);
    await keys.set({ "lid-mapping": { a: "2" } });
    const second = store.flush();
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

  it("finishes the write under way when it closes, and writes nothing afterwards", async () => {
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
