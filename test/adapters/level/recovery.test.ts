import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { it, type TestContext } from "node:test";
import { Database, type Operation } from "../../../src/adapters/level/store/database.ts";
import { DirectoryLost } from "../../../src/adapters/level/store/directory-lock.ts";
import { generationBytes, generationKey } from "../../../src/adapters/level/store/generation.ts";
import { keyOf } from "../../../src/adapters/level/store/key.ts";
import { Recovery } from "../../../src/adapters/level/store/recovery.ts";
import { StoreUnavailable } from "../../../src/domain/errors.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { storeDirectory } from "./store-directory.ts";

const key = (name: string) => keyOf("record", name);
const put = (name: string, value: string): Operation => ({ type: "put", key: key(name), value: Buffer.from(value) });
const generation = (writes: bigint): Operation => ({
  type: "put",
  key: generationKey,
  value: generationBytes({ writes, ratchets: 0n }),
});
const cause = new Error("no space left on device");

/** A database with one written group, and its recovery. `verify` fails the given number of times. */
async function broken(t: TestContext, failures: Error[] = [], synced = 1n) {
  const { path } = await storeDirectory(t);
  const database = await Database.open(path);
  t.after(() => database.close());
  await database.batch([put("changed", "old"), put("removed", "old"), generation(1n)], { sync: true });
  const clock = new FakeClock();
  const tries: number[] = [];
  let tried = Promise.withResolvers<void>();
  let restored = 0;
  const recovery = new Recovery({
    // A write that LevelDB reports as failed may be in the log, which shows only when the log is read again.
    database: {
      directory: path,
      getManyRaw: (keys) => database.getManyRaw(keys),
      reopen: async (prepare) => {
        await database.batch(failed, { sync: true });
        await database.reopen(prepare);
      },
    },
    generation: { synced: { writes: synced, ratchets: 0n } },
    clock,
    logger: undefined,
    verify: async () => {
      tries.push(clock.nowMs());
      tried.resolve();
      tried = Promise.withResolvers();
      const failure = failures.shift();
      if (failure) throw failure;
    },
    restored: async () => {
      restored += 1;
    },
  });
  const failed = [
    put("changed", "new"),
    put("added", "new"),
    { type: "del", key: key("removed") } as const,
    generation(2n),
  ];
  const read = async () => {
    const values = await database.getMany(["changed", "added", "removed"].map(key));
    return values.map((value) => value && Buffer.from(value).toString());
  };
  const nextTry = async (ms: number) => {
    const { promise } = tried;
    clock.advance(ms);
    await promise;
    // Waits until the next attempt is over and another is scheduled.
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { path, database, recovery, clock, failed, tries, read, nextTry, restored: () => restored };
}

it("recovery undoes the parts of a failed group that are on disk", async (t) => {
  const { path, recovery, clock, failed, read, restored } = await broken(t);
  const recovered = recovery.recover(failed, cause);
  clock.advance(1_000);
  await recovered;
  assert.deepEqual(await read(), ["old", undefined, "old"]);
  assert.equal(restored(), 1);
  assert.ok(!(await readdir(path)).includes("probe.tmp"));
});

it("recovery is retried at growing intervals", async (t) => {
  const { recovery, clock, failed, tries, nextTry, read } = await broken(
    t,
    Array.from({ length: 7 }, () => cause),
  );
  const begunMs = clock.nowMs();
  const recovered = recovery.recover(failed, cause);
  for (const seconds of [1, 2, 4, 8, 16, 30, 30]) await nextTry(seconds * 1_000);
  assert.deepEqual(
    tries.map((ms) => (ms - begunMs) / 1_000),
    [1, 3, 7, 15, 31, 61, 91],
  );
  assert.deepEqual(await read(), ["old", undefined, "old"]);
  clock.advance(30_000);
  await recovered;
});

it("recovery rejects if the disk has lost acknowledged writes", async (t) => {
  const { recovery, clock, failed, read } = await broken(t, [], 5n);
  const recovered = assert.rejects(recovery.recover(failed, cause), /lost writes 3 to 5/);
  clock.advance(1_000);
  await recovered;
  await assert.rejects(read(), StoreUnavailable);
});

it("recovery rejects if another process owns the directory", async (t) => {
  const { recovery, clock, failed } = await broken(t, [new DirectoryLost("taken")]);
  const recovered = assert.rejects(recovery.recover(failed, cause), /taken/);
  clock.advance(1_000);
  await recovered;
});

it("close ends a recovery", async (t) => {
  const { recovery, failed } = await broken(t);
  const recovered = assert.rejects(recovery.recover(failed, cause), /closed/);
  recovery.close();
  recovery.close();
  await recovered;
  await assert.rejects(recovery.recover(failed, cause), /closed/);
});
