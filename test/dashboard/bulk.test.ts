import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { type DashboardPage, openDashboardHarness } from "./dashboard-page.ts";

const calls = (dashboard: DashboardPage, rpc: string) =>
  dashboard.requests.filter((path) => path.endsWith(`SessionService/${rpc}`)).length;

describe("actions on many sessions in the dashboard", () => {
  const names = ["bulk-1", "bulk-2", "bulk-3"];
  let harness: Awaited<ReturnType<typeof openDashboardHarness>>;
  before(async () => {
    harness = await openDashboardHarness();
    await harness.rest.post("/api/sessions", { name: "other", start: false });
  });
  beforeEach(async () => {
    for (const name of names) {
      await harness.rest.post("/api/sessions", { name, start: false, config: { metadata: { team: "red" } } });
    }
  });
  afterEach(async () => {
    await harness.closeTabs();
    for (const name of names) await harness.rest.delete(`/api/sessions/${name}`);
  });
  after(() => harness[Symbol.asyncDispose]());

  it("start what was selected one by one", async () => {
    const dashboard = await harness.open();
    await dashboard.waitForSessions([...names, "other"]);
    await dashboard.press("Select bulk-1");
    await dashboard.press("Select bulk-3");
    await dashboard.waitForText(".toolbar .total", /^2 selected$/);
    await dashboard.press("Start 2 sessions");
    await dashboard.waitForText("dialog .names", /^bulk-1, bulk-3$/);
    await dashboard.page.locator("dialog button.primary").click();
    await dashboard.waitForText(".run-progress", /^\s*2 of 2 done\s*$/);
    for (const name of ["bulk-1", "bulk-3"]) {
      await dashboard.waitForText(`dialog li[data-session="${name}"]`, /done/);
      await dashboard.waitForText(`tr[data-session="${name}"]`, /Scan QR code/);
    }
    assert.equal((await harness.rest.get("/api/sessions/bulk-2")).body.status, "STOPPED");
    await dashboard.press("Close");
    await dashboard.waitUntilGone("dialog");
    dashboard.assertFaultless();
  });

  it("restart all that pass the filter, and nothing else", async () => {
    for (const name of names) await harness.rest.post(`/api/sessions/${name}/start`);
    const dashboard = await harness.open("#/sessions?q=team%3Dred");
    await dashboard.waitForSessions(names);
    await dashboard.press("Select all 3 sessions");
    await dashboard.press("Restart 3 sessions");
    await dashboard.waitForText("dialog h2", /^Restart 3 sessions\?$/);
    await dashboard.page.locator("dialog button.primary").click();
    await dashboard.waitForText(".run-progress", /^\s*3 of 3 done\s*$/);
    assert.equal(calls(dashboard, "RestartSession"), 3);
  });

  it("leave out a selected session that the filter hides", async () => {
    const dashboard = await harness.open();
    await dashboard.waitForSessions([...names, "other"]);
    await dashboard.press("Select all 4 sessions");
    await dashboard.type("Search sessions", "team=red");
    await dashboard.waitForText(".toolbar .total", /^3 selected$/);
    await dashboard.press("Clear selection");
    await dashboard.waitForText(".toolbar .total", /^3 of 4 sessions$/);
  });

  it("do nothing before they are confirmed", async () => {
    const dashboard = await harness.open();
    await dashboard.waitForSessions([...names, "other"]);
    await dashboard.press("Select bulk-2");
    await dashboard.press("Log out 1 session");
    await dashboard.waitForText("dialog h2", /^Log out 1 session\?$/);
    await dashboard.page.keyboard.press("Escape");
    await dashboard.waitUntilGone("dialog");
    assert.equal(calls(dashboard, "LogoutSession"), 0);
  });

  it("delete only after the number was typed", async () => {
    const dashboard = await harness.open("#/sessions?q=team%3Dred");
    await dashboard.waitForSessions(names);
    await dashboard.press("Select all 3 sessions");
    await dashboard.press("Delete 3 sessions");
    await dashboard.type("Type 3 to confirm", "2");
    assert.notEqual(await dashboard.page.$("dialog button.danger:disabled"), null);
    await dashboard.type("Type 3 to confirm", "3");
    await dashboard.page.locator("dialog button.danger:enabled").click();
    await dashboard.waitForText(".run-progress", /^\s*3 of 3 done\s*$/);
    await dashboard.waitForText(".empty", /No session passes the filter/);
  });

  it("say which ones failed and why, and try these again", async () => {
    const dashboard = await harness.open("#/sessions?q=team%3Dred");
    await dashboard.waitForSessions(names);
    await dashboard.press("Select all 3 sessions");
    await dashboard.press("Start 3 sessions");
    await dashboard.waitForText("dialog h2", /^Start 3 sessions\?$/);
    await harness.rest.delete("/api/sessions/bulk-2");
    await dashboard.page.locator("dialog button.primary").click();
    await dashboard.waitForText(".run-progress", /2 of 3 done, 1 failed/);
    await dashboard.waitForText('dialog li[data-session="bulk-2"]', /not found/i);
    await harness.rest.post("/api/sessions", { name: "bulk-2", start: false });
    await dashboard.press("Retry 1 session");
    await dashboard.waitForText(".run-progress", /^\s*3 of 3 done\s*$/);
    assert.equal(calls(dashboard, "StartSession"), 4);
  });
});
