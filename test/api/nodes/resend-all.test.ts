import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { WebhookDelivery_State as DeliveryState } from "../../../gen/sessiond/v1/webhook_pb.js";
import { WebhookService } from "../../../gen/sessiond/v1/webhook_service_pb.js";
import { startTwoNodes, type TestNode } from "../../support/two-nodes.ts";
import { openReceiver } from "../../support/webhook-receiver.ts";
import { refusal } from "../harness.ts";

const transportTo = ({ url }: TestNode) => createGrpcTransport({ baseUrl: url });
const webhooksOf = (node: TestNode) => createClient(WebhookService, transportTo(node));

/** Two nodes whose sessions, "ann" and "eve" on "a", "bob" on "b", have one failed delivery each. */
async function openNodes(t: TestContext) {
  let status = 500;
  const receiver = await openReceiver((response) => response.writeHead(status).end());
  t.after(() => receiver[Symbol.asyncDispose]());
  const nodes = await startTwoNodes(t);
  const { a, b } = nodes;
  /** Resolves when this many deliveries have failed, and have not been sent again. */
  const untilFailed = async (count: number) => {
    const failed = () => webhooksOf(a).listDeliveries({ state: DeliveryState.FAILED });
    while ((await failed()).deliveries.length !== count);
  };
  const owners: readonly (readonly [TestNode, string])[] = [
    [a, "ann"],
    [b, "bob"],
    [a, "eve"],
  ];
  for (const [node, name] of owners) {
    const webhooks = [{ url: `${receiver.origin}/${name}`, events: ["*"], retries: { attempts: 0 } }];
    const config = { webhooks };
    await createClient(SessionService, transportTo(node)).createSession({ name, start: false, config });
    await webhooksOf(node).sendTestEvent({ session: name });
  }
  await untilFailed(owners.length);
  status = 200;
  return { ...nodes, receiver, untilFailed };
}

describe("sending all failed deliveries again", () => {
  for (const asked of ["a", "b"] as const) {
    it(`is done by the owner of each session, whichever node is asked: ${asked}`, async (t) => {
      const nodes = await openNodes(t);
      const { receiver, untilFailed } = nodes;
      const before = receiver.requests.length;
      const { resent } = await webhooksOf(nodes[asked]).resendFailed({});
      assert.equal(resent, 3);
      await receiver.arrived(before + 3);
      const paths = receiver.requests.slice(before).map(({ path }) => path);
      assert.deepEqual(paths.sort(), ["/ann", "/bob", "/eve"]);
      const forwarded = (node: TestNode) =>
        node.calls.filter((call) => call.forwarded && call.method.endsWith("/ResendFailed")).length;
      assert.deepEqual([forwarded(nodes.a), forwarded(nodes.b)], asked === "a" ? [0, 1] : [2, 0]);
      await untilFailed(0);
      assert.equal((await webhooksOf(nodes[asked]).resendFailed({})).resent, 0);
    });
  }

  it("keeps to the filter of the request at every owner", async (t) => {
    const { a, receiver } = await openNodes(t);
    const before = receiver.requests.length;
    assert.equal((await webhooksOf(a).resendFailed({ url: "/bob" })).resent, 1);
    await receiver.arrived(before + 1);
    assert.equal(receiver.requests.at(-1)?.path, "/bob");
  });

  it("says which node is missing if an owner cannot be reached", async (t) => {
    const { table, a } = await openNodes(t);
    table.enter("b", "http://127.0.0.1:1");
    const { reason, message } = await refusal(webhooksOf(a).resendFailed({}));
    assert.equal(reason, "NODE_UNREACHABLE");
    assert.match(message, /"b" of session "bob"/);
  });
});
