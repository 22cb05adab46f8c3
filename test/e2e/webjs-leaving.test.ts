import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { WebPhone } from "../emulator/wwebjs/web-phone.ts";
import { openWebjsHarness } from "./webjs-harness.ts";

type Harness = Awaited<ReturnType<typeof openWebjsHarness>>;

async function codeOf({ rest }: Harness, name: string): Promise<string> {
  await rest.post("/api/sessions", { name });
  return rest.qrCode(name);
}

async function untilUnlinked({ whatsapp, rest }: Harness, phone: WebPhone): Promise<void> {
  await whatsapp.until(() => phone.devices.length === 0);
  while ((await rest.get("/api/server/status")).body.pendingUnlinks) await delay(50);
}

/** Asserts that no file and no process of the session is left. */
async function assertNothingLeft({ browsers }: Harness): Promise<void> {
  assert.deepEqual(await browsers.profiles(), []);
  assert.deepEqual(await browsers.processes(), []);
}

/** Makes WhatsApp unreachable. */
function cutOff({ whatsapp }: Harness): void {
  whatsapp.pageAnswer = 503;
  whatsapp.refusesSockets = true;
  whatsapp.dropLinks();
}

function reconnect({ whatsapp }: Harness): void {
  whatsapp.pageAnswer = "page";
  whatsapp.refusesSockets = false;
}

describe("leaving a session on WEBJS", () => {
  for (const afterMs of [0, 20, 50, 100, 150]) {
    it(`${afterMs} ms after the scan, leaves no device on the phone`, async () => {
      await using harness = await openWebjsHarness();
      const { whatsapp, rest } = harness;
      for (const call of ["delete", "logout"]) {
        const phone = whatsapp.phone();
        // "logout" itself is no name for a session.
        const name = `by-${call}`;
        const scanned = phone.scan(await codeOf(harness, name)).catch(() => {});
        await delay(afterMs);
        const path = `/api/sessions/${name}`;
        const { body } = await (call === "delete" ? rest.delete(path) : rest.post(`${path}/logout`));
        await scanned;
        if (body.remoteUnlinked === "PENDING") await untilUnlinked(harness, phone);
        assert.equal(phone.devices.length, 0, call);
      }
    });
  }

  it("stopped with a login, leaves no device on the phone and no file here", async () => {
    await using harness = await openWebjsHarness();
    await harness.rest.post("/api/sessions", { name: "alice" });
    const phone = await harness.pair("alice");
    await harness.rest.post("/api/sessions/alice/stop");
    await harness.rest.delete("/api/sessions/alice");
    await untilUnlinked(harness, phone);
    await assertNothingLeft(harness);
  });

  it("is PENDING while WhatsApp is away, frees the name at once, and is completed later", async () => {
    await using harness = await openWebjsHarness();
    const { rest } = harness;
    await rest.post("/api/sessions", { name: "alice" });
    const phone = await harness.pair("alice");
    await rest.post("/api/sessions/alice/stop");
    cutOff(harness);
    const { body } = await rest.delete("/api/sessions/alice");
    assert.deepEqual(body, { remoteUnlinked: "PENDING" });
    assert.equal(phone.devices.length, 1);
    reconnect(harness);
    await rest.post("/api/sessions", { name: "alice" });
    const next = await harness.pair("alice");
    await untilUnlinked(harness, phone);
    assert.equal((await rest.get("/api/sessions/alice")).body.status, "WORKING");
    assert.equal(next.devices.length, 1);
    await rest.delete("/api/sessions/alice");
    await assertNothingLeft(harness);
  });

  it("is completed by the next process after kill -9", async () => {
    await using harness = await openWebjsHarness();
    const { rest, server } = harness;
    await rest.post("/api/sessions", { name: "alice" });
    const phone = await harness.pair("alice");
    cutOff(harness);
    assert.equal((await rest.post("/api/sessions/alice/logout")).body.remoteUnlinked, "PENDING");
    await server.kill("SIGKILL");
    reconnect(harness);
    await server.restart();
    await untilUnlinked(harness, phone);
    await rest.untilStatus("alice", "SCAN_QR_CODE");
    await rest.delete("/api/sessions/alice");
    await assertNothingLeft(harness);
  });
});
