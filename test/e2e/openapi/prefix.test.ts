import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "puppeteer";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { findChrome, sandboxObstacle } from "../../../src/adapters/wwebjs/chrome.ts";
import { createDocsRoutes } from "../../../src/http/static-files/docs.ts";
import { document } from "../../http/openapi/operations.ts";
import { startRestServer } from "../../http/rest/server.ts";
import { ServerProcess } from "../server-process.ts";

const assetDirectory = dirname(fileURLToPath(import.meta.resolve("swagger-ui-dist/package.json")));

async function start(t: TestContext) {
  const extra = createDocsRoutes({ document: async () => document, services: [SessionService], assetDirectory });
  const { url } = await startRestServer(t, { rest: { extra } });
  return async (path: string, prefix: string | undefined) => {
    const answer = await fetch(url + path, prefix === undefined ? {} : { headers: { "x-forwarded-prefix": prefix } });
    return { text: await answer.text(), headers: answer.headers };
  };
}

const taken: readonly [sent: string, prefix: string][] = [
  ["/wa", "/wa"],
  ["/wa/", "/wa"],
  ["/a/b-c/d_e.f~g", "/a/b-c/d_e.f~g"],
  ["/outer, /inner", "/outer/inner"],
  ["/outer/,/inner/", "/outer/inner"],
];

const ignored = [
  "",
  "/",
  "wa",
  "//evil.example",
  "/wa//b",
  "https://evil.example",
  "/https://evil.example",
  "/..",
  "/wa/../b",
  "/./b",
  '/"><script>alert(1)</script>',
  "/a b",
  "/a?b=c",
  "/a#b",
  "/a\\b",
  "/a%2f%2fb",
  `/${"a".repeat(300)}`,
  "/wa, //evil.example",
];

describe("the documentation behind a proxy that removes a prefix", () => {
  for (const [sent, prefix] of taken) {
    it(`begins its links at ${prefix} with X-Forwarded-Prefix ${sent}`, async (t) => {
      const get = await start(t);
      const page = await get("/docs", sent);
      assert.ok(page.text.includes(`<head>\n    <base href="${prefix}/">`));
      assert.equal(page.headers.get("vary"), "X-Forwarded-Prefix");
      for (const path of ["/openapi.json", "/openapi-3.0.json"]) {
        assert.deepEqual(JSON.parse((await get(path, sent)).text).servers, [{ url: prefix }]);
      }
    });
  }

  for (const sent of ignored) {
    it(`ignores X-Forwarded-Prefix ${sent.slice(0, 40)}`, async (t) => {
      const get = await start(t);
      for (const path of ["/docs", "/", "/openapi.json", "/openapi-3.0.json"]) {
        const [given, plain] = [await get(path, sent), await get(path, undefined)];
        assert.equal(given.text, plain.text);
        assert.equal(given.headers.get("etag"), plain.headers.get("etag"));
      }
    });
  }

  it("names a server relative to the document without the header", async (t) => {
    const get = await start(t);
    const { servers } = JSON.parse((await get("/openapi.json", undefined)).text);
    assert.deepEqual(servers, [{ url: "./" }]);
  });

  for (const header of [true, false]) {
    it(`tries a call from a browser, ${header ? "with the header" : "without it"}`, async () => {
      await using server = await ServerProcess.start();
      await using proxy = await startProxy(server.baseUrl, "/wa", header);
      const chrome = await findChrome({ searchPath: process.env.PATH });
      assert.ok(chrome, "there is no Chromium");
      await chrome.ready();
      const args = (await sandboxObstacle()) === undefined ? [] : ["--no-sandbox"];
      const browser = await launch({
        executablePath: chrome.path,
        env: { ...process.env, ...chrome.env },
        headless: "shell",
        args,
        timeout: 100_000,
      });
      try {
        const page = await browser.newPage();
        page.setDefaultTimeout(100_000);
        await page.goto(`${proxy.url}/wa/docs`);
        const ping = "#operations-Server-ping";
        await page.locator(`${ping} .opblock-summary-control`).click();
        await page.locator(`${ping} .try-out__btn`).click();
        await page.locator(`${ping} .execute`).click();
        const shown = await page.waitForSelector(`${ping} .live-responses-table .response .microlight`);
        assert.match((await shown?.evaluate((element) => element.textContent)) ?? "", /"pong"/);
      } finally {
        await browser.close();
      }
    });
  }
});

/** Starts a reverse proxy that serves a server below a path. */
async function startProxy(target: string, prefix: string, header: boolean) {
  const { hostname, port } = new URL(target);
  const proxy = createServer((req, res) => {
    if (!req.url?.startsWith(`${prefix}/`)) {
      res.writeHead(404).end();
      return;
    }
    const headers = { ...req.headers, ...(header && { "x-forwarded-prefix": prefix }) };
    const options = { hostname, port, method: req.method, path: req.url.slice(prefix.length), headers };
    const outer = request(options, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    req.pipe(outer);
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      proxy.closeAllConnections();
      proxy.close();
      await once(proxy, "close");
    },
  };
}
