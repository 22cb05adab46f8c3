import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { screens, violationsIn } from "./axe.ts";
import { type DashboardPage, openDashboardHarness } from "./dashboard-page.ts";

interface View {
  readonly fragment: string;
  /** Element that is there once the view has loaded. */
  readonly selector: string;
  /** Opens what is closed at first. */
  readonly prepare?: (dashboard: DashboardPage) => Promise<unknown>;
}

const views: Readonly<Record<string, View>> = {
  "the overview": { fragment: "#/overview", selector: ".panel.attention" },
  endpoints: { fragment: "#/webhooks", selector: ".record" },
  "endpoints that are not there": { fragment: "#/webhooks?url=nowhere", selector: ".empty" },
  deliveries: {
    fragment: "#/webhooks?list=deliveries",
    selector: ".record",
    prepare: ({ page }) => page.locator(".record summary").click(),
  },
  "the dialog that resends": {
    fragment: "#/webhooks?list=deliveries",
    selector: ".record",
    prepare: async (dashboard) => {
      await dashboard.press("Resend all failed …");
      await dashboard.waitForText("dialog", /will be sent again/);
    },
  },
  events: {
    fragment: "#/events",
    selector: "button.event",
    prepare: async ({ page }) => {
      await page.locator("button.event").click();
      await page.waitForSelector(".event-details");
    },
  },
  "events that are not there": { fragment: "#/events?q=nowhere", selector: ".empty" },
  "the server": { fragment: "#/server", selector: ".panel" },
  "the webhooks of a session": { fragment: "#/sessions?session=mended&tab=webhooks", selector: ".record" },
  "the events of a session": { fragment: "#/sessions?session=mended&tab=events", selector: "button.event" },
  "the history of a session": { fragment: "#/sessions?session=pairing&tab=history", selector: ".history tbody tr" },
};

describe("axe-core, in the views of the server", () => {
  let harness: Awaited<ReturnType<typeof openDashboardHarness>>;
  before(async () => {
    harness = await openDashboardHarness();
    const { rest, hook } = harness;
    const webhook = { url: hook.url, events: ["message"], retries: { attempts: 0 } };
    await rest.post("/api/sessions", { name: "mended", start: false, config: { webhooks: [webhook] } });
    await rest.post("/api/sessions", { name: "pairing", config: { webhooks: [webhook] } });
    await harness.qrValue("pairing");
    hook.status = 500;
    await rest.post("/api/sessions/mended/webhooks/test", {});
    hook.status = 410;
    await rest.post("/api/sessions/pairing/webhooks/test", {});
  });
  afterEach(() => harness.closeTabs());
  after(() => harness[Symbol.asyncDispose]());

  for (const [view, { fragment, selector, prepare }] of Object.entries(views)) {
    for (const screen of screens) {
      it(`finds nothing wrong with ${view} (${screen.name})`, async () => {
        const dashboard = await harness.open(fragment, screen.apply);
        await dashboard.page.waitForSelector(selector);
        await prepare?.(dashboard);
        assert.deepEqual(await violationsIn(dashboard), []);
        dashboard.assertFaultless();
      });
    }
  }
});
