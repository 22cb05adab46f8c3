import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { type DashboardPage, openDashboardHarness } from "./dashboard-page.ts";

const eventStream = "/sessiond.v1.EventService/StreamEvents";
const hostile = `<img src=x onerror="document.title='broken'">`;

describe("the events in the dashboard", () => {
  let harness: Awaited<ReturnType<typeof openDashboardHarness>>;
  before(async () => {
    harness = await openDashboardHarness();
  });
  afterEach(() => harness.closeTabs());
  after(() => harness[Symbol.asyncDispose]());

  /** Creates a session: an event "session.updated". */
  const create = (name: string) => harness.rest.post("/api/sessions", { name, start: false });
  /** Causes another one. */
  const update = (name: string, note: string) =>
    harness.rest.put(`/api/sessions/${name}`, { config: { metadata: { note } } });

  /** Waits until there are this many lines. */
  const waitForLines = ({ page }: DashboardPage, count: number) =>
    page.waitForFunction((n: number) => document.querySelectorAll("button.event").length === n, {}, count);

  /** Resolves when the page closes its stream of events. */
  const streamCloses = ({ page }: DashboardPage) =>
    new Promise<void>((resolve) => {
      page.on("requestfailed", (request) => {
        if (request.url().endsWith(eventStream)) resolve();
      });
    });

  it("are the latest ones, and then each one as it occurs", async () => {
    await harness.rest.post("/api/sessions", { name: "early" });
    await harness.rest.untilStatus("early", "SCAN_QR_CODE");
    const dashboard = await harness.open("#/events");
    await dashboard.waitForText("button.event", /session\.status.*early.*Scan QR code/s);
    await harness.rest.post("/api/sessions/early/stop");
    await dashboard.waitForText("ol > li:first-child", /session\.status.*early.*Stopped/s);
    await dashboard.waitForText(".feed-state", /^Live$/);
    dashboard.assertFaultless();
  });

  it("are filtered by session and name, at the server", async () => {
    await create("one");
    await create("two");
    const dashboard = await harness.open("#/events?session=one&name=session.updated");
    await waitForLines(dashboard, 1);
    await dashboard.waitForText("button.event", /one/);
    await dashboard.type("Names of sessions", "one, two");
    await waitForLines(dashboard, 2);
    await dashboard.page.select('select[name="name"]', "session.health");
    await dashboard.waitForText(".empty", /No events yet/);
  });

  it("are searched by words", async () => {
    await create("searched");
    const dashboard = await harness.open("#/events?session=searched&name=session.updated");
    await waitForLines(dashboard, 1);
    await dashboard.type("Words in the event", "changed SEARCHED");
    await waitForLines(dashboard, 1);
    await dashboard.type("Words in the event", "nowhere");
    await dashboard.waitForText(".empty", /No event has these words/);
  });

  it("stand still during a pause, and none is missed after it", async () => {
    await create("paused");
    const dashboard = await harness.open("#/events?session=paused&name=session.updated");
    await waitForLines(dashboard, 1);
    const closed = streamCloses(dashboard);
    await dashboard.press("Pause");
    await closed;
    for (const note of ["1", "2", "3"]) await update("paused", note);
    await dashboard.waitForText(".feed-state", /^Paused$/);
    assert.equal((await dashboard.page.$$("button.event")).length, 1);
    await dashboard.press("Resume");
    await waitForLines(dashboard, 4);
  });

  it("need no stream in a background tab, or after the view was left", async () => {
    await create("hidden");
    const dashboard = await harness.open("#/events?session=hidden&name=session.updated");
    await waitForLines(dashboard, 1);
    const hidden = streamCloses(dashboard);
    await dashboard.setHidden(true);
    await hidden;
    await update("hidden", "meanwhile");
    await dashboard.setHidden(false);
    await waitForLines(dashboard, 2);
    const left = streamCloses(dashboard);
    await dashboard.press("Overview");
    await left;
  });

  it("catch up after the connection was lost", async () => {
    await using own = await openDashboardHarness();
    await own.rest.post("/api/sessions", { name: "kept", start: false });
    const dashboard = await own.open("#/events?name=session.updated");
    await dashboard.waitForText(".feed-state", /^Live$/);
    const { port } = new URL(own.server.baseUrl);
    await own.server.kill("SIGKILL");
    await dashboard.waitForText(".feed-state", /Connection lost/);
    await own.server.restart({ PORT: port });
    await own.rest.put("/api/sessions/kept", { config: { metadata: { note: "x" } } });
    await dashboard.waitForText("button.event", /session\.updated.*kept/s);
  });

  it("mark the place where events are missing after a long pause", async () => {
    await using own = await openDashboardHarness({ SESSIOND_EVENT_LOG_MAX: "2" });
    const note = (text: string) => own.rest.put("/api/sessions/busy", { config: { metadata: { note: text } } });
    await own.rest.post("/api/sessions", { name: "busy", start: false });
    const dashboard = await own.open("#/events?name=session.updated");
    await waitForLines(dashboard, 1);
    const closed = streamCloses(dashboard);
    await dashboard.press("Pause");
    await closed;
    for (const text of ["1", "2", "3", "4"]) await note(text);
    // The log is trimmed at the start.
    const { port } = new URL(own.server.baseUrl);
    await own.server.kill("SIGKILL");
    await own.server.restart({ PORT: port });
    const oldestNote = async () => {
      await using items = own.rest.stream("/api/events?cursor=0&names=session.updated");
      const { value } = await items.next();
      return value?.event?.metadata?.note;
    };
    while (String(await oldestNote()) !== "3");
    await dashboard.press("Resume");
    await dashboard.waitForText("li.gap", /no longer stored/);
    await waitForLines(dashboard, 3);
  });

  it("leave connections for calls in seven tabs, and the next tab has its turn", async () => {
    await create("shared");
    const tabs: DashboardPage[] = [];
    for (let count = 0; count < 7; count += 1) tabs.push(await harness.open("#/events?session=shared"));
    const waiting = tabs.slice(3);
    for (const tab of waiting) await tab.waitForText(".feed-state", /Close one of them/);
    await waiting.at(-1)?.press("Server");
    await waiting.at(-1)?.waitForText(".panel", /Uptime/);
    await tabs.at(0)?.page.close();
    await Promise.race(waiting.slice(0, 3).map((tab) => tab.waitForText(".feed-state", /^Live$/)));
  });

  it("are downloaded as JSON Lines, oldest first", async () => {
    const directory = await mkdtemp(join(tmpdir(), "sessiond-download-"));
    try {
      await create("saved");
      for (const note of ["1", "2"]) await update("saved", note);
      const dashboard = await harness.open("#/events?session=saved&name=session.updated");
      await waitForLines(dashboard, 3);
      const client = await dashboard.page.createCDPSession();
      await client.send("Browser.setDownloadBehavior", {
        behavior: "allow",
        downloadPath: directory,
        eventsEnabled: true,
      });
      const saved = new Promise<void>((resolve) => {
        client.on("Browser.downloadProgress", ({ state }) => state === "completed" && resolve());
      });
      await dashboard.press("Download");
      await saved;
      const [file = ""] = await readdir(directory);
      assert.match(file, /^events-.*\.jsonl$/);
      const lines = (await readFile(join(directory, file), "utf8")).trimEnd().split("\n");
      const events = lines.map((line) => JSON.parse(line));
      assert.deepEqual(
        events.map(({ session, metadata }) => [session, metadata?.note]),
        [
          ["saved", undefined],
          ["saved", "1"],
          ["saved", "2"],
        ],
      );
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  for (const [browser, hasClipboard] of [
    ["a browser with a clipboard API", true],
    ["a page over plain HTTP, which has none", false],
  ] as const) {
    it(`are copied as JSON in ${browser}`, async () => {
      const session = hasClipboard ? "copied" : "copied-plainly";
      await create(session);
      await update(session, "x");
      const dashboard = await harness.open(`#/events?session=${session}&name=session.updated`, async (page) => {
        await page.evaluateOnNewDocument((isThere) => {
          const taken = { writeText: async (text: string) => void Object.assign(globalThis, { copied: text }) };
          Object.defineProperty(navigator, "clipboard", { value: isThere ? taken : undefined });
          document.addEventListener("copy", () => {
            Object.assign(globalThis, { copied: (document.activeElement as HTMLTextAreaElement).value });
          });
        }, hasClipboard);
      });
      await dashboard.page.locator("button.event").click();
      await dashboard.press("Copy");
      const copied = await dashboard.page.waitForFunction("globalThis.copied");
      assert.deepEqual(JSON.parse(String(await copied.jsonValue())).metadata, { note: "x" });
    });
  }

  it("show the content of others as text", async () => {
    await create("hostile");
    await update("hostile", hostile);
    const dashboard = await harness.open("#/events?session=hostile&name=session.updated");
    await dashboard.page.locator("button.event").click();
    await dashboard.waitForText(".event-details pre", /<img src=x/);
    assert.equal(await dashboard.page.$("main img"), null);
    assert.notEqual(await dashboard.page.title(), "broken");
    dashboard.assertFaultless();
  });

  it("are opened and left by the keyboard alone", async () => {
    await create("typed");
    for (const note of ["1", "2"]) await update("typed", note);
    const dashboard = await harness.open("#/events?session=typed&name=session.updated");
    await waitForLines(dashboard, 3);
    const { keyboard } = dashboard.page;
    await dashboard.page.focus(".tail");
    await keyboard.press("ArrowDown");
    await keyboard.press("ArrowDown");
    await keyboard.press("Enter");
    await dashboard.waitForText(".event-details pre", /"note": "1"/);
    await dashboard.page.focus(".event-details pre");
    await keyboard.press("Escape");
    await dashboard.waitUntilGone(".event-details");
  });

  it("of one session are in its drawer", async () => {
    await create("drawn");
    await create("other");
    const dashboard = await harness.open("#/sessions?session=drawn&tab=events");
    await dashboard.waitForText(".drawer .empty", /No events yet/);
    await dashboard.page.select('.drawer select[aria-label="Name of the event"]', "session.updated");
    await waitForLines(dashboard, 1);
    await update("other", "y");
    await update("drawn", "z");
    await waitForLines(dashboard, 2);
    await dashboard.page.locator("button.event").click();
    await dashboard.page.locator(".event-details pre").click();
    await dashboard.page.keyboard.press("Escape");
    await dashboard.waitUntilGone(".event-details");
    assert.notEqual(await dashboard.page.$(".drawer"), null);
    dashboard.assertFaultless();
  });
});
