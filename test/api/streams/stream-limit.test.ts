import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { reporting } from "../../../src/api/interceptors.ts";
import { streamLimit } from "../../../src/api/streams/stream-limit.ts";
import { FakeClock } from "../../support/fake-clock.ts";

function open(maxOpen: number) {
  const clock = new FakeClock();
  let reliefs = 0;
  const memory = {
    release: () => {
      reliefs += 1;
    },
    schedule: (delayMs: number, callback: () => void) => void clock.schedule(delayMs, callback),
  };
  const logger = { debug() {}, error() {} };
  const interceptors = [reporting({ logger, nowMs: () => clock.nowMs() }), streamLimit({ maxOpen, memory })];
  const transport = createRouterTransport((router) =>
    router.service(
      SessionService,
      {
        async *statusStream({ session }, { signal }) {
          if (session === "fail") throw new ConnectError("no", Code.Internal);
          yield {};
          if (session === "short") return;
          await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        },
        listSessions: () => ({}),
      },
      { interceptors },
    ),
  );
  const client = createClient(SessionService, transport);
  return {
    clock,
    client,
    get reliefs() {
      return reliefs;
    },
    /** Opens a stream and returns the call that leaves it. */
    async stream(): Promise<() => void> {
      const leaving = new AbortController();
      const items = client.statusStream({}, { signal: leaving.signal })[Symbol.asyncIterator]();
      await items.next();
      return () => {
        leaving.abort();
        items.next().catch(() => {});
      };
    },
    async read(session: string) {
      for await (const _ of client.statusStream({ session }));
    },
  };
}

const isRefused = (error: unknown) => ConnectError.from(error).code === Code.ResourceExhausted;

describe("the limit of open streams", () => {
  it("refuses one more stream and no other call; each ended stream makes room", async () => {
    const harness = open(2);
    const leave = await harness.stream();
    await harness.stream();
    await assert.rejects(harness.stream(), isRefused);
    await harness.client.listSessions({});
    leave();
    await harness.read("short");
    await assert.rejects(harness.read("fail"), (error) => ConnectError.from(error).code === Code.Internal);
    await harness.stream();
    await assert.rejects(harness.stream(), isRefused);
  });

  it("memory is given back once, when most of many have ended, and not for few", async () => {
    const harness = open(2_000);
    const few = await Promise.all(Array.from({ length: 20 }, () => harness.stream()));
    for (const leave of few) leave();
    assert.equal(harness.clock.pending, 0);
    const many = await Promise.all(Array.from({ length: 1_200 }, () => harness.stream()));
    for (const leave of many.slice(0, 500)) leave();
    assert.equal(harness.clock.pending, 0);
    for (const leave of many.slice(500)) leave();
    assert.equal(harness.clock.pending, 1);
    harness.clock.advance(5_000);
    assert.equal(harness.reliefs, 1);
    const [last] = await Promise.all([harness.stream()]);
    last();
    assert.equal(harness.clock.pending, 0);
  });
});
