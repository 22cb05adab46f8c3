import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openDashboardHarness } from "./dashboard-page.ts";

describe("a dashboard that may only read", () => {
  it("shows webhooks, events and the server, and offers nothing that changes them", async () => {
    await using harness = await openDashboardHarness({ SESSIOND_DASHBOARD: "readonly" });
    const webhooks = [{ url: harness.hook.url, events: ["message"], retries: { attempts: 0 } }];
    await harness.rest.post("/api/sessions", { name: "seen", start: false, config: { webhooks } });
    harness.hook.status = 410;
    await harness.rest.post("/api/sessions/seen/webhooks/test", {});
    for (const [fragment, selector, text] of [
      ["#/webhooks", ".record", /Disabled.*seen/s],
      ["#/webhooks?list=deliveries", ".record", /Failed.*webhook\.test/s],
      ["#/sessions?session=seen&tab=webhooks", '[aria-label="Deliveries"]', /Failed.*webhook\.test/s],
      ["#/server", ".panel", /Takes writes/],
    ] as const) {
      const dashboard = await harness.open(fragment);
      await dashboard.waitForText(selector, text);
      const buttons = await dashboard.page.$$eval("main button", (all) => all.map(({ textContent }) => textContent));
      const changes = buttons.filter((label) => /Enable|Resend|Send|Back up/.test(label ?? ""));
      assert.deepEqual(changes, [], fragment);
      dashboard.assertFaultless();
      await dashboard.page.close();
    }
  });
});
