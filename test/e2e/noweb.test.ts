import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { openHouse } from "./house.ts";
import { ServerProcess } from "./server-process.ts";

suite("a session on NOWEB, over REST", () => {
  test("goes from nothing to WORKING by QR, survives kill -9, logs out and is deleted", async () => {
    await using it = await openHouse();
    const { whatsapp, hook, server, rest, config } = it;
    const phone = whatsapp.phone(undefined, { name: "Alice" });

    const created = await rest.post("/api/sessions", { name: "alice", config });
    assert.equal(created.status, 201);
    assert.equal(created.body.status, "STARTING");

    const image = await fetch(`${server.baseUrl}/api/alice/auth/qr`);
    assert.equal(image.headers.get("content-type"), "image/png");
    assert.deepEqual([...new Uint8Array(await image.arrayBuffer()).slice(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
    const json = await rest.call("GET", "/api/alice/auth/qr", undefined, { accept: "application/json" });
    assert.equal(json.body.mimetype, "image/png");
    const raw = await rest.get("/api/alice/auth/qr?format=raw");

    await phone.scan(String(raw.body.value));
    await rest.untilStatus("alice", "WORKING");
    const me = { id: `${phone.number}@c.us`, pushName: "" };
    const shown = await rest.get("/api/sessions/alice/me");
    assert.equal(shown.body.id, me.id);
    assert.deepEqual(
      await hook.until(() => (hook.statuses("alice").length >= 4 ? hook.statuses("alice") : undefined)),
      ["STARTING", "SCAN_QR_CODE", "STARTING", "WORKING"],
    );

    await server.kill("SIGKILL");
    await server.restart();
    await rest.untilStatus("alice", "WORKING");
    assert.equal(whatsapp.counters.pairings, 1, "no second pairing was needed");
    await hook.until(() => hook.statuses("alice").length >= 6);
    assert.deepEqual(hook.statuses("alice").slice(4), ["STARTING", "WORKING"]);

    const loggedOut = await rest.post("/api/sessions/alice/logout");
    assert.equal(loggedOut.status, 201);
    await rest.untilStatus("alice", "SCAN_QR_CODE");
    assert.equal(phone.devices.length, 0, "the device is unlinked at WhatsApp");

    assert.equal((await rest.delete("/api/sessions/alice")).status, 200);
    assert.equal((await rest.get("/api/sessions/alice")).status, 404);
    assert.deepEqual(whatsapp.faults, []);
  });

  test("pairs by code, and receives and reports a text", async () => {
    await using it = await openHouse();
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
      const events = all.filter(({ body }) => body.event.startsWith("message"));
      return events.length >= 2 && events;
    });
    assert.deepEqual(seen.map(({ body }) => body.event).sort(), ["message", "message.any"]);
    for (const { body } of seen) {
      assert.equal(body.payload.body, "hello");
      assert.equal(body.payload.from, `${bob.number}@c.us`);
      assert.equal(body.payload.fromMe, false);
    }
  });

  test("webhooks that could not be delivered are delivered after kill -9", async () => {
    await using it = await openHouse();
    const { hook, server, rest, config } = it;
    hook.status = 500;
    await rest.post("/api/sessions", { name: "alice", config });
    await rest.untilStatus("alice", "SCAN_QR_CODE");
    await server.kill("SIGKILL");
    assert.deepEqual(hook.statuses("alice"), []);
    hook.status = 200;
    await server.restart();
    // Both of the first life, and both of the second: nothing was lost, and nothing is one event twice.
    await hook.until(() => hook.statuses("alice").length >= 4);
    assert.deepEqual(hook.statuses("alice").sort(), ["SCAN_QR_CODE", "SCAN_QR_CODE", "STARTING", "STARTING"]);
  });

  test("fifty sessions pair at once", async () => {
    await using it = await openHouse();
    const { whatsapp, hook, rest, config } = it;
    const names = Array.from({ length: 50 }, (_, i) => `s${i}`);
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
  });
});

test("the server stops in order on SIGTERM, and a second one on the same directory is refused", async () => {
  await using server = await ServerProcess.start();
  await assert.rejects(
    ServerProcess.start({ WAHA_LOCAL_STORE_BASE_DIR: `${server.directory}/sessions` }),
    /in use by another sessiond/,
  );
  assert.equal(await server.kill("SIGTERM"), 0);
});
