import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { WebPhone } from "../emulator/wwebjs/web-phone.ts";
import { openWebjsHouse } from "./webjs-house.ts";

type House = Awaited<ReturnType<typeof openWebjsHouse>>;

async function codeOf({ rest }: House, name: string): Promise<string> {
  await rest.post("/api/sessions", { name });
  return String((await rest.get(`/api/${name}/auth/qr?format=raw`)).body.value);
}

async function untilUnlinked({ whatsapp, rest }: House, phone: WebPhone): Promise<void> {
  await whatsapp.until(() => phone.devices.length === 0);
  while ((await rest.get("/api/server/status")).body.pendingUnlinks) await delay(50);
}

/** Nothing of the session's is left on the disk or among the processes. */
async function assertNothingLeft({ browsers }: House): Promise<void> {
  assert.deepEqual(await browsers.profiles(), []);
  assert.deepEqual(await browsers.processes(), []);
}

/** Nothing of WhatsApp can be reached. */
function cutOff({ whatsapp }: House): void {
  whatsapp.pageAnswer = 503;
  whatsapp.refusesSockets = true;
  whatsapp.dropLinks();
}

function reconnect({ whatsapp }: House): void {
  whatsapp.pageAnswer = "page";
  whatsapp.refusesSockets = false;
}

describe("leaving a session on WEBJS", () => {
  for (const afterMs of [0, 20, 50, 100, 150]) {
    it(`${afterMs} ms after the scan, leaves no device on the phone`, async () => {
      await using house = await openWebjsHouse();
      const { whatsapp, rest } = house;
      for (const call of ["delete", "logout"]) {
        const phone = whatsapp.phone();
        const scanned = phone.scan(await codeOf(house, call)).catch(() => {});
        await delay(afterMs);
        const path = `/api/sessions/${call}`;
        const { body } = await (call === "delete" ? rest.delete(path) : rest.post(`${path}/logout`));
        await scanned;
        if (body.remoteUnlinked === "PENDING") await untilUnlinked(house, phone);
        assert.equal(phone.devices.length, 0, call);
      }
    });
  }

  it("stopped with a login, leaves no device on the phone and no file here", async () => {
    await using house = await openWebjsHouse();
    await house.rest.post("/api/sessions", { name: "alice" });
    const phone = await house.pair("alice");
    await house.rest.post("/api/sessions/alice/stop");
    await house.rest.delete("/api/sessions/alice");
    await untilUnlinked(house, phone);
    await assertNothingLeft(house);
  });

  it("while WhatsApp is away is PENDING, frees the name at once, and is made good later", async () => {
    await using house = await openWebjsHouse();
    const { rest } = house;
    await rest.post("/api/sessions", { name: "alice" });
    const phone = await house.pair("alice");
    await rest.post("/api/sessions/alice/stop");
    cutOff(house);
    const { body } = await rest.delete("/api/sessions/alice");
    assert.deepEqual(body, { remoteUnlinked: "PENDING" });
    assert.equal(phone.devices.length, 1);
    reconnect(house);
    await rest.post("/api/sessions", { name: "alice" });
    const next = await house.pair("alice");
    await untilUnlinked(house, phone);
    assert.equal((await rest.get("/api/sessions/alice")).body.status, "WORKING");
    assert.equal(next.devices.length, 1);
    await rest.delete("/api/sessions/alice");
    await assertNothingLeft(house);
  });

  it("is made good by the next process after kill -9", async () => {
    await using house = await openWebjsHouse();
    const { rest, server } = house;
    await rest.post("/api/sessions", { name: "alice" });
    const phone = await house.pair("alice");
    cutOff(house);
    assert.equal((await rest.post("/api/sessions/alice/logout")).body.remoteUnlinked, "PENDING");
    await server.kill("SIGKILL");
    reconnect(house);
    await server.restart();
    await untilUnlinked(house, phone);
    await rest.untilStatus("alice", "SCAN_QR_CODE");
    await rest.delete("/api/sessions/alice");
    await assertNothingLeft(house);
  });
});
