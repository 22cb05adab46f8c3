import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { AuthService } from "../../../gen/sessiond/v1/auth_service_pb.js";
import { Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { openLink } from "../../support/tcp-link.ts";
import { startTwoNodes, type TestNode } from "../../support/two-nodes.ts";
import { refusal } from "../harness.ts";

/** Two nodes with a link from "a" to "b", which owns the session. */
async function openNodes(t: TestContext) {
  const nodes = await startTwoNodes(t);
  const link = await openLink(Number(new URL(nodes.b.url).port));
  t.after(() => link.close());
  nodes.table.enter("b", `http://127.0.0.1:${link.port}`);
  const transportTo = ({ url }: TestNode) => createGrpcTransport({ baseUrl: url });
  await createClient(SessionService, transportTo(nodes.b)).createSession({ name: "alice" });
  nodes.b.engine().offer("code 1");
  await nodes.b.until("alice", Status.SCAN_QR_CODE);
  const sessions = createClient(SessionService, transportTo(nodes.a));
  const auth = createClient(AuthService, transportTo(nodes.a));
  // Opens the connection, so that only answers are lost.
  await auth.getQr({ session: "alice" });
  /** Resolves when the owner has carried out a call. */
  const carriedOut = async (method: string) => {
    const deadlineMs = performance.now() + 5_000;
    while (countOf(method) === 0 && performance.now() < deadlineMs)
      await new Promise((resolve) => setImmediate(resolve));
  };
  const countOf = (method: string) =>
    nodes.b.calls.filter((one) => one.forwarded && one.method.endsWith(method)).length;
  return { ...nodes, link, sessions, auth, carriedOut, countOf };
}

describe("a call whose answer is lost between two nodes", () => {
  const calls = ["RestartSession", "LogoutSession", "DeleteSession"] as const;
  for (const method of calls) {
    it(`is not repeated, and its client is told that it may have been carried out: ${method}`, async (t) => {
      const { link, sessions, carriedOut, countOf } = await openNodes(t);
      link.hold("back");
      const make = {
        RestartSession: () => sessions.restartSession({ session: "alice" }),
        LogoutSession: () => sessions.logoutSession({ session: "alice" }),
        DeleteSession: () => sessions.deleteSession({ session: "alice" }),
      };
      const refused = refusal(make[method]());
      await carriedOut(`/${method}`);
      link.cut();
      const { code, reason, message } = await refused;
      assert.deepEqual([code, reason], ["Unavailable", "NODE_UNREACHABLE"]);
      assert.match(message, /may have been carried out/);
      assert.equal(countOf(`/${method}`), 1);
    });
  }

  it("is repeated once if that has no further effect", async (t) => {
    const { link, sessions, carriedOut, countOf } = await openNodes(t);
    link.hold("back");
    const stopped = sessions.stopSession({ session: "alice" });
    await carriedOut("/StopSession");
    link.cut();
    link.pass();
    assert.equal((await stopped).session?.status, Status.STOPPED);
    assert.equal(countOf("/StopSession"), 2);
  });

  it("fails within 5 s when a connection is silent", async (t) => {
    const { link, sessions } = await openNodes(t);
    link.hold();
    const startMs = performance.now();
    const { reason } = await refusal(sessions.restartSession({ session: "alice" }));
    assert.equal(reason, "NODE_UNREACHABLE");
    assert.ok(performance.now() - startMs < 6_000, `${performance.now() - startMs}`);
  });
});
