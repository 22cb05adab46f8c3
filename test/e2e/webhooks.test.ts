import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Json, RestClient } from "./rest-client.ts";
import { ServerProcess } from "./server-process.ts";
import { WebhookInbox } from "./webhook-inbox.ts";

const key = { "x-api-key": "a-key" };

/** Asks again until the answer matches. */
async function until(ask: () => Promise<Json>, wanted: (body: Json) => boolean): Promise<Json> {
  for (;;) {
    const body = await ask();
    if (wanted(body)) return body;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe("webhooks over REST", () => {
  let server: ServerProcess;
  let inbox: WebhookInbox;
  let rest: RestClient;
  const at = (path: string) => `/api/sessions/alice/webhooks/${path}`;
  const body = async (path: string) => (await rest.get(at(path))).body;

  before(async () => {
    inbox = await WebhookInbox.open();
    server = await ServerProcess.start();
    rest = new RestClient(() => server.baseUrl);
    const webhooks = [
      { url: inbox.url.replace("//", "//user:secret@"), events: ["message"], retries: { attempts: 0 } },
    ];
    assert.equal((await rest.post("/api/sessions", { name: "alice", start: false, config: { webhooks } })).status, 201);
  });
  after(async () => {
    await server.stop();
    await inbox[Symbol.asyncDispose]();
  });

  it("can be tested, listed and resent", async () => {
    const sent = await rest.post(at("test"), {});
    assert.equal(sent.status, 201);
    const [delivery] = sent.body.deliveries as unknown as Json[];
    const id = String(delivery?.id);
    const got = await inbox.until((taken) => taken[0]);
    assert.deepEqual(
      [got.body.event, got.body.session, got.headers["x-webhook-request-id"]],
      ["webhook.test", "alice", id],
    );
    const done = await until(
      () => body(`deliveries/${id}`),
      ({ state }) => String(state) === "DELIVERED",
    );
    assert.deepEqual([done.attemptCount, done.eventName, done.attempts?.[0]?.status], [1, "webhook.test", 200]);
    assert.equal(String(done.url).includes("secret"), false);
    const list = await body("deliveries?state=DELIVERED&pageSize=1");
    assert.deepEqual([list.deliveries?.[0]?.id, list.nextPageToken], [id, ""]);
    assert.deepEqual((await body("deliveries?state=FAILED")).deliveries, []);
    const again = await rest.post(at(`deliveries/${id}/resend`));
    assert.deepEqual([again.status, again.body.state, again.body.attemptCount], [201, "RETRYING", 0]);
    const second = await inbox.until((taken) => taken[1]);
    assert.deepEqual([second.headers["x-webhook-request-id"], second.raw], [id, got.raw]);
    const after = await until(
      () => body(`deliveries/${id}`),
      ({ state }) => String(state) === "DELIVERED",
    );
    assert.equal((after.attempts as unknown as Json[]).length, 2);
  });

  it("to a gone endpoint are stored until it is enabled, and then resent", async () => {
    inbox.status = 410;
    const [endpoint] = (await body("endpoints")) as unknown as Json[];
    assert.deepEqual([endpoint?.disabled, endpoint?.events, endpoint?.consecutiveFailures], [false, ["message"], 0]);
    await rest.post(at("test"), {});
    await until(
      () => body("endpoints"),
      (all) => String(all[0]?.disabled) === "true",
    );
    const [disabled] = (await body("endpoints")) as unknown as Json[];
    assert.equal(disabled?.disabledReason, "answered 410");
    const refused = await rest.post(at("test"), { endpoint: endpoint?.id });
    assert.deepEqual([refused.status, refused.body.message], [422, "The endpoint is disabled; enable it first"]);
    // It survives a restart, like the dead letter.
    await server.kill();
    await server.restart();
    assert.equal((await body("endpoints"))[0]?.disabled, true);
    assert.equal(((await body("deliveries?state=FAILED")).deliveries as unknown as Json[]).length, 1);
    assert.deepEqual((await rest.post(at("resend-failed"), {})).body, { resent: 0 });
    inbox.status = 200;
    const enabled = await rest.post(at(`endpoints/${endpoint?.id}/enable`));
    assert.deepEqual([enabled.status, enabled.body.disabled], [201, false]);
    const late = await rest.post(at("resend-failed"), { since: new Date(Date.now() + 60_000).toISOString() });
    assert.deepEqual(late.body, { resent: 0 });
    const before = inbox.taken.length;
    assert.deepEqual((await rest.post(at("resend-failed"), {})).body, { resent: 1 });
    await inbox.until((taken) => taken[before]);
    await until(
      () => body("deliveries?state=FAILED"),
      ({ deliveries }) => (deliveries as unknown as Json[]).length === 0,
    );
  });

  it("answer impossible requests with a reason", async () => {
    const faults: [string, string, number, unknown][] = [
      ["GET", "deliveries/none", 404, "Delivery not found"],
      ["GET", "deliveries/dlv_0_1_ep_0", 404, "Delivery not found"],
      ["GET", "deliveries?state=LOST", 400, undefined],
      ["GET", "deliveries?pageSize=501", 400, ["pageSize must not be greater than 500"]],
      ["GET", "deliveries?pageToken=x", 400, ["pageToken must be the nextPageToken of a page"]],
      ["POST", "endpoints/ep_0/enable", 404, "The session has no such endpoint"],
    ];
    for (const [method, path, status, message] of faults) {
      const answer = await rest.call(method, at(path));
      assert.equal(answer.status, status, path);
      if (message) assert.deepEqual(answer.body.message, message);
    }
    for (const path of ["deliveries", "endpoints"]) {
      assert.equal((await rest.get(`/api/sessions/nobody/webhooks/${path}`)).status, 404);
    }
  });

  it("show no metrics if there is no key", async () => {
    assert.equal((await rest.get("/metrics")).status, 404);
  });
});

describe("webhooks of a server reachable from other machines", () => {
  const env = { SESSIOND_HOST: "0.0.0.0", WAHA_API_KEY: "a-key" };

  /** Returns the fate of a test event to the inbox. */
  async function fate(more: Record<string, string>) {
    const stack = new AsyncDisposableStack();
    await using _ = stack;
    const inbox = stack.use(await WebhookInbox.open());
    const server = stack.use(await ServerProcess.start({ ...env, ...more, WHATSAPP_HOOK_URL: `${inbox.url}/global` }));
    const port = new URL(server.baseUrl).port;
    const rest = new RestClient(() => `http://127.0.0.1:${port}`);
    const webhooks = [{ url: inbox.url, events: ["*"], retries: { attempts: 0 } }];
    const created = { name: "alice", start: false, config: { webhooks } };
    assert.equal((await rest.call("POST", "/api/sessions", created, key)).status, 201);
    assert.equal((await rest.call("POST", "/api/sessions/alice/webhooks/test", {}, key)).status, 201);
    const list = async () => (await rest.call("GET", "/api/sessions/alice/webhooks/deliveries", undefined, key)).body;
    const settled = await until(list, ({ deliveries }) =>
      (deliveries as unknown as Json[]).every(({ state }) => ["DELIVERED", "FAILED"].includes(String(state))),
    );
    const fates = (settled.deliveries as unknown as Json[]).map(({ endpointId, state, reason }) =>
      [String(endpointId) === "global" ? "global" : "own", state, reason].join(" ").trim(),
    );
    const metrics = await rest.call("GET", "/metrics", undefined, key);
    const withoutKey = (await rest.get("/metrics")).status;
    return { fates: fates.toSorted(), taken: inbox.taken.length, metrics, withoutKey };
  }

  it("do not reach internal addresses, except the owner's own; metrics need the key", async () => {
    const { fates, taken, metrics, withoutKey } = await fate({});
    assert.deepEqual(fates, ["global DELIVERED", "own FAILED destination not allowed"]);
    assert.equal(taken, 1);
    assert.equal(withoutKey, 401);
    assert.match(metrics.headers.get("content-type") ?? "", /^text\/plain/);
    const lines = String(metrics.body);
    for (const line of [
      'sessiond_webhook_deliveries_total{outcome="delivered"} 1',
      'sessiond_webhook_deliveries_total{outcome="failed"} 1',
      'sessiond_webhook_attempt_seconds_count{result="success"} 1',
      "sessiond_webhook_lag_seconds_count 2",
      'sessiond_webhook_pending{state="pending"} 0',
      "sessiond_webhook_oldest_pending_seconds 0",
      'sessiond_sessions{status="STOPPED",engine="NOWEB"} 1',
      'sessiond_rpc_seconds_count{method="sessiond.v1.SessionService/CreateSession",code="ok"} 1',
      'sessiond_http_seconds_count{method="POST",status="201"} 2',
    ]) {
      assert.ok(lines.includes(line), `${line} is missing`);
    }
  });

  it("reach the allowed addresses", async () => {
    const { fates, taken } = await fate({ SESSIOND_WEBHOOK_ALLOW: "127.0.0.0/8" });
    assert.deepEqual([fates, taken], [["global DELIVERED", "own DELIVERED"], 2]);
  });
});
