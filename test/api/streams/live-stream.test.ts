import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { liveStream } from "../../../src/api/streams/live-stream.ts";
import { SessionError } from "../../../src/domain/errors.ts";
import { FakeClock } from "../../support/fake-clock.ts";

/** Source that yields the items a test adds and ends by its signal. */
function source() {
  let signal: AbortSignal | undefined;
  let wake = () => {};
  const items: string[] = [];
  return {
    put(item: string) {
      items.push(item);
      wake();
    },
    get isEnded() {
      return signal?.aborted ?? false;
    },
    async *open(opened: AbortSignal) {
      signal = opened;
      opened.addEventListener("abort", () => wake());
      while (!opened.aborted) {
        const item = items.shift();
        if (item === "fail") throw new Error("it failed");
        if (item !== undefined) yield item;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}

function start(more: { check?: () => void; isLast?: (item: string) => boolean } = {}) {
  const clock = new FakeClock();
  const from = source();
  const controller = new AbortController();
  const policy = { heartbeatMs: 15_000, maxAgeMs: 60_000 };
  const { signal } = controller;
  const stream = liveStream<string>(from.open, { policy, clock, signal, beat: () => "beat", ...more });
  /** Asks for the next item and advances time until it arrives. */
  const after = async (ms: number) => {
    const next = stream.next();
    await new Promise(setImmediate);
    clock.advance(ms);
    return (await next).value;
  };
  return { clock, from, controller, stream, after };
}

describe("a live stream", () => {
  it("without items confirms that it is open after a second, then every 15 s", async () => {
    const { after, from, stream } = start();
    assert.equal(await after(1_000), "beat");
    assert.equal(await after(15_000), "beat");
    from.put("a");
    assert.equal((await stream.next()).value, "a");
    assert.equal(await after(15_000), "beat");
    await stream.return();
  });

  it("yields items in order, before and after heartbeats", async () => {
    const { after, from, stream } = start();
    for (const round of [1, 2, 3]) {
      from.put(`a${round}`);
      from.put(`b${round}`);
      assert.equal((await stream.next()).value, `a${round}`);
      assert.equal((await stream.next()).value, `b${round}`);
      assert.equal(await after(15_000), "beat");
    }
    await stream.return();
  });

  it("ends at its age limit, to be reopened, and ends its source", async () => {
    const { after, from, clock } = start();
    for (const ms of [1_000, 15_000, 15_000, 15_000]) assert.equal(await after(ms), "beat");
    const error = await after(14_000).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof SessionError && error.reason === "STREAM_TOO_OLD");
    assert.ok(from.isEnded);
    assert.equal(clock.pending, 0);
  });

  it("checks with each heartbeat whether its reader may continue", async () => {
    let refused = false;
    const { after, from } = start({
      check: () => {
        if (refused) throw new Error("the key is no more");
      },
    });
    assert.equal(await after(1_000), "beat");
    refused = true;
    await assert.rejects(after(15_000), /the key is no more/);
    assert.ok(from.isEnded);
  });

  it("with constant traffic makes the same checks and reaches its age limit", async () => {
    let asked = 0;
    const { from, clock, stream } = start({
      check: () => {
        asked += 1;
      },
    });
    for (let second = 0; second < 59; second += 1) {
      from.put("more");
      assert.equal((await stream.next()).value, "more");
      clock.advance(1_000);
    }
    assert.equal(asked, 3);
    clock.advance(1_000);
    from.put("more");
    const error = await stream.next().catch((thrown: unknown) => thrown);
    assert.ok(error instanceof SessionError && error.reason === "STREAM_TOO_OLD");
    assert.ok(from.isEnded);
  });

  it("ends its source when the caller leaves, at an item or while waiting", async () => {
    const left = start();
    const waiting = left.stream.next();
    left.controller.abort(new Error("left"));
    assert.equal((await waiting).done, true);
    const ended = start({ isLast: (item) => item === "last" });
    ended.from.put("last");
    assert.equal((await ended.stream.next()).value, "last");
    assert.equal((await ended.stream.next()).done, true);
    const given = start();
    given.from.put("a");
    await given.stream.next();
    await given.stream.return();
    for (const { from, clock } of [left, ended, given]) {
      assert.ok(from.isEnded);
      assert.equal(clock.pending, 0);
    }
  });

  it("fails as its source does", async () => {
    const { from, stream } = start();
    from.put("fail");
    await assert.rejects(stream.next(), /it failed/);
  });
});
