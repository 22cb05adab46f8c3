import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DashboardPage, openDashboardHarness } from "./dashboard-page.ts";

const statusStream = "/sessiond.v1.SessionService/StatusStream";

/** Returns the tab once it has opened the stream. */
async function opensStream(tab: DashboardPage): Promise<DashboardPage> {
  if (!tab.requests.includes(statusStream)) {
    await tab.page.waitForRequest((request) => request.url().endsWith(statusStream));
  }
  return tab;
}

describe("the connection of the dashboard", () => {
  it("is said to be lost, and catches up by itself", async () => {
    await using harness = await openDashboardHarness();
    await harness.rest.post("/api/sessions", { name: "before", start: false });
    const dashboard = await harness.open();
    await dashboard.waitForSessions(["before"]);
    const { port } = new URL(harness.server.baseUrl);
    await harness.server.kill("SIGKILL");
    await dashboard.waitForText(".banner", /Connection lost/);
    await harness.server.restart({ PORT: port });
    await harness.rest.post("/api/sessions", { name: "after", start: false });
    await dashboard.waitForSessions(["after", "before"]);
    await dashboard.waitUntilGone(".banner");
  });

  it("is one stream for eight tabs, and a button still answers", async () => {
    await using harness = await openDashboardHarness();
    await harness.rest.post("/api/sessions", { name: "one", start: false });
    const tabs = [];
    for (let count = 0; count < 8; count += 1) tabs.push(await harness.open("#/sessions?session=one"));
    for (const tab of tabs) await tab.waitForSessions(["one"]);
    const streams = tabs.flatMap((tab) => tab.requests).filter((path) => path === statusStream);
    assert.equal(streams.length, 1);
    await tabs.at(-1)?.press("Start");
    for (const tab of tabs) await tab.waitForText(".drawer-head", /Scan QR code/);
  });

  it("passes to another tab when the one that holds it is closed", async () => {
    await using harness = await openDashboardHarness();
    const tabs = [await harness.open(), await harness.open()];
    for (const tab of tabs) await tab.waitForText(".empty", /no sessions yet/);
    const opened = tabs.map(opensStream);
    const holder = await Promise.race(opened);
    await holder.page.close();
    const [heir] = (await Promise.all(opened)).filter((tab) => tab !== holder);
    await harness.rest.post("/api/sessions", { name: "later", start: false });
    await heir?.waitForSessions(["later"]);
  });

  it("is closed in a background tab, which catches up when it comes back", async () => {
    await using harness = await openDashboardHarness();
    const dashboard = await harness.open();
    await dashboard.waitForText(".empty", /no sessions yet/);
    if (!dashboard.requests.includes(statusStream)) {
      await dashboard.page.waitForRequest((request) => request.url().endsWith(statusStream));
    }
    const closed = new Promise((resolve) => dashboard.page.once("requestfailed", resolve));
    await dashboard.setHidden(true);
    await closed;
    await harness.rest.post("/api/sessions", { name: "meanwhile", start: false });
    await dashboard.setHidden(false);
    await dashboard.waitForSessions(["meanwhile"]);
    // It resumes: nothing is listed again.
    assert.equal(dashboard.requests.filter((path) => path.endsWith("/ListSessions")).length, 1);
  });
});

describe("the codes of seven sessions in seven tabs", () => {
  const qrStream = "/sessiond.v1.AuthService/QrStream";

  it("leave connections for calls, and the next tab has its turn when one closes", async () => {
    await using harness = await openDashboardHarness();
    const names = Array.from({ length: 7 }, (_, index) => `pairing-${index}`);
    for (const name of names) await harness.rest.post("/api/sessions", { name });
    const tabs: DashboardPage[] = [];
    for (const name of names) tabs.push(await harness.open(`#/sessions?session=${name}&tab=pair`));
    const [first, last] = [tabs.at(0), tabs.at(-1)];
    await first?.waitForText(".serial", /^Code \d of 6/);
    await last?.waitForText(".qr", /Close one of them/);
    assert.equal(tabs.flatMap((tab) => tab.requests).filter((path) => path === qrStream).length, 3);
    await last?.page.goto(`${harness.server.baseUrl}/dashboard#/sessions?session=pairing-6&tab=status`);
    await last?.press("Stop");
    await last?.waitForText(".drawer-head", /Stopped/);
    await first?.page.close();
    const shown = () => Promise.all(tabs.slice(1, 6).map((tab) => tab.showsCode()));
    while ((await shown()).filter(Boolean).length < 3) {
      await last?.page.evaluate(() => new Promise(requestAnimationFrame));
    }
  });
});
