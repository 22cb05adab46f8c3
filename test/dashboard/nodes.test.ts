import assert from "node:assert/strict";
import { hostname } from "node:os";
import { after, before, describe, it } from "node:test";
import { openChromium } from "../e2e/browser/chromium.ts";
import { startServer } from "../support/server.ts";
import { startTwoNodes } from "../support/two-nodes.ts";
import { screens, violationsIn } from "./axe.ts";
import { DashboardPage } from "./dashboard-page.ts";

/** Returns the text of each cell of the nodes, row by row. */
const rowsOf = ({ page }: DashboardPage): Promise<string[][]> =>
  page.$$eval("[aria-labelledby=nodes-title] tbody tr", (rows) =>
    rows.map((row) => [...row.children].map(({ textContent }) => textContent ?? "")),
  );

describe("the nodes in the dashboard", () => {
  let chromium: Awaited<ReturnType<typeof openChromium>>;
  before(async () => {
    chromium = await openChromium();
  });
  after(() => chromium[Symbol.asyncDispose]());

  it("shows each node's state, load and version, and marks the one that answers", async (t) => {
    const { table, a, b } = await startTwoNodes(t);
    table.enter("b", b.url, { isDraining: true, capacity: 8_000, load: 201, version: "0.9.0" });
    table.enter("<b>c", "http://10.0.0.3:3000", { isAlive: false });
    for (const { name: asked, url } of [a, b]) {
      const dashboard = await DashboardPage.open(chromium.browser, () => url, "#/server");
      await dashboard.waitForText(".panel", /Nodes.*Silent/s);
      const nameOf = (name: string) => (name === asked ? `${name} (this node)` : name);
      assert.deepEqual(await rowsOf(dashboard), [
        ["<b>chttp://10.0.0.3:3000", "▲ Silent", "0 of 100", "1.0.0"],
        [`${nameOf("a")}${a.url}`, "● Alive", "0 of 100", "1.0.0"],
        [`${nameOf("b")}${b.url}`, "◐ Draining", "201 of 8000", "0.9.0"],
      ]);
      table.enter("b", b.url, { load: 7 });
      await dashboard.waitForText("[aria-labelledby=nodes-title] td", /^7 of 100$/);
      dashboard.assertFaultless();
      await dashboard.page.close();
      table.enter("b", b.url, { isDraining: true, capacity: 8_000, load: 201, version: "0.9.0" });
    }
  });

  it("shows the server alone without a cluster", async (t) => {
    const { url } = await startServer(t);
    const dashboard = await DashboardPage.open(chromium.browser, () => url, "#/server");
    await dashboard.waitForText(".panel", /Nodes/);
    const rows = await rowsOf(dashboard);
    assert.deepEqual(
      rows.map((cells) => cells.slice(0, 3)),
      [[`${hostname()} (this node)`, "● Alive", "–"]],
    );
    dashboard.assertFaultless();
  });

  for (const screen of screens) {
    it(`has nothing that axe-core finds wrong (${screen.name})`, async (t) => {
      const { table, a } = await startTwoNodes(t);
      table.enter("c", "http://a-node-with-a-long-name.example.internal:3000", { isAlive: false });
      const dashboard = await DashboardPage.open(chromium.browser, () => a.url, "#/server", screen.apply);
      await dashboard.waitForText(".panel", /Nodes.*Silent/s);
      assert.deepEqual(await violationsIn(dashboard), []);
      const isWider = await dashboard.page.evaluate(() => document.body.scrollWidth > innerWidth);
      assert.equal(isWider, false);
    });
  }
});
