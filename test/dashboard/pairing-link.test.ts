import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { BrowserContext } from "puppeteer";
import { drawQr } from "../../src/adapters/qrcode/draw.ts";
import { DashboardPage, openDashboardHarness } from "./dashboard-page.ts";

const key = "the-only-key-77b1";

describe("a pairing link", () => {
  let harness: Awaited<ReturnType<typeof openDashboardHarness>>;
  let dashboard: DashboardPage;
  /** Browser of the phone's owner, who has no login. */
  let visitor: BrowserContext;
  before(async () => {
    harness = await openDashboardHarness({ WAHA_API_KEY: key });
    visitor = await harness.browser.createBrowserContext();
    dashboard = await harness.open();
    await dashboard.type("API key", key);
    await dashboard.press("Log in");
    await dashboard.waitForText(".empty", /no sessions yet/);
  });
  after(() => harness[Symbol.asyncDispose]());

  /** Creates a session, makes a link in its drawer, and returns the fragment of the link. */
  async function makeLink(session: string): Promise<string> {
    await harness.rest.post("/api/sessions", { name: session });
    await harness.qrValue(session);
    await dashboard.page.goto(`${harness.server.baseUrl}/dashboard#/sessions?session=${session}&tab=pair`);
    await dashboard.waitForText(".drawer h2", new RegExp(`^${session}$`));
    await dashboard.press("Make a pairing link");
    const field = await dashboard.page.waitForSelector(".links input");
    const url = new URL(String(await field?.evaluate((input) => input.value)));
    assert.equal(url.origin + url.pathname, `${harness.server.baseUrl}/pair`);
    return url.hash;
  }

  const openLink = (fragment: string) =>
    DashboardPage.open(visitor, () => harness.server.baseUrl, fragment, undefined, "pair");

  it("shows the code of one session to someone without a login, and works once", async () => {
    const fragment = await makeLink("by-link");
    const page = await openLink(fragment);
    await page.waitForText(".serial", /^Code 1 of 6/);
    const value = await harness.qrValue("by-link");
    assert.ok(await page.shows(await drawQr(value)));
    await harness.whatsapp.phone("15550100041").scan(value);
    await page.waitForText(".pairing", /Paired with \+15550100041/);
    await page.waitUntilGone(".qr img");
    assert.deepEqual(await visitor.cookies(), []);
    page.assertFaultless();
    await page.page.reload();
    await page.waitForText("[role=alert]", /no longer valid/);
  });

  it("pairs by a code that is typed into the phone", async () => {
    const page = await openLink(await makeLink("link-by-code"));
    await page.waitForText(".serial", /^Code 1/);
    await page.type("Or by phone number", "+1 555 010-0042");
    await page.press("Get a code");
    const code = await page.waitForText(".typed-code", /^\w{4}-\w{4}$/);
    await harness.whatsapp.phone("15550100042").enterCode(code);
    await page.waitForText(".pairing", /Paired with \+15550100042/);
  });

  it("shows nothing after it was revoked", async () => {
    const page = await openLink(await makeLink("revoked"));
    await page.waitForText(".serial", /^Code 1/);
    await dashboard.press("Revoke link");
    await page.waitForText(".qr", /no longer valid/);
    assert.ok(!(await page.showsCode()));
    await page.page.reload();
    await page.waitForText("[role=alert]", /no longer valid/);
  });

  it("shows nothing after it has expired", async () => {
    await harness.rest.post("/api/sessions", { name: "expiring" });
    await harness.qrValue("expiring");
    const { url } = (await harness.rest.post("/api/expiring/auth/pairing-links", { ttl: "3s" })).body;
    const page = await openLink(new URL(String(url), harness.server.baseUrl).hash);
    await page.waitForText(".qr, [role=alert]", /no longer valid/);
    assert.ok(!(await page.showsCode()));
  });

  it("opens nothing else than its session", async () => {
    const page = await openLink(await makeLink("only-this"));
    await page.waitForText(".serial", /^Code 1/);
    await page.page.goto(`${harness.server.baseUrl}/dashboard`);
    await page.page.waitForSelector(".login input[name=key]");
  });

  for (const fragment of ["", "#", "#nonsense", "#%3Cimg%20src%3Dx%3E"]) {
    it(`says that it is not valid if it is ${JSON.stringify(fragment)}`, async () => {
      const page = await openLink(fragment);
      await page.waitForText("[role=alert]", /no longer valid/);
      page.assertFaultless();
    });
  }
});
