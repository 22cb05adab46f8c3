import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { openDashboardHarness } from "./dashboard-page.ts";

describe("webhooks in the dashboard", () => {
  let harness: Awaited<ReturnType<typeof openDashboardHarness>>;
  before(async () => {
    harness = await openDashboardHarness();
  });
  beforeEach(() => {
    harness.hook.status = 200;
  });
  afterEach(() => harness.closeTabs());
  after(() => harness[Symbol.asyncDispose]());

  /** Creates a session with an endpoint of its own, whose deliveries are attempted once. */
  async function createSession(name: string): Promise<void> {
    const webhook = { url: `${harness.hook.url}/${name}`, events: ["message"], retries: { attempts: 0 } };
    await harness.rest.post("/api/sessions", { name, start: false, config: { webhooks: [webhook] } });
  }

  /** Sends test events that the receiver answers with this status, and waits for the answers. */
  async function sendTests(session: string, status: number, count = 1): Promise<void> {
    harness.hook.status = status;
    for (let sent = 0; sent < count; sent += 1) {
      const { body } = await harness.rest.post(`/api/sessions/${session}/webhooks/test`, {});
      const path = `/api/sessions/${session}/webhooks/deliveries/${body.deliveries?.[0]?.id}`;
      while (["PENDING", "RETRYING"].includes(String((await harness.rest.get(path)).body.state)));
    }
    harness.hook.status = 200;
  }

  it("that failed are found, tell their attempts, and are resent one by one", async () => {
    await createSession("anna");
    await sendTests("anna", 503);
    const dashboard = await harness.open("#/webhooks?list=deliveries&session=anna&state=FAILED");
    await dashboard.waitForText(".record", /Failed.*webhook\.test.*answered 503 in \d+ ms/s);
    await dashboard.page.click(".record summary");
    await dashboard.waitForText(".record table", /Attempts.*answered 503/s);
    await dashboard.press("Resend");
    await harness.hook.until((taken) => taken.find(({ body }) => body.session === "anna"));
    await dashboard.waitForText(".empty", /No delivery passes the filter/);
    await dashboard.page.select('select[name="state"]', "");
    await dashboard.waitForText(".record", /Delivered.*webhook\.test.*answered 200/s);
    dashboard.assertFaultless();
  });

  it("that failed are counted before all of them are resent", async () => {
    await createSession("berta");
    await createSession("carla");
    await sendTests("berta", 500, 3);
    await sendTests("carla", 500);
    const dashboard = await harness.open("#/webhooks?list=deliveries&session=berta");
    await dashboard.waitForText(".record", /Failed/);
    await dashboard.press("Resend all failed …");
    await dashboard.waitForText("dialog", /Of the session berta\..*3 deliveries will be sent again/s);
    await dashboard.page.locator("dialog button.primary:enabled").click();
    await dashboard.waitForText(".outcome", /3 deliveries are sent again/);
    await harness.hook.until((taken) => taken.filter(({ body }) => body.session === "berta").length === 3);
    await dashboard.page.waitForFunction(
      () => document.querySelectorAll('.record [data-status="WORKING"]').length === 3,
    );
    const { body } = await harness.rest.get("/api/sessions/carla/webhooks/deliveries?state=FAILED");
    assert.equal((body.deliveries as unknown as unknown[]).length, 1);
  });

  it("that failed stay as they are when the dialog is cancelled", async () => {
    await createSession("cancelled");
    await sendTests("cancelled", 500);
    const dashboard = await harness.open("#/webhooks?list=deliveries&session=cancelled");
    await dashboard.press("Resend all failed …");
    await dashboard.waitForText("dialog", /1 delivery will be sent again/);
    await dashboard.press("Cancel");
    await dashboard.waitUntilGone("dialog");
    await dashboard.waitForText(".record", /Failed/);
  });

  it("are enabled again at an endpoint that was disabled", async () => {
    await createSession("doris");
    await sendTests("doris", 410);
    const dashboard = await harness.open("#/webhooks?state=DISABLED");
    await dashboard.waitForText(".record", /Disabled .*doris.*Disabled \d+ s ago: answered 410.*Next probe in/s);
    await dashboard.press("Enable");
    await dashboard.waitForText(".empty", /No endpoint passes the filter/);
    const { body } = await harness.rest.get("/api/sessions/doris/webhooks/endpoints");
    assert.equal(body[0]?.disabled, false);
  });

  it("are not counted as resendable while their endpoint is disabled", async () => {
    await createSession("gone");
    await sendTests("gone", 410);
    const dashboard = await harness.open("#/webhooks?list=deliveries&session=gone");
    await dashboard.press("Resend all failed …");
    await dashboard.waitForText("dialog", /0 deliveries will be sent again\. 1 cannot/);
    assert.equal(await dashboard.page.$("dialog button.primary:enabled"), null);
  });

  it("are tried by a test event, whose answer is shown", async () => {
    await createSession("emil");
    const dashboard = await harness.open("#/webhooks?session=emil");
    await dashboard.press("Send test event");
    await dashboard.waitForText(".outcome", /^Test event: answered 200 in \d+ ms$/);
    harness.hook.status = 418;
    await dashboard.press("Send test event");
    await dashboard.waitForText(".outcome", /^Test event: answered 418/);
    await dashboard.waitForText(".record", /Failing .*Failing since .*1 failed attempts in a row/s);
  });

  it("are found by a part of the URL, and by session", async () => {
    await createSession("frieda");
    await createSession("gustav");
    const dashboard = await harness.open("#/webhooks");
    await dashboard.type("Part of the URL", "/FRIEDA");
    await dashboard.waitForText(".total", /^1 endpoint$/);
    await dashboard.waitForText(".record", /frieda/);
    const another = await harness.open("#/webhooks");
    await another.type("Name of the session", "gustav");
    await another.waitForText(".total", /^1 endpoint$/);
    await another.waitForText(".record", /gustav/);
    await another.type("Name of the session", "nobody");
    await another.waitForText('[role="alert"]', /Session not found/);
    await another.waitUntilGone(".record");
  });

  it("of one session are in its drawer", async () => {
    await createSession("hanna");
    await sendTests("hanna", 500);
    const dashboard = await harness.open("#/sessions?session=hanna&tab=webhooks");
    await dashboard.waitForText('[aria-label="Endpoints"]', /Failing.*\/hanna/s);
    await dashboard.press("Send test event");
    await dashboard.waitForText('[aria-label="Deliveries"]', /Delivered.*Failed/s);
    await dashboard.press("Resend");
    await harness.hook.until((taken) => taken.filter(({ body }) => body.session === "hanna").length >= 2);
    dashboard.assertFaultless();
  });

  it("are shown page by page", async () => {
    await createSession("ida");
    await sendTests("ida", 200, 51);
    const dashboard = await harness.open("#/webhooks?list=deliveries&session=ida");
    const shows = (count: number) =>
      dashboard.page.waitForFunction((n: number) => document.querySelectorAll(".record").length === n, {}, count);
    await shows(50);
    await dashboard.press("Show more deliveries");
    await shows(51);
    await dashboard.waitUntilGone("button.more");
  });
});
