import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DashboardPage, openDashboardHarness } from "./dashboard-page.ts";

/** Waits until the tile of a status has this number. */
const waitForCount = (dashboard: DashboardPage, label: string, count: number) =>
  dashboard.waitForText(".tiles li", new RegExp(`^${count}\\D*${label}$`));

describe("the overview in the dashboard", () => {
  it("counts sessions by status, follows them, and leads to them", async () => {
    await using harness = await openDashboardHarness();
    const dashboard = await harness.open("#/overview");
    await waitForCount(dashboard, "All sessions", 0);
    await dashboard.waitForText('[role="status"]', /Nothing: all is well/);
    for (const name of ["anna", "berta"]) await harness.rest.post("/api/sessions", { name, start: false });
    await waitForCount(dashboard, "Stopped", 2);
    await harness.rest.post("/api/sessions/anna/start");
    await waitForCount(dashboard, "Stopped", 1);
    await waitForCount(dashboard, "Scan QR code", 1);
    await waitForCount(dashboard, "All sessions", 2);
    await dashboard.page.click('.tiles a[href$="status=SCAN_QR_CODE"]');
    await dashboard.waitForSessions(["anna"]);
    dashboard.assertFaultless();
  });

  it("names what needs attention, and why, and leads there", async () => {
    await using harness = await openDashboardHarness();
    const { hook, rest, whatsapp } = harness;
    const webhooks = [{ url: hook.url, events: ["message"], retries: { attempts: 0 } }];
    await rest.post("/api/sessions", { name: "gone", start: false, config: { webhooks } });
    await rest.post("/api/sessions", { name: "unlinked" });
    const phone = whatsapp.phone("15550100031");
    await phone.scan(await harness.qrValue("unlinked"));
    await rest.untilStatus("unlinked", "WORKING");
    const dashboard = await harness.open("#/overview");
    await waitForCount(dashboard, "Working", 1);
    await phone.unlink();
    await waitForCount(dashboard, "Failed", 1);
    await dashboard.waitForText(".panel", /Reasons.*Logged out\s*1/s);
    hook.status = 410;
    await rest.post("/api/sessions/gone/webhooks/test", {});
    await dashboard.waitForText(".attention", /Webhooks do not arrive 1.*1 endpoint disabled/s);
    await dashboard.press("1 endpoint");
    await dashboard.waitForText(".record", /Disabled.*gone/s);
    await dashboard.press("Overview");
    await dashboard.page.locator('a[href="#/sessions?reason=LOGGED_OUT"]').click();
    await dashboard.waitForSessions(["unlinked"]);
    dashboard.assertFaultless();
  });

  it("names sessions that reconnect again and again, and accounts that are banned", async () => {
    await using harness = await openDashboardHarness();
    const { rest, whatsapp } = harness;
    const phones = { stormy: whatsapp.phone("15550100032"), banned: whatsapp.phone("15550100033") };
    for (const [name, phone] of Object.entries(phones)) {
      await rest.post("/api/sessions", { name });
      await phone.scan(await harness.qrValue(name));
      await rest.untilStatus(name, "WORKING");
    }
    const dashboard = await harness.open("#/overview");
    await waitForCount(dashboard, "Working", 2);
    phones.banned.ban(403);
    await dashboard.waitForText(".attention", /Restricted by WhatsApp 1.*banned.*Banned/s);
    for (let drops = 0; drops < 6; drops += 1) {
      const [device] = phones.stormy.devices;
      assert.ok(device);
      await whatsapp.waitForLogin(device);
      await rest.untilStatus("stormy", "WORKING");
      whatsapp.connectionOf(device).drop();
      await rest.untilStatus("stormy", "STARTING");
    }
    await dashboard.waitForText(".attention", /Reconnect again and again 1.*stormy.*6 times/s);
    await dashboard.press("stormy");
    await dashboard.waitForText(".drawer h2", /^stormy$/);
    await dashboard.waitForText(".history", /Working.*Starting.*Working/s);
  });

  it("keeps what it knows while the server is away, and says that it may be old", async () => {
    await using harness = await openDashboardHarness();
    await harness.rest.post("/api/sessions", { name: "one", start: false });
    const dashboard = await harness.open("#/overview");
    await waitForCount(dashboard, "Stopped", 1);
    // The tiles follow the stream. The rest is loaded, and only what was loaded can be old.
    await dashboard.waitForText('[role="status"]', /Nothing: all is well/);
    const { port } = new URL(harness.server.baseUrl);
    await harness.server.kill("SIGKILL");
    await dashboard.waitForText(".stale", /cannot be reached\..*may be old/s);
    await waitForCount(dashboard, "Stopped", 1);
    await harness.server.restart({ PORT: port });
    await dashboard.waitUntilGone(".stale");
  });
});

describe("the server in the dashboard", () => {
  it("tells its version, engines, memory and store, and backs up when asked", async () => {
    await using harness = await openDashboardHarness({ WAHA_WORKER_ID: "worker-7" });
    await harness.rest.post("/api/sessions", { name: "one", start: false });
    const dashboard = await harness.open("#/server");
    const { version } = (await harness.rest.get("/api/server/version")).body;
    await dashboard.waitForText(".panel", new RegExp(`Version${version}.*worker-7.*Uptime\\d+ s.*MB`, "s"));
    await dashboard.waitForText(".panel", /NOWEB \(default\)\s*1/s);
    await dashboard.waitForText(".panel", /Takes writes.*None/s);
    await dashboard.press("Back up now");
    const text = await dashboard.waitForText('.path[role="status"]', /entries, .*B, in .*backups/);
    const [, directory = ""] = / in (.*)$/.exec(text) ?? [];
    await dashboard.waitForText(".panel", new RegExp(`Latest backup.*${directory.split("/").at(-1)}`, "s"));
    assert.ok(directory !== "");
    dashboard.assertFaultless();
  });
});
