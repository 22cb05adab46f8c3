import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openHarness } from "./harness.ts";

const key = (value: string) => ({ "idempotency-key": value });

describe("a repeated create", () => {
  it("gets the first answer again, also after a crash, and creates nothing more", async () => {
    await using harness = await openHarness();
    const { rest, server } = harness;
    const body = { config: { metadata: { tenant: "a" }, webhooks: [] } };
    const first = await rest.call("POST", "/api/sessions", body, key("order-1"));
    assert.equal(first.status, 201);
    assert.equal(first.headers.get("idempotency-replayed"), null);
    await rest.put(`/api/sessions/${first.body.name}`, { config: { debug: true } });

    const again = await rest.call("POST", "/api/sessions", body, key("order-1"));
    assert.deepEqual([again.status, again.body], [201, first.body]);
    assert.equal(again.headers.get("idempotency-replayed"), "true");
    await server.kill("SIGKILL");
    await server.restart();
    assert.deepEqual((await rest.call("POST", "/api/sessions", body, key("order-1"))).body, first.body);
    const { body: all } = await rest.get("/api/sessions?all=true");
    assert.equal((all as unknown as unknown[]).length, 1);
  });

  it("creates one session, however many calls come at once", async () => {
    await using harness = await openHarness();
    const calls = Array.from({ length: 8 }, () =>
      harness.rest.call("POST", "/api/sessions", { start: false }, key("k")),
    );
    const names = (await Promise.all(calls)).map(({ body }) => String(body.name));
    assert.equal(new Set(names).size, 1);
  });

  it("is refused with another body under the same key, or with an invalid key", async () => {
    await using harness = await openHarness();
    const { rest } = harness;
    await rest.call("POST", "/api/sessions", { name: "a", start: false }, key("k"));
    const other = await rest.call("POST", "/api/sessions", { name: "b", start: false }, key("k"));
    assert.equal(other.status, 422);
    assert.equal((await rest.get("/api/sessions/b")).status, 404);
    assert.equal((await rest.call("POST", "/api/sessions", {}, key("a b"))).status, 400);
  });
});

describe("an expected revision", () => {
  it("admits a change of that revision, and otherwise refuses it with 412", async () => {
    await using harness = await openHarness();
    const { rest } = harness;
    const { headers } = await rest.post("/api/sessions", { name: "a", start: false });
    const etag = headers.get("etag") ?? "";
    const put = (ifMatch: string, debug: boolean) =>
      rest.call("PUT", "/api/sessions/a", { config: { debug } }, { "if-match": ifMatch });

    const changed = await put(etag, true);
    assert.equal(changed.status, 200);
    assert.notEqual(changed.headers.get("etag"), etag);
    const refused = await put(etag, false);
    assert.deepEqual([refused.status, refused.body.error], [412, "Precondition Failed"]);
    assert.equal((await rest.call("DELETE", "/api/sessions/a", undefined, { "if-match": etag })).status, 412);
    assert.equal((await rest.delete("/api/sessions/a?expectedRevision=1")).status, 412);
    assert.equal((await rest.get("/api/sessions/a")).body.config?.debug, true);

    assert.equal((await put("*", false)).status, 200);
    assert.equal((await put("nonsense", false)).status, 400);
    const { revision } = (await rest.get("/api/sessions/a")).body;
    assert.equal((await rest.delete(`/api/sessions/a?expectedRevision=${revision}`)).status, 200);
  });
});
