import assert from "node:assert/strict";
import { it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { PendingUnlinkSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Backend } from "../../src/ports/backend.ts";
import type { Credentials } from "../../src/ports/engine.ts";
import { LeaseLost } from "../../src/ports/sessions.ts";
import { createSession, newEvent, type OpenBackend, openFixture, recordOf } from "./backend-fixtures.ts";

const pendingOf = (id: string, session = "alice") => create(PendingUnlinkSchema, { id, session });

const write = (credentials: Credentials, key: string, value: string) =>
  credentials.write(new Map([[key, Buffer.from(value)]]));

const read = async (credentials: Credentials, key: string) => {
  const [value] = await credentials.read([key]);
  return value && Buffer.from(value).toString();
};

const idsOf = async (backend: Backend) => (await backend.pendingUnlinks.list()).map(({ id }) => id);

/** Creates a session whose login is set aside under this id. */
async function withLoginAside(backend: Backend, id: string) {
  const { lease } = await createSession(backend, "alice");
  const credentials = backend.engineData.credentials(lease);
  await write(credentials, "login", `login of ${id}`);
  await write(backend.engineData.chats(lease), "chat", "chat");
  const setAside = pendingOf(id);
  await backend.sessions.commit(lease, {
    record: recordOf("alice", 2),
    events: [newEvent("alice")],
    wipe: true,
    setAside,
  });
  return { lease, credentials };
}

/** Contract for the logins that sessions leave behind. */
export function pendingUnlinksContract(open: OpenBackend): void {
  it("a login set aside belongs to its new owner only", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease, credentials } = await withLoginAside(backend, "unlink:1");
    await assert.rejects(write(credentials, "login", "late"), LeaseLost);
    assert.equal(await read(backend.engineData.credentials(lease), "login"), undefined);
    assert.equal(await read(backend.engineData.chats(lease), "chat"), undefined);
    assert.deepEqual(await idsOf(backend), ["unlink:1"]);
    const owner = await backend.sessions.acquire("unlink:1");
    assert.equal(await read(backend.engineData.credentials(owner), "login"), "login of unlink:1");
    assert.equal(await read(backend.engineData.chats(owner), "chat"), undefined);
  });

  it("the session can use another login and be removed while the former one waits", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await withLoginAside(backend, "unlink:1");
    await write(backend.engineData.credentials(lease), "login", "new");
    const setAside = pendingOf("unlink:2");
    await backend.sessions.commit(lease, { record: recordOf("alice", 3), events: [], wipe: true, setAside });
    await backend.sessions.remove(lease, []);
    assert.deepEqual(await idsOf(backend), ["unlink:1", "unlink:2"]);
    const [first, second] = await Promise.all([
      backend.sessions.acquire("unlink:1"),
      backend.sessions.acquire("unlink:2"),
    ]);
    assert.equal(await read(backend.engineData.credentials(first), "login"), "login of unlink:1");
    assert.equal(await read(backend.engineData.credentials(second), "login"), "new");
    assert.deepEqual((await backend.sessions.list()).records, [], "it is no session");
  });

  it("nothing is set aside for a session without credentials", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const setAside = pendingOf("unlink:1");
    await backend.sessions.commit(lease, { record: recordOf("alice", 2), events: [], wipe: true, setAside });
    assert.deepEqual(await idsOf(backend), []);
  });

  it("nothing is set aside under a lost lease", async (t) => {
    const { backend } = await openFixture(t, open);
    const { lease } = await createSession(backend, "alice");
    const later = await backend.sessions.acquire("alice");
    await write(backend.engineData.credentials(later), "login", "kept");
    const setAside = pendingOf("unlink:1");
    const commit = backend.sessions.commit(lease, { record: recordOf("alice", 2), events: [], wipe: true, setAside });
    await assert.rejects(commit, LeaseLost);
    assert.deepEqual(await idsOf(backend), []);
    assert.equal(await read(backend.engineData.credentials(later), "login"), "kept");
  });

  it("saved entries are listed; finished ones are deleted and cannot be saved again", async (t) => {
    const { backend } = await openFixture(t, open);
    await withLoginAside(backend, "unlink:1");
    await backend.pendingUnlinks.save({ ...pendingOf("unlink:1"), attempts: 3 });
    await backend.pendingUnlinks.save(pendingOf("unlink:unknown"));
    assert.deepEqual(
      (await backend.pendingUnlinks.list()).map(({ id, attempts }) => [id, attempts]),
      [["unlink:1", 3]],
    );
    const owner = await backend.sessions.acquire("unlink:1");
    const credentials = backend.engineData.credentials(owner);
    await backend.pendingUnlinks.finish("unlink:1");
    await backend.pendingUnlinks.finish("unlink:1");
    await backend.pendingUnlinks.save(pendingOf("unlink:1"));
    assert.deepEqual(await idsOf(backend), []);
    await assert.rejects(write(credentials, "login", "late"), LeaseLost);
    assert.equal(await read(backend.engineData.credentials(owner), "login"), undefined);
  });
}
