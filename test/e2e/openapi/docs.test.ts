import assert from "node:assert/strict";
import { dirname } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { createDocsRoutes, type DocsOptions } from "../../../src/http/static-files/docs.ts";
import { document } from "../../http/openapi/operations.ts";
import { startRestServer } from "../../http/rest/server.ts";
import { ServerProcess } from "../server-process.ts";

const assetDirectory = dirname(fileURLToPath(import.meta.resolve("swagger-ui-dist/package.json")));
const openApiDocument = { openapi: "3.1.0", info: { title: "test" } };

async function start(t: TestContext, options: Partial<DocsOptions> = {}): Promise<string> {
  const extra = createDocsRoutes({
    document: async () => openApiDocument,
    services: [SessionService],
    assetDirectory,
    ...options,
  });
  return (await startRestServer(t, { rest: { extra } })).url;
}

/** Relative URLs that a page or a script loads. */
const linksIn = (text: string) =>
  [...text.matchAll(/(?:href|src)="([^"]+)"|\burl: "([^"]+)"/g)].map((m) => m[1] ?? m[2] ?? "");

describe("the documentation", () => {
  it("has the document, and the same page at / and at /docs", async (t) => {
    const url = await start(t);
    const json = await fetch(`${url}/openapi.json`);
    assert.equal(json.headers.get("content-type"), "application/json; charset=utf-8");
    assert.deepEqual(await json.json(), openApiDocument);
    const pages = await Promise.all(["/", "/docs", "/DOCS"].map((path) => fetch(url + path)));
    const texts = await Promise.all(pages.map((page) => page.text()));
    for (const page of pages) assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
    assert.equal(new Set(texts).size, 1);
  });

  it("has every file that the page loads, with its media type", async (t) => {
    const url = await start(t);
    const page = await (await fetch(`${url}/docs`)).text();
    const script = await (await fetch(`${url}/docs/initializer.js`)).text();
    const links = [...linksIn(page), ...linksIn(script)];
    assert.ok(links.includes("openapi.json") && links.includes("docs/swagger-ui-bundle.js"));
    assert.doesNotMatch(page + script, /(https?:)?\/\/[a-z]/i);
    const types: Record<string, RegExp> = {
      js: /^text\/javascript/,
      css: /^text\/css/,
      png: /^image\/png$/,
      json: /json/,
    };
    for (const link of links) {
      const answer = await fetch(new URL(link, `${url}/docs`));
      assert.equal(answer.status, 200, link);
      assert.match(answer.headers.get("content-type") ?? "", types[link.split(".").at(-1) ?? ""] ?? /^$/, link);
      assert.ok((await answer.arrayBuffer()).byteLength > 0);
    }
  });

  it("forbids other origins, and framing, by its security policy", async (t) => {
    const { headers } = await fetch(await start(t));
    const policy = headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /script-src 'self';/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /https?:|\*|script-src[^;]*unsafe/);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
  });

  it("answers 304 if the ETag matches", async (t) => {
    const url = await start(t);
    const { headers } = await fetch(`${url}/docs/swagger-ui.css`);
    const etag = headers.get("etag") ?? "";
    assert.match(etag, /^"[\w-]{27}"$/);
    for (const known of [etag, `"other", W/${etag}`, "*"]) {
      const again = await fetch(`${url}/docs/swagger-ui.css`, { headers: { "if-none-match": known } });
      assert.deepEqual([again.status, again.headers.get("etag"), await again.text()], [304, etag, ""], known);
    }
    const other = await fetch(`${url}/docs/swagger-ui.css`, { headers: { "if-none-match": '"other"' } });
    assert.equal(other.status, 200);
    assert.ok((await other.text()).length > 0);
  });

  it("answers HEAD, redirects a trailing slash, and has no other files", async (t) => {
    const url = await start(t);
    const head = await fetch(`${url}/docs/swagger-ui-bundle.js`, { method: "HEAD" });
    assert.ok(Number(head.headers.get("content-length")) > 100_000);
    const slash = await fetch(`${url}/docs/`, { redirect: "manual" });
    assert.equal(slash.status, 302);
    assert.equal(new URL(slash.headers.get("location") ?? "", `${url}/docs/`).href, `${url}/docs`);
    for (const path of ["/docs/package.json", "/docs/..%2fpackage.json", "/docs/constructor", "/docs/a/b"]) {
      const answer = await fetch(url + path);
      assert.equal(answer.status, 404, path);
      assert.deepEqual(await answer.json(), { statusCode: 404, message: `Cannot GET ${path}`, error: "Not Found" });
    }
  });

  it("needs the login if one is configured", async (t) => {
    const url = await start(t, { login: { username: "admin", password: "p:äß" } });
    const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;
    for (const path of ["/", "/docs", "/docs/", "/docs/initializer.js", "/docs/nope", "/openapi.json"]) {
      const refused = ["", "Basic", "Basic ???", basic("admin"), basic("admin:p"), basic("p:äß:admin"), "Bearer p:äß"];
      for (const authorization of refused) {
        const answer = await fetch(url + path, {
          headers: { authorization: Buffer.from(authorization).toString("latin1") },
        });
        assert.equal(answer.status, 401, `${path} ${authorization}`);
        assert.equal(answer.headers.get("www-authenticate"), 'Basic realm="sessiond", charset="UTF-8"');
        assert.deepEqual(await answer.json(), { message: "Unauthorized", statusCode: 401 });
      }
      const allowed = await fetch(url + path, { headers: { authorization: basic("admin:p:äß") } });
      assert.equal(allowed.status, path === "/docs/nope" ? 404 : 200, path);
    }
  });
});

describe("the server", () => {
  it("serves the generated document without an API key", async () => {
    await using server = await ServerProcess.start({ SESSIOND_HOST: "127.0.0.1", WAHA_API_KEY: "the-key" });
    const answer = await fetch(`${server.baseUrl}/openapi.json`);
    assert.equal(answer.status, 200);
    assert.deepEqual(await answer.json(), document);
  });

  it("has no documentation if it is switched off", async () => {
    await using server = await ServerProcess.start({ WHATSAPP_SWAGGER_ENABLED: "false" });
    for (const path of ["/docs", "/docs/initializer.js", "/openapi.json"]) {
      assert.equal((await fetch(server.baseUrl + path)).status, 404, path);
    }
  });
});
