import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { openDashboardHarness } from "./dashboard-page.ts";

describe("the configuration of a session in the dashboard", () => {
  let harness: Awaited<ReturnType<typeof openDashboardHarness>>;
  before(async () => {
    harness = await openDashboardHarness();
  });
  afterEach(() => harness.closeTabs());
  after(() => harness[Symbol.asyncDispose]());

  const hook = { url: "https://example.com/hook", events: ["message"], hmac: { key: "secret-1" } };

  async function openConfig(name: string, config: object) {
    await harness.rest.post("/api/sessions", { name, start: false, config });
    const dashboard = await harness.open(`#/sessions?session=${name}&tab=config`);
    await dashboard.page.waitForSelector("form.editor");
    return dashboard;
  }
  async function configOf(name: string) {
    const { config } = (await harness.rest.get(`/api/sessions/${name}`)).body;
    return { metadata: config?.metadata, debug: config?.debug, webhook: config?.webhooks?.[0] };
  }

  it("is changed by a form, and keeps what the form does not touch", async () => {
    const dashboard = await openConfig("by-form", { metadata: { team: "red" }, webhooks: [hook] });
    await dashboard.type("Metadata", "team=blue\nnote=a=b");
    await dashboard.press("Save");
    await dashboard.waitForText('tr[data-session="by-form"]', /team=blue/);
    const config = await configOf("by-form");
    assert.deepEqual(config.metadata, { team: "blue", note: "a=b" });
    assert.equal(config.webhook?.url, hook.url);
    dashboard.assertFaultless();
  });

  it("is changed as JSON", async () => {
    const dashboard = await openConfig("by-json", { metadata: { team: "red" } });
    await dashboard.press("JSON");
    await dashboard.type("Configuration as JSON", "{");
    await dashboard.waitForText("#json-fault", /JSON/);
    await dashboard.type("Configuration as JSON", '{"metadata": {"team": "green"}, "debug": true}');
    await dashboard.press("Save");
    await dashboard.waitForText('tr[data-session="by-json"]', /team=green/);
    assert.equal((await configOf("by-json")).debug, true);
  });

  it("shows beside a field what the server refuses about it", async () => {
    const dashboard = await openConfig("refused", { webhooks: [hook] });
    await dashboard.type("URL", "nonsense");
    await dashboard.type("Server", "http://proxy");
    await dashboard.press("Save");
    await dashboard.waitForText(".field:has([inputmode=url]) .fault", /must be/);
    await dashboard.page.waitForSelector("input[inputmode=url][aria-invalid=true]");
    assert.equal((await configOf("refused")).webhook?.url, hook.url);
  });

  it("keeps a secret that is shown as ***", async () => {
    const dashboard = await openConfig("secret", { webhooks: [hook] });
    await dashboard.type("Metadata", "a=1");
    await dashboard.press("Save");
    await dashboard.waitForText('tr[data-session="secret"]', /a=1/);
    assert.equal((await configOf("secret")).webhook?.hmac?.key, "***");
    assert.doesNotMatch(await dashboard.page.content(), /secret-1/);
  });

  it("shows what was changed elsewhere meanwhile, and lets the person choose", async () => {
    const dashboard = await openConfig("conflict", { metadata: { team: "red" } });
    await dashboard.type("Metadata", "team=mine");
    await harness.rest.put("/api/sessions/conflict", { config: { metadata: { team: "theirs" } } });
    await dashboard.press("Save");
    await dashboard.waitForText(".changes", /metadata\.team: red → theirs/);
    assert.equal((await configOf("conflict")).metadata?.team, "theirs");
    await dashboard.press("Save mine over it");
    await dashboard.waitForText('tr[data-session="conflict"]', /team=mine/);
  });

  it("keeps a draft while another session is looked at", async () => {
    const dashboard = await openConfig("draft", { metadata: { team: "red" } });
    await dashboard.type("Metadata", "team=draft");
    await dashboard.page.locator('.tabs a[href*="tab=status"]').click();
    await dashboard.page.waitForSelector(".facts");
    await dashboard.page.locator('.tabs a[href*="tab=config"]').click();
    await dashboard.page.waitForSelector("form.editor");
    const label = '::-p-aria([name="Metadata"])';
    assert.equal(await dashboard.page.$eval(label, (field) => (field as HTMLTextAreaElement).value), "team=draft");
    await dashboard.press("Discard changes");
    await dashboard.page.waitForFunction(
      () => document.querySelector<HTMLTextAreaElement>("form.editor textarea")?.value === "team=red",
    );
  });
});

describe("a new session in the dashboard", () => {
  it("is created with its configuration, and paired at once", async () => {
    await using harness = await openDashboardHarness();
    const dashboard = await harness.open();
    await dashboard.press("New session");
    await dashboard.type("Name", "not allowed");
    await dashboard.press("Create");
    await dashboard.waitForText("#name-fault", /\w/);
    await dashboard.type("Name", "created");
    await dashboard.page.click("dialog summary");
    await dashboard.type("Metadata", "team=new");
    await dashboard.press("Create");
    await dashboard.waitForText(".serial", /^Code 1 of 6/);
    await dashboard.waitForText('tr[data-session="created"]', /team=new/);
    dashboard.assertFaultless();
  });
});
