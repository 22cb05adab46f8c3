import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { AuthService } from "../../../gen/sessiond/v1/auth_service_pb.js";
import { Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { startTwoNodes, type TwoNodes } from "../../support/two-nodes.ts";
import { refusal } from "../harness.ts";

const transports: readonly (readonly [string, (baseUrl: string) => Transport])[] = [
  ["Connect", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
  ["gRPC", (baseUrl) => createGrpcTransport({ baseUrl })],
  ["gRPC-Web", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
];

/** Creates a session on node "b", and shows a code. */
async function pairOnB({ b }: TwoNodes, session = "alice"): Promise<void> {
  await createClient(SessionService, createGrpcTransport({ baseUrl: b.url })).createSession({ name: session });
  b.engine().offer("code 1");
  await b.until(session, Status.SCAN_QR_CODE);
}

async function rest(url: string, method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const res = await fetch(`${url}${path}`, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const shown = [...res.headers].filter(([name]) => !["date", "x-request-id", "keep-alive"].includes(name));
  return {
    status: res.status,
    headers: Object.fromEntries(shown),
    body: Buffer.from(await res.arrayBuffer()).toString("base64"),
  };
}

describe("a call to a node that does not own the session", () => {
  for (const [name, transport] of transports) {
    it(`is answered by the owner over ${name}`, async (t) => {
      const nodes = await startTwoNodes(t);
      await pairOnB(nodes);
      const sessions = createClient(SessionService, transport(nodes.a.url));
      const auth = createClient(AuthService, transport(nodes.a.url));
      const { qr } = await auth.getQr({ session: "alice" });
      assert.equal(qr?.value, "code 1");
      assert.equal((await auth.requestCode({ session: "alice", phoneNumber: "4912345678" })).code, "CODE-4912");
      const { session } = await sessions.stopSession({ session: "alice" });
      assert.equal(session?.status, Status.STOPPED);
      await nodes.b.until("alice", Status.STOPPED);
    });
  }

  it("is answered with the bytes that the owner gives over REST", async (t) => {
    const nodes = await startTwoNodes(t);
    await pairOnB(nodes);
    const config = { metadata: { a: "1" }, webhooks: [{ url: "https://example.com", events: ["nope"] }] };
    const requests: readonly [string, string, unknown?, Record<string, string>?][] = [
      ["GET", "/api/alice/auth/qr"],
      ["GET", "/api/alice/auth/qr?format=raw"],
      ["POST", "/api/alice/auth/request-code", { phoneNumber: "4912345678" }],
      ["POST", "/api/alice/auth/request-code", { phoneNumber: "x" }],
      ["POST", "/api/sessions/alice/credentials:restore"],
      ["PUT", "/api/sessions/alice", { config }, { "if-match": '"99"' }],
      ["GET", "/api/screenshot?session=alice"],
      ["POST", "/api/sessions", { name: "alice" }],
      ["POST", "/api/sessions/nobody/start"],
      ["GET", "/api/nobody/auth/qr"],
    ];
    for (const [method, path, body, headers] of requests) {
      assert.deepEqual(
        await rest(nodes.a.url, method, path, body, headers),
        await rest(nodes.b.url, method, path, body, headers),
        `${method} ${path}`,
      );
    }
  });

  it("keeps the ETag and the warnings of its answer", async (t) => {
    const nodes = await startTwoNodes(t);
    await pairOnB(nodes);
    const config = { webhooks: [{ url: "https://example.com/hook", events: ["group.v2.join"] }] };
    const put = await fetch(`${nodes.a.url}/api/sessions/alice`, {
      method: "PUT",
      headers: { "content-type": "application/json", "if-match": '"2"' },
      body: JSON.stringify({ config, extra: 1 }),
    });
    assert.equal(put.status, 200, await put.clone().text());
    assert.equal(put.headers.get("etag"), '"3"');
    assert.match(put.headers.get("sessiond-warning") ?? "", /extra is unknown/);
    assert.equal(nodes.b.calls.filter(({ forwarded }) => forwarded).length, 1);
  });

  it("is not counted as a call of a client by the owner", async (t) => {
    const nodes = await startTwoNodes(t, { env: { SESSIOND_METRICS: "true" } });
    await pairOnB(nodes);
    const count = async (url: string) => {
      const text = await (await fetch(`${url}/metrics`)).text();
      return text.split("\n").filter((line) => /_count\{.*GetQr"/.test(line) || /_count.*GetQr/.test(line));
    };
    await createClient(AuthService, createGrpcTransport({ baseUrl: nodes.a.url })).getQr({ session: "alice" });
    assert.equal((await count(nodes.b.url)).length, 0);
    assert.equal((await count(nodes.a.url)).length > 0, true);
    assert.deepEqual(
      nodes.b.calls.filter(({ method }) => method.endsWith("/GetQr")),
      [{ method: "sessiond.v1.AuthService/GetQr", forwarded: true }],
    );
  });

  it("is answered here after all when the node that was believed to own it says so", async (t) => {
    const nodes = await startTwoNodes(t, { stale: new Map([["bob", "b"]]) });
    nodes.table.give("bob", "a");
    const sessions = createClient(SessionService, createGrpcTransport({ baseUrl: nodes.a.url }));
    const { session } = await sessions.createSession({ name: "bob" });
    assert.equal(session?.name, "bob");
    assert.ok(nodes.a.engine());
  });

  it("fails with UNAVAILABLE while the owner cannot be reached", async (t) => {
    const nodes = await startTwoNodes(t);
    await pairOnB(nodes);
    nodes.table.enter("b", "http://127.0.0.1:1");
    const sessions = createClient(SessionService, createGrpcTransport({ baseUrl: nodes.a.url }));
    const { code, reason, message } = await refusal(sessions.stopSession({ session: "alice" }));
    assert.deepEqual([code, reason], ["Unavailable", "NODE_UNREACHABLE"]);
    assert.match(message, /Node "b" of session "alice" cannot be reached/);
    const res = await rest(nodes.a.url, "POST", "/api/sessions/alice/stop");
    assert.equal(res.status, 503);
  });

  it("tells how to reach a session again that only its silent node can run", async (t) => {
    const nodes = await startTwoNodes(t);
    await pairOnB(nodes);
    nodes.table.bind("alice", "b");
    nodes.table.enter("b", "http://127.0.0.1:1");
    const sessions = createClient(SessionService, createGrpcTransport({ baseUrl: nodes.a.url }));
    for (const call of [sessions.stopSession({ session: "alice" }), sessions.restartSession({ session: "alice" })]) {
      const { reason, message } = await refusal(call);
      assert.equal(reason, "NODE_UNREACHABLE");
      assert.match(
        message,
        /Node "b" of session "alice" cannot be reached: only that node can run the session, start it/,
      );
    }
  });

  it("goes to the next owner if nothing has been sent to the first", async (t) => {
    const nodes = await startTwoNodes(t);
    await pairOnB(nodes);
    let asked = 0;
    nodes.table.enter("gone", "http://127.0.0.1:1");
    nodes.table.give("alice", "gone");
    nodes.table.onAsked = () => {
      asked += 1;
      if (asked === 2) nodes.table.give("alice", "b");
    };
    const sessions = createClient(SessionService, createGrpcTransport({ baseUrl: nodes.a.url }));
    assert.equal((await sessions.logoutSession({ session: "alice" })).session?.name, "alice");
  });

  it("is cancelled at the owner when the client gives up", async (t) => {
    const nodes = await startTwoNodes(t);
    await createClient(SessionService, createGrpcTransport({ baseUrl: nodes.b.url })).createSession({ name: "slow" });
    const auth = createClient(AuthService, createGrpcTransport({ baseUrl: nodes.a.url }));
    const startMs = performance.now();
    const { code } = await refusal(auth.getQr({ session: "slow" }, { timeoutMs: 200 }));
    assert.equal(code, "DeadlineExceeded");
    assert.ok(performance.now() - startMs < 3_000);
  });
});
