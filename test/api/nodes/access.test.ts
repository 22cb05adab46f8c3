import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { AuthService } from "../../../gen/sessiond/v1/auth_service_pb.js";
import { EventService } from "../../../gen/sessiond/v1/event_service_pb.js";
import { Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { startTwoNodes, type TestNode } from "../../support/two-nodes.ts";
import { refusal } from "../harness.ts";

const key = { "x-api-key": "secret" };
const env = { WAHA_API_KEY: "secret" };
const grpc = ({ url }: TestNode) => createGrpcTransport({ baseUrl: url });

async function logIn({ url }: TestNode): Promise<string> {
  const res = await fetch(`${url}/dashboard/login`, {
    method: "POST",
    headers: { "content-type": "application/json", "sec-fetch-site": "same-origin" },
    body: JSON.stringify({ key: "secret" }),
  });
  assert.ok(res.ok, `${res.status} ${await res.text()}`);
  return (res.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
}

/** Calls as a page of the server does, which fetch cannot. Returns the status. */
async function withCookie(
  { url }: TestNode,
  path: string,
  cookie: string,
  method = "GET",
): Promise<number | undefined> {
  const req = request(url + path, { method, headers: { cookie, "sec-fetch-site": "same-origin" } }).end();
  const [res] = await once(req, "response");
  res.resume();
  return res.statusCode;
}

/** Resolves when `isDone` returns true; rejects after 5 s. */
async function eventually(isDone: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 5_000;
  while (!(await isDone())) assert.ok(performance.now() < deadlineMs, "it did not come to that within 5 s");
}

describe("access to the nodes of a cluster", () => {
  it("a ticket of one node opens a stream at another, whatever the time of day there", async (t) => {
    const { a, b } = await startTwoNodes(t, { env });
    const events = createClient(EventService, grpc(a));
    const { ticket } = await events.createStreamTicket({}, { headers: key });
    assert.ok(!ticket.includes("secret") && !Buffer.from(ticket, "base64url").includes("secret"));
    await eventually(async () => {
      const res = await fetch(`${b.url}/api/events?ticket=${ticket}`, { signal: AbortSignal.timeout(3_000) });
      await res.body?.cancel();
      return res.status === 200;
    });
    const forged = `${ticket.slice(0, -2)}${ticket.endsWith("A") ? "B" : "A"}x`;
    const res = await fetch(`${b.url}/api/events?ticket=${forged}`);
    await res.body?.cancel();
    assert.equal(res.status, 401);
  });

  it("a login of one node is open at another until it is ended at either", async (t) => {
    const { a, b } = await startTwoNodes(t, { env });
    const cookie = await logIn(a);
    for (const node of [a, b]) assert.equal(await withCookie(node, "/api/sessions", cookie), 200);
    await withCookie(b, "/dashboard/logout", cookie, "POST");
    assert.equal(await withCookie(b, "/api/sessions", cookie), 401);
    await eventually(async () => (await withCookie(a, "/api/sessions", cookie)) === 401);
    assert.equal(await withCookie(a, "/api/sessions", await logIn(b)), 200);
  });

  it("a logout is told to nodes that join later, also after the node where it was has gone", async (t) => {
    const { table, a, b, join } = await startTwoNodes(t, { env });
    const [ended, open] = [await logIn(a), await logIn(a)];
    await withCookie(a, "/dashboard/logout", ended, "POST");
    const isEnded = (node: TestNode) => async () => (await withCookie(node, "/api/sessions", ended)) === 401;
    await eventually(isEnded(b));
    await eventually(isEnded(await join("c")));
    await a.server.stop();
    table.enter("a", a.url, { isAlive: false });
    const later = await join("d");
    await eventually(isEnded(later));
    assert.equal(await withCookie(later, "/api/sessions", open), 200);
  });

  it("a logout is told again to a node that has restarted", async (t) => {
    const { a, b, join } = await startTwoNodes(t, { env });
    const cookie = await logIn(a);
    await withCookie(b, "/dashboard/logout", cookie, "POST");
    await eventually(async () => (await withCookie(a, "/api/sessions", cookie)) === 401);
    await b.server.stop();
    const restarted = await join("b");
    await eventually(async () => (await withCookie(restarted, "/api/sessions", cookie)) === 401);
  });

  it("a pairing link made at one node opens its session's codes at another, until it is revoked", async (t) => {
    const { a, b } = await startTwoNodes(t, { env });
    await createClient(SessionService, grpc(b)).createSession({ name: "alice" }, { headers: key });
    b.engine().offer("code 1");
    await b.until("alice", Status.SCAN_QR_CODE);
    // Made by way of "a", which does not own the session.
    const { url, id } = await createClient(AuthService, grpc(a)).createPairingLink(
      { session: "alice" },
      { headers: key },
    );
    const headers = { "x-pairing-token": url.slice(url.indexOf("#") + 1) };
    for (const node of [a, b]) {
      const auth = createClient(AuthService, grpc(node));
      assert.equal((await auth.getPairingLink({}, { headers })).session, "alice");
      const asked = { session: "alice", phoneNumber: "4912345678" };
      assert.equal((await auth.requestCode(asked, { headers })).code, "CODE-4912");
      assert.equal(
        (await refusal(auth.requestCode({ ...asked, session: "other" }, { headers }))).reason,
        "PAIRING_LINK_INVALID",
      );
    }
    const auth = createClient(AuthService, grpc(a));
    const stream = auth.qrStream({ session: "alice" }, { headers })[Symbol.asyncIterator]();
    assert.equal((await stream.next()).value?.item.case, "qr");
    await createClient(AuthService, grpc(b)).revokePairingLink({ session: "alice", id }, { headers: key });
    const rest = async () => {
      while (!(await stream.next()).done);
    };
    assert.equal((await refusal(rest())).reason, "PAIRING_LINK_INVALID");
    assert.equal((await refusal(auth.getPairingLink({}, { headers }))).reason, "PAIRING_LINK_INVALID");
  });

  it("an idempotency key in flight at two nodes creates one session", async (t) => {
    const { a, b } = await startTwoNodes(t, { env });
    const create = (node: TestNode) =>
      createClient(SessionService, grpc(node)).createSession(
        { start: false },
        { headers: { ...key, "idempotency-key": "once" } },
      );
    const answers = await Promise.all([a, b, a, b].map(create));
    assert.equal(new Set(answers.map(({ session }) => session?.name)).size, 1);
    const { sessions } = await createClient(SessionService, grpc(b)).listSessions({ all: true }, { headers: key });
    assert.equal(sessions.length, 1);
  });
});
