import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Page } from "puppeteer";
import { openHarness } from "../harness.ts";
import { openChromium } from "./chromium.ts";
import { servePages } from "./pages.ts";

const key = "a key for the page";

const lines = (page: Page, list: string) =>
  page.$$eval(`#${list} li`, (items) => items.map((item) => item.textContent ?? ""));

const attribute = (page: Page, selector: string, name: string) =>
  page.$eval(selector, (element, wanted) => element.getAttribute(wanted), name);

/** Content types of each protocol's requests. */
const contentTypes = { connect: "application/connect+json", "grpc-web": "application/grpc-web+proto" } as const;

for (const [protocol, contentType] of Object.entries(contentTypes)) {
  describe(`a page in Chromium that speaks ${protocol} over HTTP/1.1`, () => {
    it("shows the QR code, follows the session to WORKING, and reads EventSource by a ticket", async () => {
      await using harness = await openHarness({ WAHA_API_KEY: key });
      await using pages = await servePages();
      await using opened = await openChromium();
      const page = await opened.browser.newPage();
      const seen = new Set<string>();
      page.on("request", (request) => {
        const type = request.headers()["content-type"];
        if (type) seen.add(type);
      });
      const query = new URLSearchParams({ server: harness.server.baseUrl, session: "alice", key, protocol });
      await page.goto(`${pages.url}/page.html?${query}`);
      await page.waitForFunction("document.body.dataset.error ?? document.querySelector('#qr').naturalWidth > 100");
      assert.equal(await attribute(page, "body", "data-error"), null);
      const value = (await attribute(page, "#qr", "data-value")) ?? "";
      const directory = process.env.SESSIOND_TEST_SCREENSHOTS;
      if (directory) await page.screenshot({ path: join(directory, `${protocol}.png`) });

      const phone = harness.whatsapp.phone();
      await phone.scan(value);
      await page.waitForFunction("document.body.dataset.done ?? document.body.dataset.error");
      assert.equal(await attribute(page, "body", "data-error"), null);
      assert.equal(await page.$eval("#about", (about) => about.textContent), `Paired with ${phone.number}@c.us`);
      const statuses = await lines(page, "statuses");
      assert.deepEqual(statuses.slice(-2), ["STARTING", "WORKING"]);
      await page.waitForFunction("document.querySelector('#events').textContent.includes('WORKING')");
      for (const line of await lines(page, "events")) assert.match(line, /^[1-9]\d* [A-Z_]+$/);
      assert.ok(seen.has(contentType), [...seen].join(", "));
    });
  });
}

it("EventSource in Chromium continues after a server restart with a new ticket", async () => {
  await using harness = await openHarness({ WAHA_API_KEY: key });
  await using pages = await servePages();
  await using opened = await openChromium();
  const { server } = harness;
  const call = (path: string, body = {}) =>
    fetch(`${server.baseUrl}/api/sessions${path}`, {
      method: "POST",
      headers: { "x-api-key": key, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  await call("", { name: "alice" });
  const page = await opened.browser.newPage();
  const query = new URLSearchParams({ server: server.baseUrl, session: "alice", key, watch: "events" });
  await page.goto(`${pages.url}/page.html?${query}`);
  await page.waitForFunction("document.querySelector('#events').textContent.includes('SCAN_QR_CODE')");
  const before = await lines(page, "events");
  await server.kill("SIGTERM");
  await server.restart({ PORT: new URL(server.baseUrl).port });
  await call("/alice/stop");
  await page.waitForFunction("document.querySelector('#events').textContent.includes('STOPPED')");
  const all = await lines(page, "events");
  assert.deepEqual(all.slice(0, before.length), before);
  const seqs = all.map((line) => Number(line.split(" ")[0]));
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].sort((a, b) => a - b),
  );
  const told = await fetch(`${server.baseUrl}/api/events?session=alice&names=session.status&cursor=${seqs[0]}`, {
    headers: { "x-api-key": key },
  });
  let text = "";
  for await (const chunk of told.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    if (text.includes('"status":"STOPPED"')) break;
  }
  assert.deepEqual(
    [...text.matchAll(/^id: (\d+)\ndata: .*"event":/gm)].map(([, id]) => Number(id)),
    seqs.slice(1),
  );
});
