import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { DashboardPage, openDashboardHarness } from "./dashboard-page.ts";

const key = "the-only-key-5f3a";

/** Logs in by the key. */
async function logIn(dashboard: DashboardPage, typed = key): Promise<void> {
  await dashboard.type("API key", typed);
  await dashboard.press("Log in");
}

/** Everything that the page can read of what the browser stores. */
const storedTexts = ({ page }: DashboardPage) =>
  page.evaluate(async () => {
    const databases = await indexedDB.databases();
    return JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, databases, location.href]);
  });

describe("the login of the dashboard", () => {
  let harness: Awaited<ReturnType<typeof openDashboardHarness>>;
  before(async () => {
    harness = await openDashboardHarness({ WAHA_API_KEY: key, SESSIOND_HOST: "127.0.0.1" });
    await harness.rest.post("/api/sessions", { name: "anna", start: false });
  });
  afterEach(async () => {
    await harness.browser.deleteMatchingCookies({ name: "sessiond", url: harness.server.baseUrl });
    await harness.closeTabs();
  });
  after(() => harness[Symbol.asyncDispose]());

  it("refuses a wrong key, and takes the right one, which the browser does not store", async () => {
    const dashboard = await harness.open();
    await logIn(dashboard, "wrong");
    await dashboard.waitForText(".login .fault", /^The API key is wrong\.$/);
    await logIn(dashboard);
    await dashboard.waitForSessions(["anna"]);
    assert.ok(!(await storedTexts(dashboard)).includes(key));
    assert.ok(!(await dashboard.page.content()).includes(key));
    dashboard.assertFaultless();
  });

  it("lasts over a reload", async () => {
    const dashboard = await harness.open();
    await logIn(dashboard);
    await dashboard.waitForSessions(["anna"]);
    await dashboard.page.reload();
    await dashboard.waitForSessions(["anna"]);
  });

  it("comes back after its end, and then shows what was shown before", async () => {
    const dashboard = await harness.open("#/sessions?q=an&session=anna&tab=pair");
    await logIn(dashboard);
    await dashboard.waitForText(".drawer-body", /session is stopped/);
    await harness.browser.deleteMatchingCookies({ name: "sessiond", url: harness.server.baseUrl });
    await dashboard.press("Start");
    await dashboard.waitForText(".login .fault", /The login has ended/);
    await logIn(dashboard);
    await dashboard.waitForText(".drawer-body", /session is stopped/);
    assert.match(dashboard.page.url(), /#\/sessions\?q=an&session=anna&tab=pair$/);
  });

  it("begins and ends in all tabs", async () => {
    const tabs = [await harness.open(), await harness.open(), await harness.open()];
    await logIn(tabs[0] as DashboardPage);
    for (const tab of tabs) await tab.waitForSessions(["anna"]);
    await tabs[1]?.press("Log out");
    for (const tab of tabs) await tab.page.waitForSelector(".login input[name=key]");
    // The server has ended it, too.
    await tabs[2]?.page.reload();
    await tabs[2]?.page.waitForSelector(".login input[name=key]");
  });

  it("ends its streams when another browser tab logs out at the server", async () => {
    const dashboard = await harness.open();
    await logIn(dashboard);
    await dashboard.waitForSessions(["anna"]);
    const other = await harness.open();
    await other.waitForSessions(["anna"]);
    await other.page.evaluate(() => fetch("dashboard/logout", { method: "POST" }));
    await dashboard.page.waitForSelector(".login input[name=key]");
  });
});

describe("too many logins with a wrong key", () => {
  it("say when the next one may be tried", async () => {
    await using harness = await openDashboardHarness({ WAHA_API_KEY: key });
    const dashboard = await harness.open();
    for (let count = 0; count < 5; count += 1) {
      await logIn(dashboard, `wrong-${count}`);
      await dashboard.waitForText(".login .fault", /wrong/);
    }
    await logIn(dashboard, "wrong-5");
    await dashboard.waitForText(".login .fault", /Too many attempts. Try again in [1-6]?\d s/);
    await dashboard.waitForText(".login button[disabled]", /Log in again in [1-6]?\d s/);
  });
});

describe("the login by a user name", () => {
  it("is an alternative to the key", async () => {
    await using harness = await openDashboardHarness({
      WAHA_API_KEY: key,
      WAHA_DASHBOARD_USERNAME: "admin",
      WAHA_DASHBOARD_PASSWORD: "s3cret",
    });
    await harness.rest.post("/api/sessions", { name: "anna", start: false });
    const dashboard = await harness.open();
    await dashboard.press("Use a user name and password");
    await dashboard.type("User name", "admin");
    await dashboard.type("Password", "wrong");
    await dashboard.press("Log in");
    await dashboard.waitForText(".login .fault", /User name or password are wrong/);
    await dashboard.type("User name", "admin");
    await dashboard.type("Password", "s3cret");
    await dashboard.press("Log in");
    await dashboard.waitForSessions(["anna"]);
  });
});

describe("a dashboard that is read only", () => {
  it("offers nothing that changes something", async () => {
    await using harness = await openDashboardHarness({ WAHA_API_KEY: key, SESSIOND_DASHBOARD: "readonly" });
    await harness.rest.post("/api/sessions", { name: "anna", config: { metadata: { team: "red" } } });
    await harness.rest.untilStatus("anna", "SCAN_QR_CODE");
    const dashboard = await harness.open("#/sessions?session=anna");
    await logIn(dashboard);
    await dashboard.waitForText("header", /Read only/);
    await dashboard.waitForText(".facts", /team=red/);
    const texts = () =>
      dashboard.page.$$eval("main button, main input[type=checkbox]", (all) => all.map((one) => one.textContent));
    for (const word of ["Start", "Stop", "Restart", "Log out", "Delete …", "New session"]) {
      assert.ok(!(await texts()).some((text) => text?.trim() === word), word);
    }
    assert.equal(await dashboard.page.$("tbody input[type=checkbox]"), null);
    await dashboard.page.locator('.tabs a[href*="tab=pair"]').click();
    await dashboard.waitForText(".drawer-body", /read only/);
    await dashboard.page.locator('.tabs a[href*="tab=config"]').click();
    await dashboard.page.waitForSelector("fieldset.config:disabled");
    assert.equal(await dashboard.page.$(".editor button[type=submit]"), null);
    dashboard.assertFaultless();
  });
});

describe("a dashboard that is off", () => {
  for (const env of [{ SESSIOND_DASHBOARD: "off" }, { WAHA_DASHBOARD_ENABLED: "false" }]) {
    it(`leaves / to the documentation, with ${JSON.stringify(env)}`, async () => {
      await using harness = await openDashboardHarness(env);
      const { baseUrl } = harness.server;
      for (const path of ["/dashboard", "/pair", "/dashboard/login"]) {
        assert.equal((await fetch(baseUrl + path)).status, 404, path);
      }
      assert.match(await (await fetch(baseUrl)).text(), /swagger/i);
    });
  }
});

describe("the dashboard over plain HTTP from another machine", () => {
  it("logs in, follows changes in all tabs, and copies a link", async () => {
    await using harness = await openDashboardHarness({ WAHA_API_KEY: key }, [
      "--host-resolver-rules=MAP wa.example 127.0.0.1",
    ]);
    const { port } = new URL(harness.server.baseUrl);
    const openTab = () => DashboardPage.open(harness.browser, () => `http://wa.example:${port}`);
    const first = await openTab();
    assert.equal(await first.page.evaluate(() => isSecureContext), false);
    await logIn(first);
    await first.waitForText(".empty", /no sessions yet/);
    const second = await openTab();
    await second.waitForText(".empty", /no sessions yet/);
    await harness.rest.post("/api/sessions", { name: "anna" });
    for (const tab of [first, second]) await tab.waitForText('tr[data-session="anna"]', /Scan QR code/);
    const streams = [first, second].flatMap((tab) => tab.requests).filter((path) => path.endsWith("/StatusStream"));
    assert.equal(streams.length, 1);
    await first.page.locator('tr[data-session="anna"] a.open').click();
    await first.page.locator('.tabs a[href*="tab=pair"]').click();
    await first.waitForText(".serial", /^Code 1 of 6/);
    await first.press("Make a pairing link");
    await first.press("Copy link");
    await first.waitForText("[role=status]", /Copy link: done/);
    await first.press("Log out");
    for (const tab of [first, second]) await tab.page.waitForSelector(".login input[name=key]");
    for (const tab of [first, second]) tab.assertFaultless();
  });
});
