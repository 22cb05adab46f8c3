import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { BulkRun } from "../../src/dashboard/bulk/bulk-run.ts";

const names = Array.from({ length: 30 }, (_, index) => `session-${index}`);

/** Calls that wait to be answered, in the order in which they were made. */
class Calls {
  readonly made: string[] = [];
  readonly #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];

  readonly call = (session: string): Promise<void> => {
    this.made.push(session);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ resolve, reject });
    return promise;
  };

  /** Answers the oldest call, and lets the run go on. */
  async answer(error?: Error): Promise<void> {
    const call = this.#waiting.shift();
    if (error) call?.reject(error);
    else call?.resolve();
    await new Promise(setImmediate);
  }

  get underWay(): number {
    return this.#waiting.length;
  }
}

describe("a run over many sessions", () => {
  it("has at most eight calls under way, and makes them in order", async () => {
    const calls = new Calls();
    const run = new BulkRun(names, calls.call);
    const running = run.run();
    let most = 0;
    while (calls.underWay > 0) {
      most = Math.max(most, calls.underWay);
      await calls.answer();
    }
    await running;
    assert.equal(most, 8);
    assert.deepEqual(calls.made, names);
    assert.deepEqual(run.progress.value, { done: 30, failed: 0 });
  });

  it("begins no call after it was cancelled, and awaits those under way", async () => {
    const calls = new Calls();
    const run = new BulkRun(names, calls.call);
    const running = run.run();
    await calls.answer();
    run.cancel();
    while (calls.underWay > 0) await calls.answer();
    await running;
    assert.equal(calls.made.length, 9);
    assert.deepEqual(run.progress.value, { done: 9, failed: 0 });
    assert.equal(run.phase.value, "ended");
  });

  it("repeats the calls that failed and those that were not made", async () => {
    const made: string[] = [];
    const isBroken = { value: true };
    const run = new BulkRun(["a", "b", "c"], async (session) => {
      made.push(session);
      if (session === "b" && isBroken.value) throw new Error("no such session");
    });
    await run.run();
    assert.deepEqual(
      run.items.map(({ state }) => state.value),
      ["done", { fault: "no such session" }, "done"],
    );
    isBroken.value = false;
    await run.run();
    assert.deepEqual(made, ["a", "b", "c", "b"]);
    assert.deepEqual(run.progress.value, { done: 3, failed: 0 });
  });

  it("stops at the end of the login", async () => {
    const calls = new Calls();
    const run = new BulkRun(names, calls.call);
    const running = run.run();
    await calls.answer(new ConnectError("no login", Code.Unauthenticated));
    while (calls.underWay > 0) await calls.answer();
    await running;
    assert.equal(calls.made.length, 8);
  });
});
