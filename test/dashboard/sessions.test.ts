import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { openDashboardHarness } from "./dashboard-page.ts";

const hostile = `<img src=x onerror="document.title='broken'">`;

describe("the sessions in the dashboard", () => {
  let harness: Awaited<ReturnType<typeof openDashboardHarness>>;
  before(async () => {
    harness = await openDashboardHarness();
    const { rest } = harness;
    const metadata = [{ team: "red", "user.id": "12" }, { team: "blue", "user.id": "123" }, { note: hostile }];
    for (const [index, name] of ["anna", "berta", "carla"].entries()) {
      await rest.post("/api/sessions", { name, start: false, config: { metadata: metadata[index] } });
    }
  });
  afterEach(() => harness.closeTabs());
  after(() => harness[Symbol.asyncDispose]());

  it("are listed after the page was opened at /", async () => {
    const dashboard = await harness.open();
    await dashboard.page.goto(harness.server.baseUrl);
    await dashboard.waitForSessions(["anna", "berta", "carla"]);
    assert.equal(new URL(dashboard.page.url()).pathname, "/dashboard");
    dashboard.assertFaultless();
  });

  it("are found by text and by pairs of metadata, as it is typed", async () => {
    const dashboard = await harness.open();
    await dashboard.waitForSessions(["anna", "berta", "carla"]);
    for (const [query, names] of [
      ["ERT", ["berta"]],
      ["blue", ["berta"]],
      ["user.id=12", ["anna"]],
      ["nothing", []],
    ] as const) {
      await dashboard.type("Search sessions", query);
      await dashboard.waitForSessions(names);
    }
    await dashboard.press("Show all sessions");
    await dashboard.waitForSessions(["anna", "berta", "carla"]);
  });

  it("are filtered alike for everyone who opens the link", async () => {
    const first = await harness.open();
    await first.waitForSessions(["anna", "berta", "carla"]);
    await first.type("Search sessions", "team=red");
    await first.waitForSessions(["anna"]);
    const second = await harness.open(new URL(first.page.url()).hash);
    await second.waitForSessions(["anna"]);
  });

  it("appear, change and go without a reload, in all tabs", async () => {
    const tabs = [await harness.open(), await harness.open()];
    for (const tab of tabs) await tab.waitForSessions(["anna", "berta", "carla"]);
    await harness.rest.post("/api/sessions", { name: "doris", start: false });
    for (const tab of tabs) await tab.waitForSessions(["anna", "berta", "carla", "doris"]);
    await harness.rest.post("/api/sessions/doris/start");
    for (const tab of tabs) await tab.waitForText('tr[data-session="doris"]', /Scan QR code/);
    await harness.rest.put("/api/sessions/doris", { config: { metadata: { team: "green" } } });
    for (const tab of tabs) await tab.waitForText('tr[data-session="doris"]', /team=green/);
    await harness.rest.delete("/api/sessions/doris");
    for (const tab of tabs) await tab.waitForSessions(["anna", "berta", "carla"]);
  });

  it("show names and metadata as text", async () => {
    const dashboard = await harness.open("#/sessions?session=carla");
    await dashboard.waitForText(".facts", /<img src=x onerror=/);
    await dashboard.waitForText('tr[data-session="carla"] .name', /carla/);
    assert.equal(await dashboard.page.$("main img"), null);
    assert.notEqual(await dashboard.page.title(), "broken");
    dashboard.assertFaultless();
  });

  it("are started, restarted and stopped by buttons", async () => {
    await harness.rest.post("/api/sessions", { name: "pressed", start: false });
    const dashboard = await harness.open("#/sessions?session=pressed");
    await dashboard.waitForText(".drawer-head", /Stopped/);
    await dashboard.press("Start");
    await dashboard.waitForText(".drawer-head", /Scan QR code/);
    await dashboard.press("Restart");
    await dashboard.waitForText(".drawer-head", /Scan QR code/);
    await dashboard.press("Stop");
    await dashboard.waitForText(".drawer-head", /Stopped/);
    await harness.rest.delete("/api/sessions/pressed");
  });

  it("are deleted only after their name was typed", async () => {
    await harness.rest.post("/api/sessions", { name: "deleted", start: false });
    const dashboard = await harness.open("#/sessions?session=deleted");
    await dashboard.press("Delete …");
    await dashboard.type("Type its name to confirm", "delete");
    assert.equal(
      await dashboard.page.$eval("dialog .danger", (button) => (button as HTMLButtonElement).disabled),
      true,
    );
    await dashboard.type("Type its name to confirm", "deleted");
    await dashboard.page.locator("dialog .danger:enabled").click();
    await dashboard.waitForSessions(["anna", "berta", "carla"]);
    await dashboard.waitUntilGone(".drawer");
    assert.equal((await harness.rest.get("/api/sessions/deleted")).status, 404);
  });

  it("are opened and left by the keyboard alone", async () => {
    const dashboard = await harness.open();
    await dashboard.waitForSessions(["anna", "berta", "carla"]);
    const { keyboard } = dashboard.page;
    await keyboard.press("/");
    await keyboard.type("a");
    await dashboard.page.focus(".scroller");
    await keyboard.press("ArrowDown");
    await keyboard.press("ArrowDown");
    await keyboard.press("Enter");
    await dashboard.waitForText(".drawer h2", /^berta$/);
    await keyboard.press("Escape");
    await dashboard.waitUntilGone(".drawer");
    await dashboard.page.waitForFunction(() => document.activeElement?.textContent === "berta");
  });
});

describe("a failed session in the dashboard", () => {
  it("says why it failed, and is mended by the offered button", async () => {
    await using harness = await openDashboardHarness();
    await harness.rest.post("/api/sessions", { name: "unlinked" });
    const phone = harness.whatsapp.phone("15550100009");
    await phone.scan(await harness.qrValue("unlinked"));
    await harness.rest.untilStatus("unlinked", "WORKING");
    const dashboard = await harness.open("#/sessions?session=unlinked");
    await dashboard.waitForText(".drawer-head", /Working/);
    await phone.unlink();
    await dashboard.waitForText(".drawer-head", /Failed/);
    await dashboard.waitForText(".remedy", /Logged out/);
    // Whose session it was is still to be seen.
    await dashboard.waitForText('tr[data-session="unlinked"]', /\+15550100009/);
    await dashboard.press("Pair again");
    await dashboard.waitForText(".serial", /^Code 1 of 6/);
  });

  it("says for how long WhatsApp restricts the account", async () => {
    await using harness = await openDashboardHarness();
    await harness.rest.post("/api/sessions", { name: "restricted" });
    const phone = harness.whatsapp.phone("15550100010");
    await phone.scan(await harness.qrValue("restricted"));
    await harness.rest.untilStatus("restricted", "WORKING");
    phone.ban(402, { code: "101", expire: "3600" });
    const dashboard = await harness.open("#/sessions?session=restricted");
    await dashboard.waitForText('tr[data-session="restricted"] .badge', /^Restricted for (1 h|59 min)$/);
    await dashboard.waitForText(".drawer-head .badge", /^Restricted for/);
    await dashboard.waitForText(".remedy", /does not connect before it/);
  });
});
