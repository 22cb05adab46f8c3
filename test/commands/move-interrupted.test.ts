import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { describe, it, type TestContext } from "node:test";
import { openLevelBackend } from "../../src/adapters/level/backend.ts";
import { openLevelSource } from "../../src/adapters/level/transfer/source.ts";
import { openLevelTarget } from "../../src/adapters/level/transfer/target.ts";
import { openPostgresBackend } from "../../src/adapters/postgres/backend.ts";
import { openPostgresSource } from "../../src/adapters/postgres/transfer/source.ts";
import { openPostgresTarget } from "../../src/adapters/postgres/transfer/target.ts";
import { digestsOf, moveStore } from "../../src/commands/move/move-store.ts";
import type { Backend } from "../../src/ports/backend.ts";
import type { StoreSource, StoreTarget } from "../../src/ports/transfer.ts";
import { emptyDatabase } from "../adapters/postgres/databases.ts";
import { createSession } from "../contract/backend-fixtures.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { nodeOptions } from "../support/node-options.ts";
import { dataDirectory, fillStore, makeStore, runMove, sealer, secretKey } from "./moving-store.ts";

const clock = new FakeClock();
const main = new URL("../../src/main.ts", import.meta.url).pathname;
const commands = { again: "again", undo: "undo" };
const quiet = { copied: () => {}, checking: () => {} };

/** Returns true if a server opens a store and finds sessions. */
async function opens(open: Promise<Backend>): Promise<boolean> {
  const backend = await open.catch(() => undefined);
  if (!backend) return false;
  const { records } = await backend.sessions.list();
  await backend.upkeep.close();
  return records.length > 0;
}

/** Both stores of a move, and which of them a server would open. */
function places(store: string, url: string) {
  const level = { directory: store, sealer, adopt: false, version: "1", mayPutAside: true };
  return {
    toPostgres: async () => [await openLevelSource(level), await openPostgresTarget({ url, sealer })] as const,
    toLevel: async () => [await openPostgresSource({ url, sealer }), await openLevelTarget(level)] as const,
    async opened() {
      const isLevel = await opens(openLevelBackend({ directory: store, clock, sealer }));
      return { isLevel, isPostgres: await opens(openPostgresBackend({ url, clock, sealer })) };
    },
  };
}

async function digests(source: Promise<StoreSource>) {
  const opened = await source;
  return digestsOf(opened).finally(() => opened.close());
}

/** The writes of a move, in their order; entries are added many times. */
type Step = "begin" | "add" | "retire" | "activate";

/** Runs a move that ends at the n-th of its steps of one kind: before it, or after it is on disk. */
async function interrupt(
  [source, target]: readonly [StoreSource, StoreTarget],
  step: Step,
  moment: "before" | "after",
  n: number,
): Promise<void> {
  let count = 0;
  const cut = async (kind: string, work: () => Promise<void>) => {
    if (kind === step) count += 1;
    const isHere = kind === step && count === n;
    if (isHere && moment === "before") throw new Error("cut");
    await work();
    if (isHere) throw new Error("cut");
  };
  const cutSource: StoreSource = { ...source, retire: (...args) => cut("retire", () => source.retire(...args)) };
  const cutTarget: StoreTarget = {
    ...target,
    begin: (...args) => cut("begin", () => target.begin(...args)),
    add: (...args) => cut("add", () => target.add(...args)),
    activate: (...args) => cut("activate", () => target.activate(...args)),
  };
  try {
    await assert.rejects(moveStore(cutSource, cutTarget, commands, quiet), /interrupted, nothing is lost: cut/);
  } finally {
    await target.close();
    await source.close();
  }
}

describe("a move that is interrupted", () => {
  const points = [
    ["begin", "before", 1],
    ["begin", "after", 1],
    ["add", "after", 4],
    ["retire", "before", 1],
    ["retire", "after", 1],
    ["activate", "after", 1],
  ] as const;
  for (const [step, moment, n] of points) {
    it(`${moment} ${step} ${n}: sessions run at most once, and a repetition finishes it`, async (t) => {
      const { store } = await dataDirectory(t);
      await makeStore(store);
      const { url } = await emptyDatabase(t);
      const { toPostgres, toLevel, opened } = places(store, url);
      const before = await digests(openLevelSource({ directory: store, sealer, adopt: false, version: "1" }));
      const isRetired = step === "activate" || (step === "retire" && moment === "after");
      const isDone = step === "activate" && moment === "after";

      await interrupt(await toPostgres(), step, moment, n);
      assert.deepEqual(await opened(), { isLevel: !isRetired, isPostgres: isDone });
      await finish(toPostgres);
      assert.deepEqual(await opened(), { isLevel: false, isPostgres: true });
      assert.deepEqual(await digests(openPostgresSource({ url, sealer })), before);

      await interrupt(await toLevel(), step, moment, n);
      assert.deepEqual(await opened(), { isLevel: isDone, isPostgres: !isRetired });
      await finish(toLevel);
      assert.deepEqual(await opened(), { isLevel: true, isPostgres: false });
      assert.deepEqual(
        await digests(openLevelSource({ directory: store, sealer, adopt: false, version: "1" })),
        before,
      );
    });
  }

  it("is refused, and leaves the source, if the target does not hold what was written", async (t) => {
    const { store } = await dataDirectory(t);
    await makeStore(store);
    const { url } = await emptyDatabase(t);
    const { toPostgres, opened } = places(store, url);
    const [source, target] = await toPostgres();
    const forgetful: StoreTarget = {
      ...target,
      add: (family, entries) => target.add(family, family === "credentials" ? entries.slice(1) : entries),
    };
    const move = moveStore(source, forgetful, commands, quiet);
    await assert.rejects(move, /does not hold what was written to it \(credentials: \d+ of \d+ entries\)/);
    await target.close();
    await source.close();
    assert.deepEqual(await opened(), { isLevel: true, isPostgres: false });
  });

  it("survives kill -9 at any moment: a repetition finishes it", async (t) => {
    const { base, store } = await dataDirectory(t);
    await makeStore(store, fillMuch);
    const { url } = await emptyDatabase(t);
    const { opened } = places(store, url);
    const before = await digests(openLevelSource({ directory: store, sealer, adopt: false, version: "1" }));
    for (const [flag, lines] of [
      ["--to", [1, 4, 8]],
      ["--from", [2, 6, 9]],
    ] as const) {
      for (const line of lines) {
        await killAtLine(t, base, [flag, url], line);
        const { isLevel, isPostgres } = await opened();
        assert.ok(!(isLevel && isPostgres), "sessions run at most once");
      }
      await runMove(t, base, [flag, url]);
    }
    assert.deepEqual(await opened(), { isLevel: true, isPostgres: false });
    assert.deepEqual(await digests(openLevelSource({ directory: store, sealer, adopt: false, version: "1" })), before);
  });
});

/** Does a move again that was interrupted. */
async function finish(open: () => Promise<readonly [StoreSource, StoreTarget]>): Promise<void> {
  const [source, target] = await open();
  try {
    await moveStore(source, target, commands, quiet);
  } finally {
    await target.close();
    await source.close();
  }
}

async function fillMuch(backend: Backend, atClock: FakeClock): Promise<void> {
  await fillStore(backend, atClock);
  for (let n = 0; n < 40; n += 1) {
    const { lease } = await createSession(backend, `s${n}`, ["one"], 40);
    const data = Array.from({ length: 40 }, (_, key) => [`key-${key}`, new Uint8Array(200)] as const);
    await backend.engineData.credentials(lease).write(new Map(data));
  }
}

/** Runs the command, and kills it as soon as it has printed some lines. */
async function killAtLine(t: TestContext, base: string, args: readonly string[], lines: number): Promise<void> {
  const child = spawn(process.execPath, [...nodeOptions, main, "move", ...args], {
    env: { PATH: process.env.PATH ?? "", WAHA_LOCAL_STORE_BASE_DIR: base, SESSIOND_SECRET_KEY: secretKey },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  let count = 0;
  createInterface({ input: child.stdout }).on("line", () => {
    count += 1;
    if (count === lines) child.kill("SIGKILL");
  });
  const [, signal] = await once(child, "close");
  assert.equal(signal, "SIGKILL", "it was killed before it was done");
}
