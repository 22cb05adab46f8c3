import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { type DashboardPage, openDashboardHarness } from "./dashboard-page.ts";

/** Presses a button that saves a file, and returns the file's name and text. */
async function download(dashboard: DashboardPage, button: string): Promise<[string, string]> {
  const directory = await mkdtemp(join(tmpdir(), "sessiond-download-"));
  try {
    const client = await dashboard.page.createCDPSession();
    const options = { behavior: "allow", downloadPath: directory, eventsEnabled: true } as const;
    await client.send("Browser.setDownloadBehavior", options);
    const saved = new Promise<void>((resolve) => {
      client.on("Browser.downloadProgress", ({ state }) => state === "completed" && resolve());
    });
    await dashboard.press(button);
    await saved;
    const [file = ""] = await readdir(directory);
    return [file, await readFile(join(directory, file), "utf8")];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

describe("the export of the list in the dashboard", () => {
  let harness: Awaited<ReturnType<typeof openDashboardHarness>>;
  before(async () => {
    harness = await openDashboardHarness();
    for (const [name, team] of [
      ["anna", "red"],
      ["berta", "=1+1"],
      ["carla", "red"],
    ]) {
      await harness.rest.post("/api/sessions", { name, start: false, config: { metadata: { team } } });
    }
  });
  afterEach(() => harness.closeTabs());
  after(() => harness[Symbol.asyncDispose]());

  it("has the sessions that pass the filter, as JSON", async () => {
    const dashboard = await harness.open("#/sessions?q=team%3Dred");
    await dashboard.waitForSessions(["anna", "carla"]);
    const [file, text] = await download(dashboard, "Export as JSON");
    assert.equal(file, "sessions.json");
    assert.deepEqual(
      JSON.parse(text).map(({ name, status, metadata }: Record<string, unknown>) => [name, status, metadata]),
      [
        ["anna", "STOPPED", { team: "red" }],
        ["carla", "STOPPED", { team: "red" }],
      ],
    );
    dashboard.assertFaultless();
  });

  it("has the selected sessions, as CSV without formulas", async () => {
    const dashboard = await harness.open();
    await dashboard.waitForSessions(["anna", "berta", "carla"]);
    await dashboard.press("Select berta");
    await dashboard.waitForText(".toolbar .total", /^1 selected$/);
    const [file, text] = await download(dashboard, "Export as CSV");
    assert.equal(file, "sessions.csv");
    const [head, row, end] = text.split("\r\n");
    assert.match(String(head), /^\uFEFFname,status,.*,metadata\.team$/);
    assert.match(String(row), /^berta,STOPPED,.*,"'=1\+1"$/);
    assert.equal(end, "");
  });
});
