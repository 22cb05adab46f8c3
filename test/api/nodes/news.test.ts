import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { startTwoNodes } from "../../support/two-nodes.ts";

describe("news between nodes", () => {
  it("tell of a commit within 50 ms", async (t) => {
    const { table, b } = await startTwoNodes(t);
    const sessions = createClient(SessionService, createGrpcTransport({ baseUrl: b.url }));
    const committedMs = new Map<bigint, number>();
    const delays: number[] = [];
    let heard = Promise.withResolvers<void>();
    t.after(() => heard.resolve());
    table.onCommitted = (seq) => committedMs.set(seq, performance.now());
    table.onAnnounced = (node, seq) => {
      const atMs = committedMs.get(seq);
      if (node !== "a" || atMs === undefined) return;
      delays.push(performance.now() - atMs);
      heard.resolve();
    };
    await sessions.createSession({ name: "alice", start: false });
    await heard.promise;
    for (let round = 0; round < 100; round++) {
      heard = Promise.withResolvers();
      await sessions.updateSession({ session: "alice", config: { metadata: { round: String(round) } } });
      await heard.promise;
    }
    // The first one waits until "a" has noticed "b".
    const sorted = delays.slice(1).sort((a, b) => a - b);
    assert.ok((sorted[98] ?? 0) < 50, `p99 is ${sorted[98]} ms`);
  });
});
