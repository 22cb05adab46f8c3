import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { toBinary } from "@bufbuild/protobuf";
import { type SessionRecord, SessionRecordSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import { levelRecords } from "../../../src/adapters/level/level-records.ts";
import { Database } from "../../../src/adapters/level/store/database.ts";
import { keyOf } from "../../../src/adapters/level/store/key.ts";
import { recordOf } from "../../contract/backend-fixtures.ts";
import { storeDirectory } from "./store-directory.ts";

const bytesOf = (record: SessionRecord) => toBinary(SessionRecordSchema, record);

/** Records of some sessions on disk, whose reads are counted. */
async function opened(t: TestContext, names: readonly string[], capacity?: number) {
  const { path } = await storeDirectory(t);
  const database = await Database.open(path);
  t.after(() => database.close());
  const written = names.map((name) => recordOf(name));
  const put = (record: SessionRecord) =>
    ({ type: "put", key: keyOf("record", record.name), value: bytesOf(record) }) as const;
  await database.batch(written.map(put), { sync: false });
  let view = { snapshot: database.snapshot(), seq: 0n };
  const reads = { one: 0, all: 0 };
  const source = {
    get: (...args: Parameters<Database["get"]>) => {
      reads.one += 1;
      return database.get(...args);
    },
    entries: (...args: Parameters<Database["entries"]>) => {
      reads.all += 1;
      return database.entries(...args);
    },
    isReadable: (...args: Parameters<Database["isReadable"]>) => database.isReadable(...args),
  };
  const records = levelRecords({ database: source, view: () => view }, names, capacity);
  const renewView = (seq = view.seq) => {
    view = { snapshot: database.snapshot(), seq };
  };
  /** Writes a record; returns a function that publishes it, as a group writer does. */
  const write = async (record: SessionRecord) => {
    const staged = records.stage(record.name, record);
    if (staged.value) await database.batch([put(record)], { sync: false });
    return () => {
      renewView(view.seq + 1n);
      records.commit(record.name, staged, undefined);
      return staged.value !== undefined;
    };
  };
  const commit = async (record: SessionRecord) => (await write(record))();
  return { database, records, reads, write, commit, renewView };
}

describe("records of the LevelDB backend", () => {
  it("are read from disk once, one by one or all together", async (t) => {
    const { records, reads } = await opened(t, ["alice", "bob", "carol"]);
    for (let round = 0; round < 3; round += 1) await records.get("bob");
    assert.deepEqual(reads, { one: 1, all: 0 });
    for (let round = 0; round < 3; round += 1) {
      await records.list();
      await records.get("alice");
    }
    assert.deepEqual(reads, { one: 1, all: 1 });
  });

  it("are read from disk once for a thousand lists at the same time, in memory or not", async (t) => {
    for (const capacity of [undefined, 0]) {
      const { records, reads } = await opened(t, ["alice", "bob"], capacity);
      const lists = await Promise.all(Array.from({ length: 1000 }, () => records.list()));
      assert.equal(reads.all, 1);
      assert.ok(lists.every((list) => list.records.length === 2));
    }
  });

  it("are not looked for on disk if the session does not exist", async (t) => {
    const { records, reads } = await opened(t, ["alice"]);
    for (const name of ["bob", "", "__proto__"]) assert.equal((await records.get(name)).record, undefined);
    assert.deepEqual(reads, { one: 0, all: 0 });
  });

  it("are the objects that were committed, one copy for the writer and all readers", async (t) => {
    const { records, reads, commit } = await opened(t, ["alice"]);
    const record = recordOf("alice", 2);
    await commit(record);
    assert.equal((await records.get("alice")).record, record);
    assert.equal((await records.list()).records[0], record);
    assert.deepEqual(reads, { one: 0, all: 0 });
  });

  it("share one list until a session changes", async (t) => {
    const { records, commit } = await opened(t, ["alice", "bob"]);
    const [first, second] = [await records.list(), await records.list()];
    assert.equal(first.records, second.records);
    await commit(recordOf("bob", 2));
    const third = await records.list();
    assert.notEqual(third.records, first.records);
    assert.deepEqual(
      third.records.map(({ revision }) => revision),
      [1, 2],
    );
  });

  it("take no more memory than the capacity; the one committed longest ago goes first", async (t) => {
    const names = ["a", "b", "c"];
    const { records, reads, commit } = await opened(t, names, 2 * bytesOf(recordOf("a", 2)).byteLength);
    for (const name of names) await commit(recordOf(name, 2));
    for (const name of ["b", "c"]) await records.get(name);
    assert.deepEqual(reads, { one: 0, all: 0 });
    for (let round = 0; round < 2; round += 1) assert.equal((await records.get("a")).record?.revision, 2);
    assert.deepEqual(reads, { one: 2, all: 0 });
    assert.deepEqual(
      (await records.list()).records.map(({ name, revision }) => [name, revision]),
      names.map((name) => [name, 2]),
    );
  });

  it("make room when a session is removed or its record shrinks", async (t) => {
    const { records, reads, commit } = await opened(t, ["a"], bytesOf(recordOf("a")).byteLength);
    await records.get("a");
    records.stageRemoval("a");
    records.remove("a");
    await commit(recordOf("b"));
    await commit(recordOf("b", 1));
    await records.get("b");
    assert.equal((await records.get("a")).record, undefined);
    assert.deepEqual(reads, { one: 1, all: 0 });
  });

  it("that change while they are read are returned as they are afterwards", async (t) => {
    for (const capacity of [undefined, 0]) {
      const { records, write } = await opened(t, ["alice", "bob"], capacity);
      const publish = await write(recordOf("alice", 2));
      const reading = Promise.all([records.get("alice"), records.list()]);
      publish();
      const [one, all] = await reading;
      assert.deepEqual([one.record?.revision, one.seq], [2, 1n]);
      assert.deepEqual([all.records.map(({ revision }) => revision), all.seq], [[2, 1], 1n]);
    }
  });

  it("are read again if the database was opened again meanwhile", async (t) => {
    const { database, records, reads, renewView } = await opened(t, ["alice", "bob"]);
    const reading = Promise.all([records.get("alice"), records.list()]);
    await database.reopen(async () => {});
    renewView();
    const [one, all] = await reading;
    assert.deepEqual([one.record?.revision, all.records.length], [1, 2]);
    assert.ok(reads.one + reads.all >= 2);
    assert.equal((await records.list()).records.length, 2);
  });

  it("that failed to be written are written again, and not read", async (t) => {
    const { records, commit } = await opened(t, ["alice"]);
    const record = recordOf("alice", 2);
    records.stage("alice", record);
    assert.ok(records.isLatest("alice", record));
    assert.equal((await records.get("alice")).record?.revision, 1);
    records.undo();
    assert.ok(!records.isLatest("alice", record));
    assert.ok(await commit(record));
    assert.ok(!(await commit(record)));
    assert.equal((await records.get("alice")).record?.revision, 2);
  });

  it("that are missing on disk are reported", async (t) => {
    const { database, records, reads } = await opened(t, ["alice"]);
    const lost = levelRecords({ database, view: () => ({ snapshot: database.snapshot(), seq: 0n }) }, [
      "alice",
      "ghost",
    ]);
    await assert.rejects(lost.get("ghost"), /lost the record of session "ghost"/);
    await assert.rejects(lost.list(), /lost the record of session "ghost"/);
    assert.equal((await records.get("alice")).record?.name, "alice");
    assert.equal(reads.one, 1);
  });
});
