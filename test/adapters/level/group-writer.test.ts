import assert from "node:assert/strict";
import { it } from "node:test";
import { GroupWriter } from "../../../src/adapters/embedded/group-writer.ts";
import type { Operation } from "../../../src/adapters/level/store/database.ts";
import { StoreUnavailable } from "../../../src/domain/errors.ts";

const operation = (name: string): Operation => ({ type: "put", key: Buffer.from(name), value: Buffer.of() });

const named = (operations: readonly Operation[]) => operations.map(({ key }) => Buffer.from(key).toString());

/** Groups that are written when the test says so. */
class Disk {
  readonly groups: { names: string[]; sync: boolean }[] = [];
  readonly #writes: PromiseWithResolvers<void>[] = [];
  #arrived = Promise.withResolvers<void>();
  readonly writer = new GroupWriter<Operation>({
    batch: (operations, { sync }) => {
      const write = Promise.withResolvers<void>();
      this.groups.push({ names: named(operations), sync });
      this.#writes.push(write);
      this.#arrived.resolve();
      return write.promise;
    },
    complete: (operations) => operations.push(operation("seal")),
    written: () => {},
    recover: (operations) => {
      this.failed = named(operations);
      return this.recovery.promise;
    },
  });
  readonly recovery = Promise.withResolvers<void>();
  failed: string[] = [];

  write(name: string, sync = true): Promise<string> {
    return this.writer.write({
      sync,
      build: (operations) => {
        operations.push(operation(name));
        return name;
      },
    });
  }

  async finish(error?: Error): Promise<void> {
    if (this.#writes.length === 0) await this.#arrived.promise;
    this.#arrived = Promise.withResolvers();
    const write = this.#writes.shift();
    if (error) write?.reject(error);
    else write?.resolve();
  }
}

it("writes that arrive while a group is written form the next group", async () => {
  const disk = new Disk();
  const first = disk.write("a");
  await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  const waiting = [disk.write("b"), disk.write("c", false), disk.write("d")];
  await disk.finish();
  assert.equal(await first, "a");
  await disk.finish();
  assert.deepEqual(await Promise.all(waiting), ["b", "c", "d"]);
  assert.deepEqual(disk.groups, [
    { names: ["a", "seal"], sync: true },
    { names: ["b", "c", "d", "seal"], sync: true },
  ]);
});

it("a group without a synced write is not synced", async () => {
  const disk = new Disk();
  const writes = [disk.write("a", false), disk.write("b", false)];
  await disk.finish();
  await Promise.all(writes);
  assert.deepEqual(disk.groups, [{ names: ["a", "b", "seal"], sync: false }]);
});

it("a cancelled write leaves nothing in its group, and the others intact", async () => {
  const disk = new Disk();
  const before = disk.write("a");
  const refused = disk.writer.write({
    sync: true,
    build: (operations) => {
      operations.push(operation("torn"));
      throw new Error("refused");
    },
  });
  const after = disk.write("b");
  await assert.rejects(refused, /refused/);
  await disk.finish();
  assert.deepEqual([await before, await after], ["a", "b"]);
  assert.deepEqual(disk.groups[0]?.names, ["a", "b", "seal"]);
});

it("a write with prepare reads after all earlier writes are written", async () => {
  const disk = new Disk();
  const order: string[] = [];
  const first = disk.write("a").then(() => order.push("a is written"));
  const reading = disk.writer.write({
    sync: true,
    prepare: async () => {
      order.push("reads");
    },
    build: (operations) => operations.push(operation("b")),
  });
  const last = disk.write("c");
  await disk.finish();
  await disk.finish();
  await Promise.all([first, reading, last]);
  assert.deepEqual(order, ["a is written", "reads"]);
  assert.deepEqual(
    disk.groups.map((group) => group.names),
    [
      ["a", "seal"],
      ["b", "c", "seal"],
    ],
  );
});

it("a write whose prepare fails is rejected alone", async () => {
  const disk = new Disk();
  const failing = disk.writer.write({
    sync: true,
    prepare: () => Promise.reject(new Error("unreadable")),
    build: (operations) => operations.push(operation("never")),
  });
  const after = disk.write("a");
  await assert.rejects(failing, /unreadable/);
  await disk.finish();
  assert.equal(await after, "a");
});

it("after a failed group all writes are rejected until recovery", async () => {
  const disk = new Disk();
  const failed = [disk.write("a"), disk.write("b")].map((write) => assert.rejects(write, StoreUnavailable));
  await disk.finish(new Error("disk full"));
  await Promise.all(failed);
  assert.deepEqual(disk.failed, ["a", "b", "seal"]);
  await assert.rejects(disk.write("c"), StoreUnavailable);
  let prepared = false;
  const prepare = async () => {
    prepared = true;
  };
  await assert.rejects(disk.writer.write({ sync: true, prepare, build: () => {} }), StoreUnavailable);
  assert.equal(prepared, false);
  assert.equal(disk.groups.length, 1);
  const patient = disk.writer.retryUntilAvailable(() => disk.write("d"));
  disk.recovery.resolve();
  await disk.finish();
  assert.equal(await patient, "d");
  assert.equal(disk.groups.length, 2);
});

it("writes that wait for a failed recovery get its reason", async () => {
  const disk = new Disk();
  const failed = assert.rejects(disk.write("a"), StoreUnavailable);
  await disk.finish(new Error("the disk is gone"));
  await failed;
  const patient = disk.writer.retryUntilAvailable(() => disk.write("b"));
  disk.recovery.reject(new Error("for good"));
  await assert.rejects(patient, /for good/);
  await assert.rejects(disk.write("c"), StoreUnavailable);
});

it("close finishes accepted writes and rejects later ones", async () => {
  const disk = new Disk();
  const accepted = disk.write("a");
  const closed = disk.writer.close();
  await assert.rejects(disk.write("b"), /closed/);
  await disk.finish();
  await closed;
  assert.equal(await accepted, "a");
  await disk.writer.close();
});
