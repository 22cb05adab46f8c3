import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LazyLibrary } from "../../../src/adapters/engine/lazy-library.ts";
import { LoadingEngine } from "../../../src/adapters/engine/loading-engine.ts";
import { type Engine, type EngineEvent, PairingCodeRefused } from "../../../src/ports/engine.ts";
import { ConnectionLost } from "../../../src/ports/sending.ts";
import type { Logger } from "../../../src/ports/system.ts";

/** A loading engine, the library that it waits for, and the engine that is behind it. */
function openFixture() {
  const loading = Promise.withResolvers<void>();
  const calls: string[] = [];
  const logged: string[] = [];
  const line = (_fields: object, message: string) => void logged.push(message);
  const logger: Logger = { debug: () => {}, info: () => {}, warn: line, error: line, child: () => logger };
  const inner: Engine = {
    events: (async function* (): AsyncGenerator<EngineEvent> {
      yield { type: "health", healthy: true };
      calls.push("health is taken");
      yield { type: "closed", cause: "unreachable", message: "over" };
    })(),
    lastInboundAtMs: 7,
    pairingCodes: { request: async (number) => `code for ${number}` },
    screenshots: { take: async () => Buffer.from("picture") },
    async logout() {
      calls.push("logout");
      return "unlinked";
    },
    async close() {
      calls.push("close");
    },
  };
  const open = () => {
    calls.push("open");
    return inner;
  };
  const engine = new LoadingEngine(
    loading.promise.then(() => open),
    ["pairingCodes", "screenshots", "sending"],
    logger,
  );
  return { engine, loading, calls, logged };
}

async function allOf(events: AsyncIterable<EngineEvent>): Promise<EngineEvent[]> {
  const all: EngineEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe("an engine whose library is being loaded", () => {
  it("reports everything of the engine behind it, each when the last one is taken", async () => {
    const { engine, loading, calls } = openFixture();
    const events = engine.events[Symbol.asyncIterator]();
    const first = events.next();
    assert.deepEqual(calls, []);
    loading.resolve();
    assert.deepEqual(await first, { done: false, value: { type: "health", healthy: true } });
    assert.deepEqual(calls, ["open"]);
    assert.equal((await events.next()).value?.type, "closed");
    assert.deepEqual(calls, ["open", "health is taken"]);
    assert.equal((await events.next()).done, true);
    assert.equal(engine.lastInboundAtMs, 7);
  });

  it("passes on what it is asked for meanwhile: a code, a picture, a logout", async () => {
    const { engine, loading, calls } = openFixture();
    const code = engine.pairingCodes?.request("4915112345678");
    const picture = engine.screenshots?.take();
    const result = engine.logout();
    loading.resolve();
    assert.equal(await code, "code for 4915112345678");
    assert.equal(String(await picture), "picture");
    assert.equal(await result, "unlinked");
    await engine.close();
    assert.deepEqual(calls, ["open", "logout", "close"]);
  });

  it("has the abilities that its factory names, and sends nothing yet", async () => {
    const { engine } = openFixture();
    const { sending, messageFiles } = engine;
    assert.equal(messageFiles, undefined);
    await assert.rejects(async () => sending?.findAccount("4915112345678"), ConnectionLost);
    assert.throws(() => sending?.newId(), ConnectionLost);
  });

  it("has the abilities of the engine behind it from then on", async () => {
    const { engine, loading } = openFixture();
    loading.resolve();
    await engine.events[Symbol.asyncIterator]().next();
    assert.equal(engine.sending, undefined);
    assert.equal(await engine.pairingCodes?.request("49"), "code for 49");
  });

  it("never opens the engine behind it once it is closed", async () => {
    const { engine, loading, calls } = openFixture();
    const result = engine.logout();
    await engine.close();
    assert.deepEqual(await allOf(engine.events), [
      { type: "closed", cause: "unreachable", message: "The engine was closed" },
    ]);
    assert.equal(await result, "unknown");
    loading.resolve();
    await loading.promise;
    await engine.close();
    assert.deepEqual(calls, []);
  });

  it("ends with a reason and a line in the log if the library cannot be loaded", async () => {
    const { engine, loading, logged } = openFixture();
    const refused = assert.rejects(async () => engine.pairingCodes?.request("4915112345678"), PairingCodeRefused);
    const result = engine.logout();
    loading.reject(new Error("no such file"));
    assert.deepEqual(await allOf(engine.events), [
      { type: "closed", cause: "engine_crashed", message: "The engine's library could not be loaded" },
    ]);
    await refused;
    assert.equal(await result, "unknown");
    assert.deepEqual(logged, ["the engine's library could not be loaded"]);
  });
});

describe("a library that is loaded when it is needed", () => {
  it("is loaded once, and is there at once from then on", async () => {
    let loads = 0;
    const library = new LazyLibrary(async () => ++loads);
    assert.equal(library.loaded, undefined);
    assert.deepEqual(await Promise.all([library.load(), library.load()]), [1, 1]);
    assert.deepEqual([library.loaded, await library.load()], [1, 1]);
  });

  it("is loaded anew after a failure", async () => {
    let loads = 0;
    const library = new LazyLibrary(async () => {
      loads += 1;
      if (loads === 1) throw new Error("too many open files");
      return loads;
    });
    await assert.rejects(library.load(), /too many open files/);
    assert.equal(library.loaded, undefined);
    assert.equal(await library.load(), 2);
  });
});
