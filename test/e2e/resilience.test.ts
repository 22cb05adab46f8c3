import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { stanza } from "../emulator/stanza.ts";
import { pairFleet, statusCounts } from "./fleet.ts";
import { openHarness } from "./harness.ts";

const fastConnects = { SESSIOND_CONNECTS_PER_SECOND: "200" };

/** Waits until all of them have the status. */
async function untilAll(rest: Parameters<typeof statusCounts>[0], status: string, count: number): Promise<void> {
  while (((await statusCounts(rest))[status] ?? 0) < count) await delay(50);
}

describe("resilience", () => {
  it("a starting server restores its sessions despite their troubles, and logs it in one line", async () => {
    await using harness = await openHarness(fastConnects);
    const { whatsapp, server, rest } = harness;
    const { names, phoneOf } = await pairFleet(whatsapp, rest, 12);
    await server.kill("SIGKILL");
    const [banned, unavailable, unlinked] = names;
    phoneOf(banned ?? "").loginRefusal = { reason: 403 };
    phoneOf(unavailable ?? "").loginRefusal = { reason: 503 };
    await phoneOf(unlinked ?? "").unlink();
    const startedAt = Date.now();
    await server.restart();
    await untilAll(rest, "WORKING", 9);
    await untilAll(rest, "FAILED", 2);
    assert.ok(Date.now() - startedAt < 60_000);
    const { body } = await rest.get(`/api/sessions/${unavailable}`);
    assert.equal(body.status, "STARTING");
    assert.equal(body.statusReason, "UNREACHABLE");
    assert.ok(Number(body.attempt) > 0);
    assert.ok(Date.parse(String(body.nextAttemptAt)) > startedAt);
    const line = await lineWith(server.log, "sessions restored");
    const { restored, failed, reasons } = JSON.parse(line);
    assert.deepEqual([restored, failed, Object.keys(reasons).sort()], [9, 3, [banned, unavailable, unlinked].sort()]);
  });

  it("a stop is fast, and a logout reports the device's fate", async () => {
    await using harness = await openHarness();
    const { whatsapp, rest } = harness;
    const { names, phoneOf } = await pairFleet(whatsapp, rest, 1);
    const [name = ""] = names;
    await rest.untilStatus(name, "WORKING");
    const startedAt = performance.now();
    assert.equal((await rest.post(`/api/sessions/${name}/stop`)).body.status, "STOPPED");
    assert.ok(performance.now() - startedAt < 2_000, "it does not wait for anything");
    await rest.post(`/api/sessions/${name}/start`);
    await rest.untilStatus(name, "WORKING");
    assert.equal((await rest.get(`/api/sessions/${name}`)).body.health, "HEALTH_HEALTHY");
    const { body } = await rest.post(`/api/sessions/${name}/logout`);
    assert.equal(body.remoteUnlinked, "UNLINKED");
    assert.equal(phoneOf(name).devices.length, 0);
    assert.equal((await rest.get(`/api/sessions/${name}`)).body.remoteUnlinked, undefined);
    assert.equal(
      (await rest.post(`/api/sessions/${name}/logout`)).body.remoteUnlinked,
      "NOT_LINKED",
      "nothing is paired",
    );
  });

  it("an unanswered logout ends in time and reports that it continues later", async () => {
    await using harness = await openHarness();
    const { whatsapp, rest } = harness;
    const { names, phoneOf } = await pairFleet(whatsapp, rest, 1);
    const [name = ""] = names;
    await rest.untilStatus(name, "WORKING");
    const [device] = phoneOf(name).devices;
    assert.ok(device);
    whatsapp.connectionOf(device).mute();
    const { status, body } = await rest.post(`/api/sessions/${name}/logout`);
    assert.deepEqual([status, body.remoteUnlinked, body.me], [201, "PENDING", null]);
    await rest.untilStatus(name, "SCAN_QR_CODE");
  });

  it("a hanging start gives way to any command at once", async () => {
    await using harness = await openHarness();
    const { whatsapp, rest } = harness;
    whatsapp.muteNewConnections(true);
    const hung = async (name: string) => {
      const connected = whatsapp.waitForConnection();
      assert.equal((await rest.post("/api/sessions", { name })).body.status, "STARTING");
      await connected;
    };
    await hung("stopped");
    assert.equal((await rest.post("/api/sessions/stopped/stop")).body.status, "STOPPED");
    await hung("deleted");
    assert.equal((await rest.delete("/api/sessions/deleted")).status, 200);
    assert.equal((await rest.get("/api/sessions/deleted")).status, 404);
    await hung("restarted");
    whatsapp.muteNewConnections(false);
    assert.equal((await rest.post("/api/sessions/restarted/restart")).status, 201);
    await rest.untilStatus("restarted", "SCAN_QR_CODE");
    assert.equal(whatsapp.counters.connections, 1);
  });

  it("an orderly stop ends the process, whatever timers a library leaves behind", async () => {
    await using harness = await openHarness();
    const { whatsapp, server, rest } = harness;
    const { names, phoneOf } = await pairFleet(whatsapp, rest, 1);
    const [device] = phoneOf(names[0] ?? "").devices;
    assert.ok(device);
    await rest.untilStatus(names[0] ?? "", "WORKING");
    const before = device.ledger.preKeysUploaded;
    // Baileys' own upload of prekeys leaves a timer of 30 s behind.
    const attributes = { type: "encrypt", from: "@s.whatsapp.net", id: "low", t: 1 };
    device.connection?.send(stanza("notification", attributes, [stanza("count", { value: 3 })]));
    await whatsapp.until(() => device.ledger.preKeysUploaded > before, "the pre-keys");
    const startedAt = performance.now();
    assert.equal(await server.kill("SIGTERM"), 0);
    assert.match(server.log.at(-1) ?? "", /"msg":"stopped"/);
    assert.ok(performance.now() - startedAt < 15_000);
  });

  it("a damaged login is restored in one call", async () => {
    await using harness = await openHarness();
    const { whatsapp, rest } = harness;
    const { names } = await pairFleet(whatsapp, rest, 1);
    const [name = ""] = names;
    await rest.untilStatus(name, "WORKING");
    const { status, body } = await rest.post(`/api/sessions/${name}/credentials/restore`);
    assert.equal(status, 201);
    assert.equal(body.status, "STARTING");
    await rest.untilStatus(name, "WORKING");
    assert.equal(whatsapp.counters.pairings, 1);
    await rest.post("/api/sessions", { name: "new", start: false });
    assert.equal((await rest.post("/api/sessions/new/credentials/restore")).status, 422);
  });
});

/** Waits for the first log line with this text. */
async function lineWith(log: readonly string[], text: string): Promise<string> {
  for (;;) {
    const line = log.find((one) => one.includes(text));
    if (line) return line;
    await delay(50);
  }
}
