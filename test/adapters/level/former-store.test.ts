import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Engine_Kind } from "../../../gen/sessiond/v1/session_pb.js";
import { openRaw } from "../../../src/adapters/level/store/database.ts";
import { SessionWriter } from "../../../src/app/session-writer.ts";
import { stateOf } from "../../../src/domain/delivery.ts";
import { defaultPolicy } from "../../../src/domain/session.ts";
import { history, Reader, seqOf } from "../../contract/backend-fixtures.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { storeDirectory } from "./store-directory.ts";

/**
 * Opens a store with the entries that the program of commit 01dd400 wrote: two sessions, their logs, a login, a named reader, and of
 * three deliveries one delivered, one to be retried after a minute and one never attempted.
 */
async function formerStore(t: TestContext) {
  const store = await storeDirectory(t);
  const entries: [string, string][] = JSON.parse(
    await readFile(join(import.meta.dirname, "former-store.json"), "utf8"),
  );
  const level = await openRaw(store.path);
  await level.batch(
    entries.map(([key, value]) => ({
      type: "put",
      key: Buffer.from(key, "hex"),
      value: Buffer.from(value, "base64"),
    })),
  );
  await level.close();
  const clock = new FakeClock();
  const controller = new AbortController();
  t.after(() => controller.abort());
  return { store, clock, signal: controller.signal, backend: await store.open(clock) };
}

describe("a store that an earlier version wrote", () => {
  it("opens with its sessions, their events and their readers", async (t) => {
    const { backend } = await formerStore(t);
    const { records, seq } = await backend.sessions.list();
    assert.deepEqual(
      records.map(({ name, revision, engine }) => [name, revision, Engine_Kind[engine]]),
      [
        ["alice", 3, "NOWEB"],
        ["bob", 1, "NOWEB"],
      ],
    );
    assert.equal(seq, 4n);
    assert.deepEqual(
      (await history(backend)).map((event) => `${event.seq} ${event.session}`),
      ["1 alice", "2 alice", "3 alice", "4 bob"],
    );
    assert.equal(await backend.log.acknowledged("billing"), 2n);
    assert.equal((await backend.sessions.createdWith("a key"))?.name, "alice");
  });

  it("opens with logins and chats", async (t) => {
    const { backend } = await formerStore(t);
    const lease = await backend.sessions.acquire("alice");
    const read = async (data: "credentials" | "chats", key: string) =>
      (await backend.engineData[data](lease).read([key])).map((value) => value && Buffer.from(value).toString());
    assert.deepEqual([await read("credentials", "creds"), await read("chats", "chat")], [["a login"], ["a chat"]]);
  });

  it("goes on with its deliveries, each in its state", async (t) => {
    const { backend, clock, signal } = await formerStore(t);
    const states = (await backend.outbox.deliveries("alice", { limit: 9 })).map((one) => stateOf(one));
    assert.equal(new Set(states).size, 3);
    const reader = new Reader(backend.outbox.claims(signal));
    const first = await reader.next();
    assert.deepEqual([seqOf(first), first.delivery.attempts], [3n, 0]);
    await first.done();
    clock.advance(60_000);
    const retry = await reader.next();
    assert.deepEqual([seqOf(retry), retry.delivery.attempts], [2n, 1]);
    await retry.done();
  });

  it("has the messages in its records carried over to their own log, over another start too", async (t) => {
    const { backend, store, clock } = await formerStore(t);
    const lease = await backend.sessions.acquire("alice");
    const { record } = await backend.sessions.get("alice");
    assert.ok(record);
    const deps = {
      backend,
      engines: new Map(),
      clock,
      random: { ulid: () => "01", hex: () => "", unit: () => 0.5 },
      logger: { debug() {}, info() {}, warn() {}, error() {}, child: () => deps.logger },
      policy: defaultPolicy,
      globalWebhook: undefined,
      proxies: { servers: [] },
    };
    const writer = new SessionWriter(deps, lease, record, await backend.sessions.messages("alice"));
    const moment = writer.moment();
    await writer.write(writer.next({ type: "stop" }, moment), { moment });
    await backend.upkeep.close();
    const again = await store.open(clock);
    const log = await again.sessions.messages("alice");
    assert.deepEqual(log?.reported, ["false_15551112222@c.us_3EB0", "true_15551112222@c.us_3EB1"]);
    assert.equal(log?.newestAt && timestampMs(log.newestAt), 1_700_000_005_000);
    assert.deepEqual((await again.sessions.get("alice")).record?.recentMessages, []);
  });
});
