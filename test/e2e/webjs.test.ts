import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { openHouse } from "./house.ts";
import { openWebjsHouse } from "./webjs-house.ts";

/** More with SESSIOND_TEST_WEBJS_SESSIONS=50. */
const many = Number(process.env.SESSIOND_TEST_WEBJS_SESSIONS ?? 4);
const png = [0x89, 0x50, 0x4e, 0x47];

suite("a session on WEBJS, over REST", () => {
  test("goes from nothing to WORKING by QR, survives kill -9, logs out and is deleted", async () => {
    await using it = await openWebjsHouse();
    const { whatsapp, hook, server, rest, config, browsers } = it;
    const phone = whatsapp.phone(undefined, { name: "Alice" });

    const created = await rest.post("/api/sessions", { name: "alice", config });
    assert.deepEqual([created.status, created.body.status], [201, "STARTING"]);
    assert.deepEqual(created.body.engine, { engine: "WEBJS" });

    const image = await fetch(`${server.baseUrl}/api/alice/auth/qr`);
    assert.equal(image.headers.get("content-type"), "image/png");
    assert.deepEqual([...new Uint8Array(await image.arrayBuffer()).slice(0, 4)], png);
    const json = await rest.call("GET", "/api/alice/auth/qr", undefined, { accept: "application/json" });
    assert.equal(json.body.mimetype, "image/png");
    const raw = await rest.get("/api/alice/auth/qr?format=raw");
    await phone.scan(String(raw.body.value));
    await rest.untilStatus("alice", "WORKING");
    const me = { id: `${phone.number}@c.us`, pushName: "Alice" };
    assert.deepEqual((await rest.get("/api/sessions/alice/me")).body, me);
    assert.deepEqual(await hook.until(() => hook.statuses("alice").length >= 4 && hook.statuses("alice")), [
      "STARTING",
      "SCAN_QR_CODE",
      "STARTING",
      "WORKING",
    ]);

    await server.kill("SIGKILL");
    await server.restart();
    await rest.untilStatus("alice", "WORKING");
    assert.equal(phone.devices.length, 1, "no second pairing was needed");
    await hook.until(() => hook.statuses("alice").length >= 6);
    assert.deepEqual(hook.statuses("alice").slice(4), ["STARTING", "WORKING"]);

    const stopped = await rest.post("/api/sessions/alice/stop");
    assert.deepEqual([stopped.status, stopped.body.status], [201, "STOPPED"]);
    assert.deepEqual(await browsers.processes(), []);
    await rest.post("/api/sessions/alice/start");
    await rest.untilStatus("alice", "WORKING");
    assert.equal(phone.devices.length, 1, "the login was kept");

    const [before] = await browsers.profiles();
    const loggedOut = await rest.post("/api/sessions/alice/logout");
    assert.deepEqual([loggedOut.status, loggedOut.body.remoteUnlinked], [201, "true"]);
    await rest.untilStatus("alice", "SCAN_QR_CODE");
    assert.equal(phone.devices.length, 0, "the device is unlinked at WhatsApp");
    const after = await browsers.profiles();
    assert.ok(after.length === 1 && after[0] !== before, "the profile with the login is gone");

    assert.equal((await rest.delete("/api/sessions/alice")).status, 200);
    assert.equal((await rest.get("/api/sessions/alice")).status, 404);
    assert.deepEqual(await browsers.profiles(), []);
    assert.deepEqual(await browsers.processes(), []);
  });

  test("pairs by code, and receives and reports a text", async () => {
    await using it = await openWebjsHouse();
    const { whatsapp, hook, rest, config } = it;
    const phone = whatsapp.phone(undefined, { name: "Alice" });
    const bob = whatsapp.phone(undefined, { name: "Bob" });
    await rest.post("/api/sessions", { name: "alice", config });
    const { status, body } = await rest.post("/api/alice/auth/request-code", { phoneNumber: `+${phone.number}` });
    assert.equal(status, 201);
    assert.match(String(body.code), /^[A-Z0-9]{4}-[A-Z0-9]{4}$/);
    await phone.enterCode(String(body.code).replace("-", ""));
    await rest.untilStatus("alice", "WORKING");

    await bob.sendTextTo(phone, "hello");
    const seen = await hook.until((all) => {
      const events = all.filter((webhook) => webhook.body.event.startsWith("message"));
      return events.length >= 2 && events;
    });
    assert.deepEqual(seen.map((webhook) => webhook.body.event).sort(), ["message", "message.any"]);
    const version = (await rest.get("/api/server/version")).body;
    for (const webhook of seen) {
      const { body: text, from, fromMe } = webhook.body.payload;
      assert.deepEqual([text, from, fromMe], ["hello", `${bob.number}@c.us`, false]);
      assert.deepEqual(webhook.body.environment, version);
    }
    assert.equal(version.engine, "WEBJS");
    assert.match(String(version.browser), /chrom/);
  });

  test("is unlinked by the phone, says so, and shows a new code once it is started again", async () => {
    await using it = await openWebjsHouse();
    const { hook, rest, config, pair, browsers } = it;
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

  test("says why WhatsApp Web cannot be reached, and comes by itself when it can", async () => {
    await using it = await openWebjsHouse();
    const { whatsapp, rest } = it;
    whatsapp.pageAnswer = 503;
    await rest.post("/api/sessions", { name: "alice" });
    // Its status stays the same, so that no stream tells.
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

  test(`pairs beside others: ${many} at once, and all are there again after kill -9`, async () => {
    await using it = await openWebjsHouse();
    const { whatsapp, hook, server, rest, config } = it;
    const names = Array.from({ length: many }, (_, i) => `s${i}`);
    await Promise.all(
      names.map(async (name) => {
        assert.equal((await rest.post("/api/sessions", { name, config })).status, 201);
        for await (const item of rest.stream(`/api/${name}/auth/qr-stream`)) {
          if (item.qr) await whatsapp.phone().scan(String(item.qr.value));
          if (item.outcome) assert.equal(item.outcome.result, "RESULT_PAIRED");
        }
        await rest.untilStatus(name, "WORKING");
      }),
    );
    await hook.until(() => names.every((name) => hook.statuses(name).includes("WORKING")));
    for (const name of names) {
      assert.deepEqual(hook.statuses(name), ["STARTING", "SCAN_QR_CODE", "STARTING", "WORKING"], name);
    }
    await server.kill("SIGKILL");
    await server.restart();
    await Promise.all(names.map((name) => rest.untilStatus(name, "WORKING")));
  });

  test("ends with a server that is stopped, whatever it is doing", async () => {
    await using it = await openWebjsHouse();
    const { server, rest, pair, browsers } = it;
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

  test("gives a picture of its page, as PNG or in JSON, and none when it is stopped", async () => {
    await using it = await openWebjsHouse();
    const { server, rest, pair } = it;
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

test("a WEBJS session is refused where there is no browser, and NOWEB goes on", async () => {
  await using it = await openHouse({ SESSIOND_CHROME_PATH: "/nope" });
  const { rest } = it;
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
