import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import type { GivenSession } from "../../../src/ports/cluster.ts";
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

  it("tell of sessions that were given away, to all other nodes", async (t) => {
    const { table, a } = await startTwoNodes(t);
    const heard = Promise.withResolvers<[string, GivenSession]>();
    t.after(() => heard.resolve(["", { session: "", node: "" }]));
    table.onOffered = (node, { session, node: to }) => heard.resolve([node, { session, node: to }]);
    // The first ones get lost until "b" has noticed "a".
    const telling = setInterval(() => table.tellGiven(a.name, { session: "alice", node: "b" }), 50);
    t.after(() => clearInterval(telling));
    assert.deepEqual(await heard.promise, ["b", { session: "alice", node: "b" }]);
  });
});
