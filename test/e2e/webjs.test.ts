import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { engineWalks } from "./engine-walks.ts";
import { openHarness } from "./harness.ts";
import { openWebjsHarness } from "./webjs-harness.ts";

/** Set SESSIOND_TEST_WEBJS_SESSIONS=50 for more. */
const many = Number(process.env.SESSIOND_TEST_WEBJS_SESSIONS ?? 4);
const png = [0x89, 0x50, 0x4e, 0x47];

describe("a session on WEBJS, over REST", () => {
  engineWalks("WEBJS", openWebjsHarness, {
    many,
    async settled({ browsers }) {
      assert.deepEqual(await browsers.profiles(), []);
      assert.deepEqual(await browsers.processes(), []);
    },
  });

  it("has one profile, which a logout removes, and no browser while stopped", async () => {
    await using harness = await openWebjsHarness();
    const { whatsapp, rest, pair, browsers } = harness;
    await rest.post("/api/sessions", { name: "alice" });
    const phone = await pair("alice", whatsapp.phone(undefined, { name: "Alice" }));
    const me = { id: phone.jid, pushName: "Alice", lid: phone.lid };
    assert.deepEqual((await rest.get("/api/sessions/alice/me")).body, me);
    const before = await browsers.profiles();
    assert.equal(before.length, 1);
    await rest.post("/api/sessions/alice/stop");
    assert.deepEqual(await browsers.processes(), []);
    assert.deepEqual(await browsers.profiles(), before);
    await rest.post("/api/sessions/alice/logout");
    assert.deepEqual(await browsers.profiles(), []);
    await rest.post("/api/sessions/alice/start");
    await rest.untilStatus("alice", "SCAN_QR_CODE");
    const version = (await rest.get("/api/server/version")).body;
    assert.equal(version.engine, "WEBJS");
    assert.match(String(version.browser), /chrom/);
  });

  it("is unlinked by the phone, reports it, and shows a new code after a start", async () => {
    await using harness = await openWebjsHarness();
    const { hook, rest, config, pair, browsers } = harness;
    await rest.post("/api/sessions", { name: "alice", config });
    const phone = await pair("alice");
    await phone.unlink();
    await hook.until(() => hook.statuses("alice").includes("FAILED"));
    const { body } = await rest.get("/api/sessions/alice");
    assert.deepEqual([body.status, body.statusReason, body.me], ["FAILED", "LOGGED_OUT", null]);
    assert.deepEqual(await browsers.processes(), []);
    await rest.post("/api/sessions/alice/start");
    await rest.untilStatus("alice", "SCAN_QR_CODE");
  });

  it("reports why WhatsApp Web is unreachable, and connects by itself when it is back", async () => {
    await using harness = await openWebjsHarness();
    const { whatsapp, rest } = harness;
    whatsapp.pageAnswer = 503;
    await rest.post("/api/sessions", { name: "alice" });
    // The status does not change, so no stream reports it.
    const reasonOf = async () => (await rest.get("/api/sessions/alice")).body;
    let body = await reasonOf();
    while (body.statusReason === undefined) {
      await delay(50);
      body = await reasonOf();
    }
    assert.deepEqual([body.status, body.statusReason], ["STARTING", "UNREACHABLE"]);
    assert.match(String(body.statusMessage), /HTTP status 503/);
    assert.equal((await rest.get("/api/screenshot?session=alice")).status, 422);
    whatsapp.pageAnswer = "page";
    await rest.untilStatus("alice", "SCAN_QR_CODE");
    assert.equal((await rest.get("/api/sessions/alice")).body.statusReason, undefined);
  });

  it("ends with its server, whatever state it is in", async () => {
    await using harness = await openWebjsHarness();
    const { server, rest, pair, browsers } = harness;
    await rest.post("/api/sessions", { name: "working" });
    await pair("working");
    await rest.post("/api/sessions", { name: "pairing" });
    await rest.untilStatus("pairing", "SCAN_QR_CODE");
    await rest.post("/api/sessions", { name: "starting" });
    assert.equal(await server.kill("SIGTERM"), 0);
    assert.deepEqual(await browsers.processes(), []);
    await server.restart();
    await rest.untilStatus("working", "WORKING");
    await rest.untilStatus("starting", "SCAN_QR_CODE");
  });

  it("returns a picture of its page, as PNG or JSON, and none while stopped", async () => {
    await using harness = await openWebjsHarness();
    const { server, rest, pair } = harness;
    const picture = async (path: string) => {
      const response = await fetch(server.baseUrl + path);
      assert.deepEqual([response.status, response.headers.get("content-type")], [200, "image/png"]);
      return [...new Uint8Array(await response.arrayBuffer()).slice(0, 4)];
    };
    await rest.post("/api/sessions", { name: "default" });
    await rest.untilStatus("default", "SCAN_QR_CODE");
    assert.deepEqual(await picture("/api/screenshot"), png);
    await pair("default");
    assert.deepEqual(await picture("/api/screenshot?session=default"), png);
    const json = await rest.call("GET", "/api/screenshot", undefined, { accept: "application/json" });
    assert.equal(json.body.mimetype, "image/png");
    assert.deepEqual([...Buffer.from(String(json.body.data), "base64").subarray(0, 4)], png);
    await rest.post("/api/sessions/default/stop");
    assert.equal((await rest.get("/api/screenshot")).status, 404);
    const restored = await rest.post("/api/sessions/default/credentials/restore");
    assert.equal(restored.status, 422);
    assert.match(String(restored.body.message), /engine WEBJS keeps no former login/);
  });
});

it("a WEBJS session is refused if there is no browser, and NOWEB works", async () => {
  await using harness = await openHarness({ SESSIOND_CHROME_PATH: "/nope" });
  const { rest } = harness;
  for (const start of [true, false]) {
    const { status, body } = await rest.post("/api/sessions", { name: "alice", engine: "WEBJS", start });
    assert.equal(status, 422);
    assert.match(String(body.message), /WEBJS.*SESSIOND_CHROME_PATH is \/nope.*of the system.*@sparticuz\/chromium/);
  }
  assert.equal((await rest.get("/api/sessions/alice")).status, 404);
  assert.equal((await rest.get("/api/server/version")).body.browser, null);
  assert.equal((await rest.post("/api/sessions", { name: "bob" })).status, 201);
  await rest.untilStatus("bob", "SCAN_QR_CODE");
});
