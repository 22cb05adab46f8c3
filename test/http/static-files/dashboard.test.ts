import assert from "node:assert/strict";
import { get } from "node:http";
import { buffer } from "node:stream/consumers";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { createDashboardRoutes } from "../../../src/http/static-files/dashboard.ts";
import { startRestServer } from "../rest/server.ts";

const directory = fileURLToPath(new URL("../../../gen/dashboard", import.meta.url));

async function start(t: TestContext): Promise<string> {
  const { url } = await startRestServer(t, { rest: { extra: createDashboardRoutes({ directory }) } });
  return url;
}

/** URLs that the page loads, as it writes them. */
const linksIn = (html: string) => [...html.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, link]) => link ?? "");

async function readPage(url: string) {
  const answer = await fetch(`${url}/dashboard`);
  return { answer, links: linksIn(await answer.text()) };
}

describe("the files of the dashboard", () => {
  it("are at most three beside the page, and all of this server", async (t) => {
    const url = await start(t);
    const { links } = await readPage(url);
    assert.ok(links.length >= 2 && links.length <= 3);
    for (const link of links) {
      assert.match(link, /^dashboard\/[\w-]+-[0-9a-f]{10}\.(js|css|svg)$/);
      const answer = await fetch(new URL(link, `${url}/dashboard`));
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get("cache-control"), "public, max-age=31536000, immutable");
    }
  });

  it("have media types that browsers require", async (t) => {
    const url = await start(t);
    const { links } = await readPage(url);
    const types = await Promise.all(
      links.map(async (link) => [
        link.split(".").at(-1),
        (await fetch(new URL(link, `${url}/dashboard`))).headers.get("content-type"),
      ]),
    );
    assert.deepEqual(types.toSorted(), [
      ["css", "text/css; charset=utf-8"],
      ["js", "text/javascript; charset=utf-8"],
      ["svg", "image/svg+xml"],
    ]);
  });

  it("take at most 90 KB of JavaScript and 10 KB of CSS, by gzip", async (t) => {
    const url = await start(t);
    const { links } = await readPage(url);
    const size = async (extension: string) => {
      const files = links.filter((link) => link.endsWith(extension));
      const bodies = await Promise.all(
        files.map(async (link) => (await fetch(new URL(link, `${url}/x`))).arrayBuffer()),
      );
      return bodies.reduce((sum, body) => sum + gzipSync(new Uint8Array(body), { level: 9 }).byteLength, 0);
    };
    assert.ok((await size(".js")) <= 90 * 1_000);
    assert.ok((await size(".css")) <= 10 * 1_000);
  });

  const encodings: readonly (readonly [accepted: string, encoding: string | null])[] = [
    ["", null],
    ["identity", null],
    ["gzip", "gzip"],
    ["gzip, br", "br"],
    ["gzip, br;q=0", "gzip"],
    ["br;q=0, gzip;q=0.0", null],
  ];
  for (const [accepted, encoding] of encodings) {
    it(`are sent as ${encoding ?? "they are"} to a client that accepts "${accepted}"`, async (t) => {
      const url = await start(t);
      const { links } = await readPage(url);
      const script = links.find((link) => link.endsWith(".js")) ?? "";
      const plain = await (await fetch(new URL(script, `${url}/dashboard`))).text();
      const { headers, body } = await getRaw(new URL(script, `${url}/dashboard`), accepted);
      assert.equal(headers["content-encoding"] ?? null, encoding);
      assert.equal(headers.vary, "Accept-Encoding");
      const decode = { br: brotliDecompressSync, gzip: gunzipSync }[encoding ?? ""] ?? ((data: Buffer) => data);
      assert.equal(decode(body).toString(), plain);
    });
  }

  it("have no other names", async (t) => {
    const url = await start(t);
    for (const name of ["page.html", "none.js", "..%2f..%2fpackage.json", "constructor"]) {
      assert.equal((await fetch(`${url}/dashboard/${name}`)).status, 404, name);
    }
  });
});

describe("the page of the dashboard", () => {
  it("is not cached, and is the same at /pair", async (t) => {
    const url = await start(t);
    const pages = await Promise.all(["dashboard", "pair", "DASHBOARD"].map((path) => fetch(`${url}/${path}`)));
    for (const { headers } of pages) assert.equal(headers.get("cache-control"), "no-store");
    assert.equal(new Set(await Promise.all(pages.map((page) => page.text()))).size, 1);
  });

  it("allows neither foreign nor inline code, and no framing", async (t) => {
    const { answer } = await readPage(await start(t));
    assert.equal(
      answer.headers.get("content-security-policy"),
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; " +
        "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    );
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    assert.equal(answer.headers.get("referrer-policy"), "no-referrer");
    assert.equal(answer.headers.get("cross-origin-opener-policy"), "same-origin");
  });

  const redirects: readonly (readonly [path: string, prefix: string | undefined, target: string])[] = [
    ["/", undefined, "/dashboard"],
    ["/", "/wa", "/wa/dashboard"],
    ["/", "//evil.example", "/dashboard"],
    ["/dashboard/", undefined, "/dashboard"],
    ["/pair/", "/wa", "/pair"],
  ];
  for (const [path, prefix, target] of redirects) {
    it(`redirects ${path} to ${target}, with prefix ${prefix}`, async (t) => {
      const url = await start(t);
      const headers = prefix === undefined ? {} : { "x-forwarded-prefix": prefix };
      const answer = await fetch(url + path, { redirect: "manual", headers });
      assert.equal(answer.status, 302);
      assert.equal(new URL(answer.headers.get("location") ?? "", url + path).href, url + target);
    });
  }
});

/** Sends a request as it is written: fetch adds an Accept-Encoding of its own, and decodes. */
async function getRaw(url: URL, acceptEncoding: string) {
  return new Promise<{ headers: Record<string, string | string[] | undefined>; body: Buffer }>((resolve, reject) => {
    const request = get(url, { headers: { "accept-encoding": acceptEncoding }, agent: false }, (answer) => {
      buffer(answer).then((body) => resolve({ headers: answer.headers, body }), reject);
    });
    request.on("error", reject);
  });
}
