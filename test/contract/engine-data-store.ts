import assert from "node:assert/strict";
import { it } from "node:test";
import type { EngineData } from "../../src/ports/engine.ts";
import { LeaseLost } from "../../src/ports/sessions.ts";
import { createSession, newEvent, type OpenBackend, openFixture, recordOf } from "./backend-fixtures.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text));

const write = (data: EngineData, changes: Record<string, string | null>) =>
  data.write(new Map(Object.entries(changes).map(([key, value]) => [key, value === null ? null : bytes(value)])));

const read = async (data: EngineData, ...keys: string[]) =>
  (await data.read(keys)).map((value) => value && Buffer.from(value).toString());

async function assertEnded(data: EngineData): Promise<void> {
  await assert.rejects(data.read(["key"]), LeaseLost);
  await assert.rejects(write(data, { key: "value" }), LeaseLost);
}

/** Contract for credentials and chats, and for the handles on them. */
export function engineDataContract(open: OpenBackend): void {
  it("values are read in the order of the keys, undefined for missing ones", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const credentials = backend.engineData.credentials(lease);
    await write(credentials, { one: "1", two: "2", empty: "" });
    assert.deepEqual(await read(credentials, "two", "none", "one", "empty"), ["2", undefined, "1", ""]);
    assert.deepEqual(await read(credentials), []);
  });

  it("null removes a key, and a write replaces the former value", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const credentials = backend.engineData.credentials(lease);
    await write(credentials, { one: "1", two: "2" });
    await write(credentials, { one: null, two: "II", never: null });
    assert.deepEqual(await read(credentials, "one", "two"), [undefined, "II"]);
  });

  it("keys of any characters stay distinct", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const keys = [
      "",
      "\0",
      "\0\0",
      "\u0001",
      "a",
      "a\0",
      "a\0\u0001",
      "a\0\u0002b",
      "a:b/c!d",
      "ü",
      "\u{10ffff}",
      "😀",
    ];
    const data = backend.engineData.credentials(lease);
    await data.write(new Map(keys.map((key, n) => [key, Uint8Array.of(n)])));
    assert.deepEqual(
      (await data.read(keys)).map((value) => value?.[0]),
      keys.map((_, n) => n),
    );
  });

  it("credentials and chats of each session are separate", async (t) => {
    const { backend } = await openFixture(t, open);
    const alice = await createSession(backend, "alice");
    const bob = await createSession(backend, "bob");
    await write(backend.engineData.credentials(alice.lease), { key: "alice's credentials" });
    await write(backend.engineData.chats(alice.lease), { key: "alice's chats" });
    await write(backend.engineData.credentials(bob.lease), { key: "bob's credentials" });
    assert.deepEqual(await read(backend.engineData.credentials(alice.lease), "key"), ["alice's credentials"]);
    assert.deepEqual(await read(backend.engineData.chats(alice.lease), "key"), ["alice's chats"]);
    assert.deepEqual(await read(backend.engineData.credentials(bob.lease), "key"), ["bob's credentials"]);
    assert.deepEqual(await read(backend.engineData.chats(bob.lease), "key"), [undefined]);
  });

  it("a caller may reuse its buffers at once", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const data = backend.engineData.credentials(lease);
    const buffer = Buffer.from("kept");
    const changes = new Map([["key", buffer]]);
    const written = data.write(changes);
    buffer.fill(0);
    changes.clear();
    await written;
    const [value] = await data.read(["key"]);
    value?.fill(0);
    assert.deepEqual(await read(data, "key"), ["kept"]);
  });

  it("a new handle ends the former one of its kind only", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const former = backend.engineData.credentials(lease);
    const chats = backend.engineData.chats(lease);
    await write(former, { key: "value" });
    const latter = backend.engineData.credentials(lease);
    await assertEnded(former);
    assert.deepEqual(await read(latter, "key"), ["value"]);
    assert.deepEqual(await read(chats, "key"), [undefined]);
  });

  it("a write that waits when its handle ends is refused", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const former = backend.engineData.credentials(lease);
    const outcomes = Promise.allSettled(Array.from({ length: 3 }, (_, n) => write(former, { [`key${n}`]: "late" })));
    const latter = backend.engineData.credentials(lease);
    const written = (await outcomes).map((outcome) => outcome.status === "fulfilled");
    const found = (await read(latter, "key0", "key1", "key2")).map((value) => value !== undefined);
    assert.deepEqual(found, written);
  });

  it("handles end with their lease", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const data = [backend.engineData.credentials(lease), backend.engineData.chats(lease)];
    const later = await backend.sessions.acquire("alice");
    for (const handle of data) await assertEnded(handle);
    await assertEnded(backend.engineData.credentials(lease));
    const current = backend.engineData.credentials(later);
    await write(current, { key: "value" });
    await assertEnded(backend.engineData.credentials(lease));
    assert.deepEqual(await read(current, "key"), ["value"]);
    await backend.sessions.release(later);
    await assertEnded(current);
  });

  it("a wipe removes credentials and chats with the commit and ends all handles", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const bob = await createSession(backend, "bob");
    await write(backend.engineData.credentials(bob.lease), { key: "bob's" });
    const credentials = backend.engineData.credentials(lease);
    const chats = backend.engineData.chats(lease);
    await Promise.all([write(credentials, { one: "1", two: "2" }), write(chats, { three: "3" })]);
    const waiting = Promise.allSettled([write(credentials, { four: "4" })]);
    await backend.sessions.commit(lease, { record: recordOf("alice", 2), events: [newEvent("alice")], wipe: true });
    await waiting;
    await assertEnded(credentials);
    await assertEnded(chats);
    assert.deepEqual(await read(backend.engineData.credentials(lease), "one", "two", "four"), [
      undefined,
      undefined,
      undefined,
    ]);
    assert.deepEqual(await read(backend.engineData.chats(lease), "three"), [undefined]);
    assert.deepEqual(await read(backend.engineData.credentials(bob.lease), "key"), ["bob's"]);
    assert.equal((await backend.sessions.get("alice")).record?.revision, 2);
  });

  it("a wipe under a lost lease changes nothing", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const later = await backend.sessions.acquire("alice");
    const credentials = backend.engineData.credentials(later);
    await write(credentials, { key: "value" });
    const commit = backend.sessions.commit(lease, { record: recordOf("alice", 2), events: [], wipe: true });
    await assert.rejects(commit, LeaseLost);
    assert.deepEqual(await read(credentials, "key"), ["value"]);
  });

  it("a session's removal deletes its engine data", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const credentials = backend.engineData.credentials(lease);
    await write(credentials, { key: "value" });
    await backend.sessions.remove(lease, []);
    await assertEnded(credentials);
    const again = await createSession(backend, "alice");
    assert.deepEqual(await read(backend.engineData.credentials(again.lease), "key"), [undefined]);
  });

  it("unreadable data rejects instead of returning undefined", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const credentials = backend.engineData.credentials(lease);
    await backend.upkeep.close();
    await assert.rejects(credentials.read(["key"]));
    await assert.rejects(write(credentials, { key: "value" }));
  });
}
