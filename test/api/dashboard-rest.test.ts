import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Engine_Kind } from "../../gen/sessiond/v1/session_pb.js";
import { openMemoryBackend } from "../../src/adapters/memory/backend.ts";
import type { EngineFactory } from "../../src/ports/engine.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { startServer } from "../support/server.ts";
import { ScriptedEngine } from "./harness.ts";

type Json = Record<string, unknown>;

const noweb: EngineFactory = {
  kind: Engine_Kind.NOWEB,
  abilities: [],
  open: () => new ScriptedEngine(),
  hasLogin: async () => true,
};

/** Starts a server with stopped sessions. Returns a function that gets a path. */
async function serve(t: TestContext) {
  const clock = new FakeClock();
  const overrides = { clock, backend: openMemoryBackend({ clock }), engines: [noweb] };
  const { url } = await startServer(t, {}, overrides);
  const send = async (path: string, body?: Json) => {
    const init = body && {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    };
    const answer = await fetch(url + path, init);
    const json: unknown = await answer.json();
    return { status: answer.status, headers: answer.headers, json, object: Object(json) as Json };
  };
  for (const [name, tier] of [
    ["ada", "gold"],
    ["bob", "free"],
    ["cleo", "gold"],
  ] as const) {
    const webhooks = [{ url: `http://127.0.0.1:9/${name}`, events: ["*"] }];
    const created = await send("/api/sessions", { name, start: false, config: { metadata: { tier }, webhooks } });
    assert.equal(created.status, 201);
  }
  return send;
}

const namesIn = (list: unknown) => (Array.isArray(list) ? list.map((item) => String(Object(item).name)) : list);

describe("REST of the list of sessions", () => {
  it("stays an array without headers of a page, if no new parameter is sent", async (t) => {
    const send = await serve(t);
    for (const query of ["?all=true", "?all=true&metadata.tier=gold"]) {
      const { json, headers } = await send(`/api/sessions${query}`);
      assert.ok(Array.isArray(json));
      assert.deepEqual([headers.get("total-size"), headers.get("next-page-token")], [null, null]);
    }
    assert.deepEqual((await send("/api/sessions")).json, []);
  });

  it("stays an array with a page, whose token and size are headers", async (t) => {
    const send = await serve(t);
    const first = await send("/api/sessions?all=true&pageSize=2");
    assert.deepEqual([namesIn(first.json), first.headers.get("total-size")], [["ada", "bob"], "3"]);
    const token = first.headers.get("next-page-token");
    const second = await send(`/api/sessions?all=true&pageSize=2&pageToken=${token}`);
    assert.deepEqual([namesIn(second.json), second.headers.get("next-page-token")], [["cleo"], null]);
  });

  for (const [query, names] of [
    ["query=GOLD", ["ada", "cleo"]],
    ["query=gold+cle", ["cleo"]],
    ["query=tier%3Dfree", ["bob"]],
    ["status=STOPPED&status=FAILED", ["ada", "bob", "cleo"]],
    ["status=WORKING", []],
    ["engine=NOWEB", ["ada", "bob", "cleo"]],
    ["engine=WEBJS", []],
    ["reason=BANNED", []],
    ["query=nobody", []],
  ] as const) {
    it(`is filtered by ${query}, in both forms`, async (t) => {
      const send = await serve(t);
      assert.deepEqual(namesIn((await send(`/api/sessions?all=true&${query}`)).json), names);
      const { object } = await send(`/api/sessions:search?all=true&${query}`);
      assert.deepEqual([namesIn(object.sessions), object.totalSize, object.nextPageToken], [names, names.length, ""]);
    });
  }

  it("shows metadata alone in the configuration of a summary", async (t) => {
    const send = await serve(t);
    const { object } = await send("/api/sessions:search?all=true&view=SUMMARY&pageSize=1");
    const [item] = Array.isArray(object.sessions) ? object.sessions : [];
    assert.deepEqual(Object(item).config, { metadata: { tier: "gold" }, proxy: null, webhooks: [], debug: false });
  });

  for (const [query, message] of [
    ["pageSize=1001", "pageSize must not be greater than 1000"],
    ["status=NOPE", /^status/],
    ["view=ALL", /^view/],
    ["pageToken=x", "pageToken must be the nextPageToken of a page"],
  ] as const) {
    it(`refuses ${query}, and names the parameter`, async (t) => {
      const send = await serve(t);
      const { status, object } = await send(`/api/sessions?${query}`);
      assert.equal(status, 400);
      const [first] = Array.isArray(object.message) ? object.message : [object.message];
      if (typeof message === "string") assert.equal(first, message);
      else assert.match(String(first), message);
    });
  }
});

describe("REST over all sessions", () => {
  it("lists endpoints, and deliveries of a test event, in pages", async (t) => {
    const send = await serve(t);
    for (const session of ["bob", "ada"]) {
      assert.equal((await send(`/api/sessions/${session}/webhooks/test`, {})).status, 201);
    }
    const { object: endpoints } = await send("/api/webhooks/endpoints?pageSize=2");
    const shown = Array.isArray(endpoints.endpoints) ? endpoints.endpoints.map((one) => Object(one).session) : [];
    assert.deepEqual([shown, endpoints.totalSize], [["ada", "bob"], 3]);
    const { object: found } = await send("/api/webhooks/endpoints?url=/CLEO");
    assert.equal(found.totalSize, 1);
    const { object: deliveries } = await send("/api/webhooks/deliveries?pageSize=1");
    const [delivery] = Array.isArray(deliveries.deliveries) ? deliveries.deliveries : [];
    assert.deepEqual([Object(delivery).session, Object(delivery).eventName], ["ada", "webhook.test"]);
    const next = await send(`/api/webhooks/deliveries?pageSize=1&pageToken=${deliveries.nextPageToken}`);
    const [older] = Array.isArray(next.object.deliveries) ? next.object.deliveries : [];
    assert.equal(Object(older).session, "bob");
    assert.deepEqual((await send("/api/webhooks/resend-failed", { url: "nowhere" })).json, { resent: 0 });
  });

  it("shows empty lists and zeros", async (t) => {
    const send = await serve(t);
    assert.deepEqual((await send("/api/sessions/ada/history")).json, { transitions: [], nextPageToken: "" });
    assert.deepEqual((await send("/api/webhooks/deliveries?state=FAILED")).json, { deliveries: [], nextPageToken: "" });
    const { object } = await send("/api/server/overview");
    const { sessions, webhooks, storms, suspects, connectQueue, openStreams, version, startedAt, memory } = object;
    assert.deepEqual(sessions, { total: 3, byStatus: [{ status: "STOPPED", count: 3 }], byReason: [] });
    assert.deepEqual(webhooks, { pending: 0, retrying: 0, endpoints: 3, failingEndpoints: 0, disabledEndpoints: 0 });
    assert.deepEqual([storms, suspects, connectQueue, openStreams], [[], [], 0, 0]);
    assert.ok(version && startedAt && Number(Object(memory).rssBytes) > 0);
    assert.deepEqual(object.engines, [{ engine: "NOWEB", sessions: 3 }]);
  });

  it("answers 404 for a missing session, and 400 for a bad name", async (t) => {
    const send = await serve(t);
    for (const path of ["/api/webhooks/endpoints?session=", "/api/webhooks/deliveries?session="]) {
      assert.deepEqual([(await send(`${path}nobody`)).status, (await send(`${path}a/b`)).status], [404, 400]);
    }
    assert.equal((await send("/api/sessions/nobody/history")).status, 404);
    assert.equal((await send("/api/webhooks/resend-failed", { session: "nobody" })).status, 404);
  });
});
