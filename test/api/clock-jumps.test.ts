import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { ServerService } from "../../gen/sessiond/v1/server_service_pb.js";
import { ProcessTickets } from "../../src/adapters/embedded/process-tickets.ts";
import { systemRandom } from "../../src/adapters/node/system.ts";
import { createServerService } from "../../src/api/server-service.ts";
import { liveStream } from "../../src/api/streams/live-stream.ts";
import { qrCode } from "../../src/api/streams/qr-stream.ts";
import { SessionError } from "../../src/domain/errors.ts";
import { jumps } from "../support/clock-jumps.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { quietOverview } from "./quiet-overview.ts";

/** A source that never yields. */
async function* quiet(signal: AbortSignal): AsyncGenerator<number> {
  yield* [];
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
}

for (const [name, jumpMs] of jumps) {
  describe(`the API when the clock is set ${name}`, () => {
    it("accepts a stream ticket for a minute", () => {
      const clock = new FakeClock();
      const tickets = new ProcessTickets({ clock, random: systemRandom });
      const credential = { kind: "key", key: "k" } as const;
      const { ticket } = tickets.issue(credential);
      clock.jumpWall(jumpMs);
      clock.advance(59_999);
      assert.equal(tickets.credentialOf(ticket), credential);
      const next = tickets.issue(credential);
      assert.equal(next.expiresAtMs, clock.wallMs() + 60_000);
      clock.advance(1);
      assert.equal(tickets.credentialOf(ticket), undefined);
    });

    it("sends heartbeats on time with the wall clock's time, and ends streams at their limit", async () => {
      const clock = new FakeClock();
      const policy = { heartbeatMs: 15_000, maxAgeMs: 60_000 };
      const { signal } = new AbortController();
      const stream = liveStream(quiet, { policy, clock, signal, beat: (wallMs) => wallMs });
      const after = async (ms: number) => {
        const next = stream.next();
        while (clock.pending === 0) await new Promise(setImmediate);
        clock.advance(ms - 1);
        await new Promise(setImmediate);
        assert.equal(clock.pending, 1, "it is early");
        clock.advance(1);
        return (await next).value;
      };
      assert.equal(await after(1_000), clock.wallMs());
      clock.jumpWall(jumpMs);
      for (let n = 0; n < 3; n += 1) assert.equal(await after(15_000), clock.wallMs());
      await assert.rejects(after(14_000), (error) => {
        return error instanceof SessionError && error.reason === "STREAM_TOO_OLD";
      });
    });

    it("shows a code's lifetime by the current wall clock", async () => {
      const clock = new FakeClock();
      const nowMs = clock.nowMs();
      const pairing = { value: "a", serial: 1, remaining: 5, issuedAtMs: nowMs, expiresAtMs: nowMs + 60_000 };
      clock.jumpWall(jumpMs);
      clock.advance(5_000);
      const { issuedAt, expiresAt } = await qrCode(pairing, { drawQr: async () => new Uint8Array(), clock });
      const toNowMs = (time: Timestamp | undefined) => (time ? timestampMs(time) - clock.wallMs() : undefined);
      assert.deepEqual([toNowMs(issuedAt), toNowMs(expiresAt)], [-5_000, 55_000]);
    });

    it("shows its uptime, and its start by the current wall clock", async () => {
      const clock = new FakeClock();
      const service = createServerService({
        version: "1.2.3",
        engine: "NOWEB",
        browser: async () => undefined,
        workerId: "",
        nodeList: { self: "a", nodes: async () => [] },
        startedAtMs: clock.nowMs(),
        pendingUnlinks: () => 0,
        overview: quietOverview,
        serving: { current: async () => "serving" },
        clock,
      });
      const client = createClient(
        ServerService,
        createRouterTransport((router) => router.service(ServerService, service)),
      );
      clock.jumpWall(jumpMs);
      clock.advance(5_000);
      const { uptime, startTimestamp } = await client.getServerStatus({});
      assert.deepEqual([Number(uptime), Number(startTimestamp)], [5_000, clock.wallMs() - 5_000]);
    });
  });
}
