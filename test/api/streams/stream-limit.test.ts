import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { reporting } from "../../../src/api/interceptors.ts";
import { streamLimit } from "../../../src/api/streams/stream-limit.ts";
import { FakeClock } from "../../support/fake-clock.ts";

function open(maxOpen: number) {
  const clock = new FakeClock();
  const counts: number[] = [];
  const logger = { debug() {}, error() {} };
  const interceptors = [
    reporting({ logger, nowMs: () => clock.nowMs() }),
    streamLimit({ maxOpen, onChange: (count) => counts.push(count) }),
  ];
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
    counts,
    client,
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

  it("reports the number of open streams whenever it changes", async () => {
    const harness = open(2);
    const leave = await harness.stream();
    await harness.read("short");
    leave();
    assert.deepEqual(harness.counts, [1, 2, 1, 0]);
  });
});
