import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BufferJSON, proto } from "@whiskeysockets/baileys";
import { ChatRecorder } from "../../../src/adapters/baileys/chat-store.ts";
import type { Logger } from "../../../src/ports/system.ts";
import { MemoryEngineData } from "../../contract/engine-data.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const bob = "15551112222@s.whatsapp.net";
const key = { remoteJid: bob, id: "3EB0", fromMe: false };

function opened() {
  const store = new MemoryEngineData();
  const clock = new FakeClock();
  const warnings: string[] = [];
  const note = (_: object, message: string) => {
    warnings.push(message);
  };
  const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger };
  const read = (name: string): unknown =>
    JSON.parse(Buffer.from(store.values.get(name) ?? []).toString() || "null", BufferJSON.reviver);
  return { store, clock, warnings, read, keeper: new ChatRecorder(store, clock, logger) };
}

describe("the chats that a NOWEB engine stores", () => {
  it("are written in batches, with all changes of one value merged", async () => {
    const { store, clock, keeper, read } = opened();
    keeper.record({ "contacts.upsert": [{ id: bob, notify: "Bob" }] });
    keeper.record({ "contacts.update": [{ id: bob, name: "Robert" }], "chats.upsert": [{ id: bob, unreadCount: 2 }] });
    assert.equal(store.writes.length, 0);
    clock.advance(1_000);
    await keeper.message(key);
    assert.equal(store.writes.length, 1);
    keeper.record({ "contacts.update": [{ id: bob, status: "busy" }], "chats.delete": [bob] });
    await keeper.close();
    assert.deepEqual(read(`contact:${bob}`), { id: bob, notify: "Bob", name: "Robert", status: "busy" });
    assert.equal(store.values.has(`chat:${bob}`), false);
    assert.equal(clock.pending, 0);
  });

  it("give back a message's content, at once too, until it is deleted", async () => {
    const { keeper, store } = opened();
    const message = { key, messageTimestamp: 1, message: proto.Message.fromObject({ conversation: "hello" }) };
    keeper.record({ "messages.upsert": { type: "notify", messages: [message] } });
    assert.equal((await keeper.message(key))?.conversation, "hello");
    keeper.record({
      "messages.update": [
        { key, update: { status: 4 } },
        { key: { ...key, id: "?" }, update: {} },
      ],
    });
    assert.equal((await keeper.message(key))?.conversation, "hello");
    const [stored] = store.values.values();
    assert.equal(stored && proto.WebMessageInfo.decode(stored).status, 4);
    keeper.record({ "messages.delete": { keys: [key] } });
    assert.equal(await keeper.message(key), undefined);
    assert.deepEqual([...store.values.keys()], []);
  });

  it("may be lost: an error is a line in the log, and a newer keeper silence", async () => {
    const { keeper, store, warnings } = opened();
    store.failWrites = new Error("disk full");
    keeper.record({ "contacts.upsert": [{ id: bob }] });
    assert.equal(await keeper.message(key), undefined);
    assert.equal(warnings.length, 1);
    store.end();
    keeper.record({ "contacts.upsert": [{ id: bob }] });
    await keeper.close();
    assert.equal(warnings.length, 1);
  });
});
