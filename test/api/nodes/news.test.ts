import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import type { GivenSession } from "../../../src/ports/cluster.ts";
import { startTwoNodes } from "../../support/two-nodes.ts";

describe("news between nodes", () => {
  it("tell of each commit", async (t) => {
    const { table, b } = await startTwoNodes(t);
    const sessions = createClient(SessionService, createGrpcTransport({ baseUrl: b.url }));
    const committed = new Set<bigint>();
    let heard = Promise.withResolvers<void>();
    t.after(() => heard.resolve());
    table.onCommitted = (seq) => void committed.add(seq);
    table.onAnnounced = (node, seq) => {
      if (node === "a" && committed.has(seq)) heard.resolve();
    };
    await sessions.createSession({ name: "alice", start: false });
    await heard.promise;
    for (const round of ["1", "2", "3"]) {
      heard = Promise.withResolvers();
      await sessions.updateSession({ session: "alice", config: { metadata: { round } } });
      await heard.promise;
    }
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
