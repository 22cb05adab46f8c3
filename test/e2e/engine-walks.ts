import assert from "node:assert/strict";
import { it } from "node:test";
import type { RestClient } from "./rest-client.ts";
import type { ServerProcess } from "./server-process.ts";
import type { WebhookInbox } from "./webhook-inbox.ts";

/** An account and its phone, of either emulated WhatsApp. */
interface WalkPhone {
  readonly number: string;
  readonly devices: readonly unknown[];
  scan(qr: string): Promise<unknown>;
  enterCode(code: string): Promise<unknown>;
  sendTextTo(number: string, text: string): Promise<unknown>;
}

/** Harness that the walks need, for either engine. */
export interface WalkHarness extends AsyncDisposable {
  readonly whatsapp: { phone(number?: string, profile?: { readonly name?: string }): WalkPhone };
  readonly hook: WebhookInbox;
  readonly server: ServerProcess;
  readonly rest: RestClient;
  readonly config: object;
}

/**
 * Registers the walks that every engine must pass. `settled` checks the state after each; `many` sessions pair at once.
 */
export function engineWalks<Harness extends WalkHarness>(
  engine: string,
  open: () => Promise<Harness>,
  { settled, many }: { settled(harness: Harness): Promise<void> | void; many: number },
): void {
  it("goes from nothing to WORKING by QR, survives kill -9 and a stop, logs out and is deleted", async () => {
    await using harness = await open();
    const { whatsapp, hook, server, rest, config } = harness;
    const phone = whatsapp.phone(undefined, { name: "Alice" });

    const created = await rest.post("/api/sessions", { name: "alice", config });
    assert.deepEqual([created.status, created.body.status], [201, "STARTING"]);
    assert.deepEqual(created.body.engine, { engine });

    const image = await fetch(`${server.baseUrl}/api/alice/auth/qr`);
    assert.equal(image.headers.get("content-type"), "image/png");
    assert.deepEqual([...new Uint8Array(await image.arrayBuffer()).slice(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
    const json = await rest.call("GET", "/api/alice/auth/qr", undefined, { accept: "application/json" });
    assert.equal(json.body.mimetype, "image/png");
    const raw = await rest.get("/api/alice/auth/qr?format=raw");

    await phone.scan(String(raw.body.value));
    await rest.untilStatus("alice", "WORKING");
    assert.equal((await rest.get("/api/sessions/alice/me")).body.id, `${phone.number}@c.us`);
    const statuses = await hook.until(() => hook.statuses("alice").length >= 4 && hook.statuses("alice"));
    assert.deepEqual(statuses, ["STARTING", "SCAN_QR_CODE", "STARTING", "WORKING"]);

    await server.kill("SIGKILL");
    await server.restart();
    await rest.untilStatus("alice", "WORKING");
    await hook.until(() => hook.statuses("alice").length >= 6);
    assert.deepEqual(hook.statuses("alice").slice(4), ["STARTING", "WORKING"]);

    const stopped = await rest.post("/api/sessions/alice/stop");
    assert.deepEqual([stopped.status, stopped.body.status], [201, "STOPPED"]);
    await rest.post("/api/sessions/alice/start");
    await rest.untilStatus("alice", "WORKING");
    assert.equal(phone.devices.length, 1, "no second pairing was needed");

    const loggedOut = await rest.post("/api/sessions/alice/logout");
    assert.deepEqual([loggedOut.status, loggedOut.body.remoteUnlinked], [201, "UNLINKED"]);
    await rest.untilStatus("alice", "SCAN_QR_CODE");
    assert.equal(phone.devices.length, 0, "the device is unlinked at WhatsApp");

    assert.equal((await rest.delete("/api/sessions/alice")).status, 200);
    assert.equal((await rest.get("/api/sessions/alice")).status, 404);
    await settled(harness);
  });

  it("pairs by code, and receives and reports a text", async () => {
    await using harness = await open();
    const { whatsapp, hook, rest, config } = harness;
    const phone = whatsapp.phone(undefined, { name: "Alice" });
    const bob = whatsapp.phone(undefined, { name: "Bob" });

    await rest.post("/api/sessions", { name: "alice", config });
    const { status, body } = await rest.post("/api/alice/auth/request-code", { phoneNumber: `+${phone.number}` });
    assert.equal(status, 201);
    assert.match(String(body.code), /^[A-Z0-9]{4}-[A-Z0-9]{4}$/);
    await phone.enterCode(String(body.code).replace("-", ""));
    await rest.untilStatus("alice", "WORKING");

    await bob.sendTextTo(phone.number, "hello");
    const seen = await hook.until((all) => {
      const events = all.filter((webhook) => webhook.body.event.startsWith("message"));
      return events.length >= 2 && events;
    });
    assert.deepEqual(seen.map((webhook) => webhook.body.event).sort(), ["message", "message.any"]);
    const version = (await rest.get("/api/server/version")).body;
    for (const { body: told } of seen) {
      assert.equal(told.payload.body, "hello");
      assert.equal(told.payload.from, `${bob.number}@c.us`);
      assert.equal(told.payload.fromMe, false);
      assert.deepEqual(told.environment, { ...Object(version), browser: engine === "WEBJS" ? version.browser : null });
    }
    await rest.delete("/api/sessions/alice");
    await settled(harness);
  });

  it(`pairs beside others: ${many} at once`, async () => {
    await using harness = await open();
    const { whatsapp, hook, rest, config } = harness;
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
    await Promise.all(names.map((name) => rest.delete(`/api/sessions/${name}`)));
    await settled(harness);
  });
}
