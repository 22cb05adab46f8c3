import assert from "node:assert/strict";
import { it } from "node:test";
import { openMemoryBackend } from "../../../src/adapters/memory/backend.ts";
import { createSession, recordOf } from "../../contract/backend-fixtures.ts";
import { FakeClock } from "../../support/fake-clock.ts";

it("the memory backend refuses a change of a record that was committed or read", async () => {
  const backend = openMemoryBackend({ clock: new FakeClock() });
  const { lease } = await createSession(backend, "alice");
  const record = { ...recordOf("alice", 2), statuses: [] };
  await backend.sessions.commit(lease, { record, events: [] });
  const { record: read } = await backend.sessions.get("alice");
  const [listed] = (await backend.sessions.list()).records;
  for (const shared of [record, read, listed]) {
    assert.ok(shared);
    assert.throws(() => Object.assign(shared, { revision: 9 }), TypeError);
    assert.throws(() => Object.assign(shared.statuses, { length: 3 }), TypeError);
  }
  await backend.upkeep.close();
});
