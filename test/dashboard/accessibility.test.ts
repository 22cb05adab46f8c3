import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { screens, violationsIn } from "./axe.ts";
import { openDashboardHarness } from "./dashboard-page.ts";

const views = {
  "the table of sessions": ["", ".scroller tr[data-session]"],
  "an empty result": ["#/sessions?q=nothing", ".empty"],
  "the status of a session": ["#/sessions?session=failing", ".facts"],
  "a pairing": ["#/sessions?session=pairing&tab=pair", ".qr img"],
  "a stopped session": ["#/sessions?session=stopped&tab=pair", ".drawer-body button"],
} as const;

describe("axe-core", () => {
  let harness: Awaited<ReturnType<typeof openDashboardHarness>>;
  before(async () => {
    harness = await openDashboardHarness();
    const { rest } = harness;
    await rest.post("/api/sessions", { name: "stopped", start: false, config: { metadata: { team: "red" } } });
    await rest.post("/api/sessions", { name: "failing", config: { proxy: { server: "127.0.0.1:1" } } });
    await rest.post("/api/sessions", { name: "pairing" });
    await harness.qrValue("pairing");
  });
  afterEach(() => harness.closeTabs());
  after(() => harness[Symbol.asyncDispose]());

  for (const [view, [fragment, selector]] of Object.entries(views)) {
    for (const screen of screens) {
      it(`finds nothing wrong with ${view} (${screen.name})`, async () => {
        const dashboard = await harness.open(fragment, screen.apply);
        await dashboard.page.waitForSelector(selector);
        assert.deepEqual(await violationsIn(dashboard), []);
        dashboard.assertFaultless();
      });
    }
  }
});
