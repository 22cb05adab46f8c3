import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Phone } from "../emulator/phone.ts";
import { openHarness } from "./harness.ts";
import type { RestClient } from "./rest-client.ts";

type Harness = Awaited<ReturnType<typeof openHarness>>;

const fastConnects = { SESSIOND_CONNECTS_PER_SECOND: "200", SESSIOND_METRICS: "true" };

/** Upper limit for each wait, also on a slow machine. */
const waitMs = 30_000;

/** Ways to log out or delete. Each resolves with the call's outcome for the device; undefined for an empty body. */
const calls: Record<string, (rest: RestClient, name: string) => Promise<unknown>> = {
  logout: async (rest, name) => (await rest.post(`/api/sessions/${name}/logout`)).body.remoteUnlinked,
  delete: async (rest, name) => remoteUnlinkedIn(await rest.delete(`/api/sessions/${name}`), 200),
  "deprecated stop with logout": async (rest, name) =>
    remoteUnlinkedIn(await rest.post("/api/sessions/stop", { name, logout: true }), 201),
  "deprecated logout": async (rest, name) => remoteUnlinkedIn(await rest.post("/api/sessions/logout", { name }), 201),
};

function remoteUnlinkedIn({ status, body }: Awaited<ReturnType<RestClient["get"]>>, expected: number): unknown {
  assert.equal(status, expected);
  return body.remoteUnlinked;
}

/** Creates a session that shows a code, and a phone to scan it. */
async function showCode({ rest, whatsapp }: Harness, name: string): Promise<{ phone: Phone; qr: string }> {
  await rest.post("/api/sessions", { name });
  return { phone: whatsapp.phone(), qr: await rest.qrCode(name) };
}

async function pair(harness: Harness, name: string): Promise<Phone> {
  const { phone, qr } = await showCode(harness, name);
  await phone.scan(qr);
  await harness.rest.untilStatus(name, "WORKING");
  return phone;
}

async function untilUnlinked({ whatsapp, rest }: Harness, phone: Phone): Promise<void> {
  await whatsapp.until(() => phone.devices.length === 0, "the device to be unlinked");
  while ((await rest.get("/api/server/status")).body.pendingUnlinks) await delay(20);
}

/** Makes WhatsApp unreachable and cuts its connections. */
function cutOff({ whatsapp }: Harness): void {
  whatsapp.refuseUpgrades(503);
  for (const connection of whatsapp.connections) connection.terminate();
}

describe("leaving a session on NOWEB", () => {
  let harness: Harness;
  let sessions = 0;
  const newName = () => `s${++sessions}`;

  before(async () => {
    harness = await openHarness(fastConnects);
  });
  after(() => harness[Symbol.asyncDispose]());

  for (const [call, leave] of Object.entries(calls)) {
    for (const afterMs of [0, 20, 50, 100, 150, 300]) {
      it(`by ${call}, ${afterMs} ms after the scan, leaves no device on the phone`, async () => {
        const name = newName();
        const { phone, qr } = await showCode(harness, name);
        const scanned = phone.scan(qr).catch(() => {});
        await delay(afterMs);
        const remoteUnlinked = await leave(harness.rest, name);
        await scanned;
        assert.equal(phone.devices.length, 0);
        assert.notEqual(remoteUnlinked, "PENDING");
      });
    }

    for (const hook of ["paired", "closed", "connection", "login", "active"] as const) {
      it(`by ${call}, at the pairing's "${hook}", leaves no device on the phone`, async () => {
        const name = newName();
        const { phone, qr } = await showCode(harness, name);
        const reached = once(harness.whatsapp, hook, { signal: AbortSignal.timeout(waitMs) });
        const scanned = phone.scan(qr);
        await reached;
        assert.notEqual(await leave(harness.rest, name), "PENDING");
        await scanned;
        assert.equal(phone.devices.length, 0);
      });
    }

    it(`by ${call}, when it was stopped with a login, leaves no device on the phone`, async () => {
      const name = newName();
      const phone = await pair(harness, name);
      await harness.rest.post(`/api/sessions/${name}/stop`);
      assert.notEqual(await leave(harness.rest, name), "PENDING");
      assert.equal(phone.devices.length, 0);
      if (call === "logout") assert.equal((await harness.rest.get(`/api/sessions/${name}`)).body.status, "STOPPED");
    });

    it(`by ${call}, when it was stopped 20 ms after the scan, leaves no device on the phone`, async () => {
      const name = newName();
      const { phone, qr } = await showCode(harness, name);
      const scanned = phone.scan(qr).catch(() => {});
      await delay(20);
      await harness.rest.post(`/api/sessions/${name}/stop`);
      await scanned;
      assert.notEqual(await leave(harness.rest, name), "PENDING");
      assert.equal(phone.devices.length, 0);
    });

    it(`by ${call}, when it is FAILED for another reason than its login, leaves no device on the phone`, async () => {
      const name = newName();
      const phone = await pair(harness, name);
      phone.devices[0]?.connection?.failure(405);
      while ((await harness.rest.get(`/api/sessions/${name}`)).body.status !== "FAILED") await delay(20);
      assert.notEqual(await leave(harness.rest, name), "PENDING");
      assert.equal(phone.devices.length, 0);
    });

    it(`by ${call}, in a back-off, leaves no device on the phone`, async () => {
      const name = newName();
      const phone = await pair(harness, name);
      const [device] = phone.devices;
      device?.refuseNextLogin(503);
      device?.connection?.failure(503);
      while (!(await harness.rest.get(`/api/sessions/${name}`)).body.nextAttemptAt) await delay(5);
      assert.notEqual(await leave(harness.rest, name), "PENDING");
      assert.equal(phone.devices.length, 0);
    });
  }

  it("reports nothing about a device if there is none", async () => {
    const name = newName();
    await harness.rest.post("/api/sessions", { name, start: false });
    assert.equal(await calls.logout?.(harness.rest, name), "NOT_LINKED");
    const deleted = await harness.rest.delete(`/api/sessions/${name}`);
    assert.deepEqual([deleted.status, deleted.body], [200, ""]);
  });

  it("by delete during a logout leaves no device on the phone", async () => {
    const name = newName();
    const phone = await pair(harness, name);
    await Promise.all([
      harness.rest.post(`/api/sessions/${name}/logout`),
      harness.rest.delete(`/api/sessions/${name}`),
      harness.rest.delete(`/api/sessions/${name}`),
    ]);
    await untilUnlinked(harness, phone);
    assert.equal((await harness.rest.get(`/api/sessions/${name}`)).status, 404);
  });
});

describe("leaving a session on NOWEB while WhatsApp is away", () => {
  for (const [call, leave] of Object.entries(calls)) {
    it(`by ${call} is PENDING, frees the name at once, and is completed when WhatsApp is back`, async () => {
      await using harness = await openHarness(fastConnects);
      const { whatsapp, rest } = harness;
      const phone = await pair(harness, "alice");
      cutOff(harness);
      const startedAt = performance.now();
      assert.equal(await leave(rest, "alice"), "PENDING");
      assert.ok(performance.now() - startedAt < 6_000);
      assert.equal((await rest.get("/api/server/status")).body.pendingUnlinks, 1);
      assert.match(await (await fetch(`${harness.server.baseUrl}/metrics`)).text(), /sessiond_pending_unlinks 1/);
      assert.equal(phone.devices.length, 1);
      whatsapp.refuseUpgrades(null);
      if (call === "logout") await rest.untilStatus("alice", "SCAN_QR_CODE");
      const next = call === "logout" ? whatsapp.phone() : await pair(harness, "alice");
      await untilUnlinked(harness, phone);
      if (call !== "logout") assert.equal(next.devices.length, 1, "the new login is another");
      assert.deepEqual(whatsapp.faults, []);
    });
  }

  it("is completed by the next process after kill -9, beside a new login of the same name", async () => {
    await using harness = await openHarness({
      ...fastConnects,
      SESSIOND_SECRET_KEY: Buffer.alloc(32, 1).toString("base64"),
    });
    const { whatsapp, rest, server } = harness;
    const former = await pair(harness, "alice");
    const [device] = former.devices;
    assert.ok(device);
    // Only the former device is refused.
    former.loginRefusal = { reason: 503 };
    device.connection?.failure(503);
    assert.equal(await calls.delete?.(rest, "alice"), "PENDING");
    const phone = await pair(harness, "alice");
    await server.kill("SIGKILL");
    former.loginRefusal = undefined;
    await server.restart();
    await untilUnlinked(harness, former);
    await rest.untilStatus("alice", "WORKING");
    assert.equal(phone.devices.length, 1);
    assert.equal(whatsapp.counters.conflicts, 0);
  });

  for (const hook of ["paired", "connection", "login"] as const) {
    it(`unlinks a device whose server was killed at the pairing's "${hook}"`, async () => {
      await using harness = await openHarness(fastConnects);
      const { whatsapp, rest, server } = harness;
      const { phone, qr } = await showCode(harness, "alice");
      const reached = once(whatsapp, hook, { signal: AbortSignal.timeout(waitMs) });
      const scanned = phone.scan(qr);
      await reached;
      await server.kill("SIGKILL");
      await scanned;
      assert.equal(phone.devices.length, 1);
      await server.restart();
      await calls.delete?.(rest, "alice");
      await untilUnlinked(harness, phone);
    });
  }

  it("is completed after a kill in the middle of the call", async () => {
    await using harness = await openHarness(fastConnects);
    const { rest, server, whatsapp } = harness;
    const phone = await pair(harness, "alice");
    const [device] = phone.devices;
    assert.ok(device);
    whatsapp.connectionOf(device).mute();
    const deleted = rest.delete("/api/sessions/alice").catch(() => {});
    while ((await rest.get("/api/sessions/alice")).body.engineState !== "ENGINE_STATE_LOGGING_OUT") await delay(10);
    await server.kill("SIGKILL");
    await deleted;
    await server.restart();
    assert.equal((await rest.get("/api/sessions/alice")).status, 404);
    await untilUnlinked(harness, phone);
  });
});
