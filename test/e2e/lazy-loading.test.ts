import assert from "node:assert/strict";
import { watch, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { startWhatsApp } from "../emulator/whatsapp.ts";
import { Installation, type Loads } from "./installation.ts";
import { RestClient } from "./rest-client.ts";

const packages = [
  "@whiskeysockets/baileys",
  "libsignal",
  "whatsapp-web.js",
  "puppeteer",
  "puppeteer-core",
  "qrcode",
  "undici",
  "swagger-ui-dist",
  "prom-client",
];
const loadedOf = (loads: Loads) => packages.filter((name) => loads.has(name));

/** Resolves when a file of this name is written to a directory. */
async function untilNamed(directory: string, name: string): Promise<void> {
  for await (const { filename } of watch(directory)) if (filename === name) return;
}

describe("the libraries of a server", () => {
  const stack = new AsyncDisposableStack();
  after(() => stack.disposeAsync());
  let installation: Installation;
  before(async () => {
    installation = await Installation.create({ after: (remove) => stack.defer(remove) });
  });

  it("are not loaded for an idle server, nor Node's own undici", async () => {
    const loads = await (await installation.start()).stop();
    assert.deepEqual(loadedOf(loads), []);
    assert.equal(loads.nodeUndici, false);
  });

  it("are not loaded for calls while there is no session", async () => {
    const run = await installation.start();
    const rest = new RestClient(() => run.baseUrl);
    for (const path of ["/ping", "/health", "/api/sessions", "/api/server/version", "/openapi.json"]) {
      assert.equal((await rest.get(path)).status, 200, path);
    }
    assert.deepEqual(loadedOf(await run.stop()), []);
  });

  it("are loaded for metrics where these are shown", async () => {
    const run = await installation.start({ SESSIOND_METRICS: "true" });
    const { body } = await new RestClient(() => run.baseUrl).get("/metrics");
    assert.match(String(body), /^sessiond_pending_unlinks 0$/m);
    assert.deepEqual(loadedOf(await run.stop()), ["prom-client"]);
  });

  it("are those of NOWEB once a session on it runs", async (t) => {
    const whatsapp = await startWhatsApp();
    t.after(() => whatsapp.close());
    const run = await installation.start({ SESSIOND_NOWEB_URL: whatsapp.url });
    const rest = new RestClient(() => run.baseUrl);
    await rest.post("/api/sessions", { name: "one" });
    await rest.qrCode("one");
    const loaded = loadedOf(await run.stop());
    for (const name of ["@whiskeysockets/baileys", "libsignal"]) assert.ok(loaded.includes(name), name);
    for (const name of ["whatsapp-web.js", "puppeteer", "qrcode"]) assert.ok(!loaded.includes(name), name);
  });

  it("are those of WEBJS once a session on it starts a browser", async () => {
    const browser = join(installation.directory, "browser");
    await writeFile(browser, '#!/bin/sh\necho > "$0.started"\nexit 1\n', { mode: 0o755 });
    const run = await installation.start({ SESSIOND_CHROME_PATH: browser });
    const rest = new RestClient(() => run.baseUrl);
    const started = untilNamed(installation.directory, "browser.started");
    await rest.post("/api/sessions", { name: "one", engine: "WEBJS" });
    await started;
    const loads = await run.stop();
    assert.ok(loads.has("puppeteer"));
    assert.ok(!loads.has("@whiskeysockets/baileys"));
  });

  it("is qrcode once a picture of a code is asked for", async (t) => {
    const whatsapp = await startWhatsApp();
    t.after(() => whatsapp.close());
    const run = await installation.start({ SESSIOND_NOWEB_URL: whatsapp.url });
    const rest = new RestClient(() => run.baseUrl);
    await rest.post("/api/sessions", { name: "one" });
    await rest.qrCode("one");
    assert.equal((await rest.get("/api/one/auth/qr")).status, 200);
    assert.ok((await run.stop()).has("qrcode"));
  });
});
