import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { screens, violationsIn } from "./axe.ts";
import { DashboardPage, openDashboardHarness } from "./dashboard-page.ts";

async function mark(dashboard: DashboardPage): Promise<void> {
  await dashboard.press("Select one");
  await dashboard.press("Select two");
  await dashboard.waitForText(".toolbar .total", /^2 selected$/);
}

const states: Readonly<Record<string, { fragment?: string; reach: (dashboard: DashboardPage) => Promise<unknown> }>> = {
  "a selection": { reach: mark },
  "the question before a deletion": {
    async reach(dashboard) {
      await mark(dashboard);
      await dashboard.press("Delete 2 sessions");
      await dashboard.waitForText("dialog h2", /\?$/);
    },
  },
  "the results of an action": {
    async reach(dashboard) {
      await mark(dashboard);
      await dashboard.press("Stop 2 sessions");
      await dashboard.page.locator("dialog button.primary").click();
      await dashboard.waitForText(".run-progress", /2 of 2 done/);
    },
  },
  "a configuration with a fault": {
    fragment: "#/sessions?session=one&tab=config",
    async reach(dashboard) {
      await dashboard.type("URL", "nonsense");
      await dashboard.press("Save");
      await dashboard.page.waitForSelector("[aria-invalid=true]");
    },
  },
  "a configuration as JSON": {
    fragment: "#/sessions?session=one&tab=config",
    async reach(dashboard) {
      await dashboard.press("JSON");
      await dashboard.page.waitForSelector("textarea.json");
    },
  },
  "the form of a new session": {
    async reach(dashboard) {
      await dashboard.press("New session");
      await dashboard.page.locator("dialog summary").click();
      await dashboard.page.waitForSelector("dialog fieldset");
    },
  },
};

describe("axe-core, where sessions are changed", () => {
  let harness: Awaited<ReturnType<typeof openDashboardHarness>>;
  before(async () => {
    harness = await openDashboardHarness();
    const webhooks = [{ url: "https://example.com/hook", events: ["message"] }];
    for (const name of ["one", "two", "three"]) {
      await harness.rest.post("/api/sessions", { name, start: false, config: { webhooks } });
    }
  });
  afterEach(() => harness.closeTabs());
  after(() => harness[Symbol.asyncDispose]());

  for (const [state, { fragment = "", reach }] of Object.entries(states)) {
    for (const screen of screens) {
      it(`finds nothing wrong with ${state} (${screen.name})`, async () => {
        const dashboard = await harness.open(fragment, screen.apply);
        await reach(dashboard);
        assert.deepEqual(await violationsIn(dashboard), []);
        dashboard.assertFaultless();
      });
    }
  }
});

describe("axe-core, before the login", () => {
  it("finds nothing wrong with the form and its faults", async () => {
    await using harness = await openDashboardHarness({ WAHA_API_KEY: "k", WAHA_DASHBOARD_PASSWORD: "p" });
    for (const screen of screens) {
      const dashboard = await harness.open("", screen.apply);
      await dashboard.type("API key", "wrong");
      await dashboard.press("Log in");
      await dashboard.waitForText(".fault", /wrong/);
      assert.deepEqual(await violationsIn(dashboard), [], screen.name);
    }
  });
});

describe("axe-core, on the page of a pairing link", () => {
  it("finds nothing wrong with the code, nor with a link that is not valid", async () => {
    await using harness = await openDashboardHarness();
    await harness.rest.post("/api/sessions", { name: "one" });
    await harness.qrValue("one");
    const { url } = (await harness.rest.post("/api/one/auth/pairing-links", {})).body;
    const links = { valid: new URL(String(url), harness.server.baseUrl).hash, invalid: "#none" };
    for (const screen of screens) {
      for (const [link, fragment] of Object.entries(links)) {
        const serverUrl = () => harness.server.baseUrl;
        const page = await DashboardPage.open(harness.browser, serverUrl, fragment, screen.apply, "pair");
        await page.page.waitForSelector(link === "valid" ? ".qr img" : "[role=alert]");
        assert.deepEqual(await violationsIn(page), [], `${link}, ${screen.name}`);
      }
    }
  });
});
