import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import type { Page } from "puppeteer";
import { drawQr } from "../../src/adapters/qrcode/draw.ts";
import { openDashboardHarness } from "./dashboard-page.ts";

/** Lets long timers of the page end soon. */
const hastenTimers = (page: Page) =>
  page.evaluateOnNewDocument(() => {
    const setReal = globalThis.setTimeout.bind(globalThis);
    const hastened = (work: () => void, ms = 0) => setReal(work, ms > 5_000 ? 500 : ms);
    Object.defineProperty(globalThis, "setTimeout", { value: hastened });
  });

describe("pairing in the dashboard", () => {
  let harness: Awaited<ReturnType<typeof openDashboardHarness>>;
  before(async () => {
    harness = await openDashboardHarness();
  });
  afterEach(() => harness.closeTabs());
  after(() => harness[Symbol.asyncDispose]());

  /** Creates a session, and opens the tab that pairs it. */
  async function openPairing(session: string, prepare?: (page: Page) => Promise<unknown>) {
    await harness.rest.post("/api/sessions", { name: session });
    const value = await harness.qrValue(session);
    const dashboard = await harness.open(`#/sessions?session=${session}&tab=pair`, prepare);
    return { dashboard, value };
  }

  it("shows the code that is valid now, its number and its time, and then the account", async () => {
    const { dashboard, value } = await openPairing("by-qr");
    await dashboard.waitForText(".serial", /^Code 1 of 6, valid for [1-6]?\d s$/);
    assert.ok(await dashboard.shows(await drawQr(value)));
    await harness.whatsapp.phone("15550100001", { biz: "Anna" }).scan(value);
    await dashboard.waitForText(".drawer-body", /Paired with \+15550100001 · Anna/);
    await dashboard.waitUntilGone(".qr img");
    await dashboard.waitForText('tr[data-session="by-qr"]', /Working.*\+15550100001.*Anna/s);
    dashboard.assertFaultless();
  });

  it("shows a push name as text, whatever is in it", async () => {
    const { dashboard, value } = await openPairing("hostile");
    await dashboard.waitForText(".serial", /^Code 1/);
    const pushName = `<img src=x onerror="document.title='broken'">\u202Eevil`;
    await harness.whatsapp.phone("15550100007", { biz: pushName }).scan(value);
    await dashboard.waitForText(".drawer-body", /Paired with \+15550100007 · <img src=x onerror=/);
    await dashboard.waitForText('tr[data-session="hostile"] .push-name', /<img src=x onerror=/);
    assert.equal(await dashboard.page.$("main img"), null);
    assert.notEqual(await dashboard.page.title(), "broken");
    dashboard.assertFaultless();
  });

  it("pairs by a code that is typed into the phone", async () => {
    const { dashboard } = await openPairing("by-code");
    await dashboard.waitForText(".serial", /^Code 1/);
    await dashboard.type("Or by phone number", "+1 555 010-0002");
    await dashboard.press("Get a code");
    const code = await dashboard.waitForText(".typed-code", /^\w{4}-\w{4}$/);
    await harness.whatsapp.phone("15550100002").enterCode(code);
    await dashboard.waitForText(".drawer-body", /Paired with \+15550100002/);
    await dashboard.waitUntilGone(".typed-code");
  });

  it("says in place what is wrong with a phone number", async () => {
    const { dashboard } = await openPairing("by-bad-number");
    await dashboard.waitForText(".serial", /^Code 1/);
    await dashboard.type("Or by phone number", "12");
    await dashboard.press("Get a code");
    await dashboard.waitForText(".pairing-code .fault", /phone/i);
  });

  it("replaces the code of an earlier round", async () => {
    const { dashboard, value } = await openPairing("restarted");
    await dashboard.waitForText(".serial", /^Code 1/);
    await harness.rest.post("/api/sessions/restarted/restart");
    await dashboard.page.waitForFunction(
      (before: string) => {
        const image = document.querySelector<HTMLImageElement>(".qr img");
        return image !== null && image.src !== before;
      },
      {},
      await dashboard.page.$eval(".qr img", (image) => (image as HTMLImageElement).src).catch(() => ""),
    );
    const second = await harness.qrValue("restarted");
    assert.notEqual(second, value);
    assert.ok(await dashboard.shows(await drawQr(second)));
  });

  it("removes a code that has expired", async () => {
    const { dashboard } = await openPairing("expired", hastenTimers);
    await dashboard.waitForText(".qr", /This code has expired/);
    assert.ok(!(await dashboard.showsCode()));
  });

  it("shows no code in a background tab, and the valid one when it comes back", async () => {
    const { dashboard, value } = await openPairing("hidden");
    await dashboard.waitForText(".serial", /^Code 1/);
    await dashboard.setHidden(true);
    await dashboard.waitForText(".qr", /Hidden/);
    assert.ok(!(await dashboard.showsCode()));
    await dashboard.setHidden(false);
    await dashboard.waitForText(".serial", /^Code 1/);
    assert.ok(await dashboard.shows(await drawQr(value)));
  });

  it("starts a stopped session, and shows its code", async () => {
    await harness.rest.post("/api/sessions", { name: "stopped", start: false });
    const dashboard = await harness.open("#/sessions?session=stopped&tab=pair");
    await dashboard.press("Start");
    await dashboard.waitForText(".serial", /^Code 1 of 6/);
  });

  it("says that a session was stopped meanwhile, and removes the code", async () => {
    const { dashboard } = await openPairing("stopping");
    await dashboard.waitForText(".serial", /^Code 1/);
    await harness.rest.post("/api/sessions/stopping/stop");
    await dashboard.waitForText(".drawer-body", /session is stopped/);
    assert.ok(!(await dashboard.showsCode()));
  });
});
