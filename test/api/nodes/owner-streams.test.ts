import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { AuthService, type QrStreamResponse } from "../../../gen/sessiond/v1/auth_service_pb.js";
import { Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { startTwoNodes, type TestNode } from "../../support/two-nodes.ts";
import { refusal } from "../harness.ts";

const sessionsOf = ({ url }: TestNode) => createClient(SessionService, createGrpcTransport({ baseUrl: url }));

async function pairOn(node: TestNode, session = "alice"): Promise<void> {
  await sessionsOf(node).createSession({ name: session });
  node.engine().offer("code 1");
  await node.until(session, Status.SCAN_QR_CODE);
}

/** Reads a stream item by item. */
function readerOf(stream: AsyncIterable<QrStreamResponse>) {
  const items = stream[Symbol.asyncIterator]();
  return async () => {
    const { value, done } = await items.next();
    if (done) return "end";
    return value.item.case === "qr" ? value.item.value.value : value.item.case;
  };
}

describe("a stream of codes at a node that does not own the session", () => {
  for (const [name, transport] of [
    ["Connect", (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "2" })],
    ["gRPC", (baseUrl: string) => createGrpcTransport({ baseUrl })],
  ] as const) {
    it(`brings each code and the outcome over ${name}`, async (t) => {
      const { a, b } = await startTwoNodes(t);
      await pairOn(b);
      const next = readerOf(createClient(AuthService, transport(a.url)).qrStream({ session: "alice" }));
      assert.equal(await next(), "code 1");
      b.engine().offer("code 2", 2);
      assert.equal(await next(), "code 2");
      await sessionsOf(a).stopSession({ session: "alice" });
      assert.equal(await next(), "outcome");
      assert.equal(await next(), "end");
    });
  }

  it("brings codes as server-sent events", async (t) => {
    const { a, b } = await startTwoNodes(t);
    await pairOn(b);
    const res = await fetch(`${a.url}/api/alice/auth/qr-stream`, { signal: AbortSignal.timeout(5_000) });
    assert.match(res.headers.get("content-type") ?? "", /^text\/event-stream/);
    const body = res.body?.getReader();
    let text = "";
    while (body && !text.includes("code 1")) text += Buffer.from((await body.read()).value ?? []).toString();
    await body?.cancel();
  });

  it("fails as it does at the owner for a session that is not started", async (t) => {
    const { a, b } = await startTwoNodes(t);
    await sessionsOf(b).createSession({ name: "alice", start: false });
    const fail = ({ url }: TestNode) =>
      refusal(
        readerOf(createClient(AuthService, createGrpcTransport({ baseUrl: url })).qrStream({ session: "alice" }))(),
      );
    const refused = await fail(a);
    assert.equal(refused.reason, "SESSION_NOT_STARTED");
    assert.deepEqual(refused, await fail(b));
  });

  it("ends at the owner when the client leaves", async (t) => {
    const { a, b } = await startTwoNodes(t);
    await pairOn(b);
    const leaving = new AbortController();
    const auth = createClient(AuthService, createGrpcTransport({ baseUrl: a.url }));
    const next = readerOf(auth.qrStream({ session: "alice" }, { signal: leaving.signal }));
    assert.equal(await next(), "code 1");
    leaving.abort();
    await next().catch(() => {});
    const ended = () => b.calls.some(({ method, forwarded }) => forwarded && method.endsWith("/QrStream"));
    const deadlineMs = performance.now() + 5_000;
    while (!ended() && performance.now() < deadlineMs) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(ended());
  });

  it("goes on at the next owner, with the code of its own run", async (t) => {
    const { table, a, b } = await startTwoNodes(t);
    await pairOn(b);
    const next = readerOf(
      createClient(AuthService, createGrpcTransport({ baseUrl: a.url })).qrStream({ session: "alice" }),
    );
    assert.equal(await next(), "code 1");
    const stopped = b.server.stop();
    table.give("alice", "a");
    await stopped;
    await sessionsOf(a).startSession({ session: "alice" });
    a.engine().offer("code of a");
    let code = await next();
    // The one store of both nodes shows the former code until the session starts again. A real node does not know it.
    while (code === "code 1") code = await next();
    assert.equal(code, "code of a");
  });

  it("goes on at another node when the session leaves this one", async (t) => {
    const { table, a, b } = await startTwoNodes(t);
    await pairOn(a);
    const next = readerOf(
      createClient(AuthService, createGrpcTransport({ baseUrl: a.url })).qrStream({ session: "alice" }),
    );
    assert.equal(await next(), "code 1");
    table.give("alice", "b");
    await sessionsOf(b).startSession({ session: "alice" });
    b.engine().offer("code of b");
    assert.equal(await next(), "code of b");
  });
});
