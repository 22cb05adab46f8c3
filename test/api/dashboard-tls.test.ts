import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:https";
import { text } from "node:stream/consumers";
import { it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { DashboardBrowser } from "../support/dashboard-browser.ts";
import { startServer } from "../support/server.ts";

const key = "k3y";
const env = { SESSIOND_HOST: "127.0.0.1", WAHA_API_KEY: key };
const fixture = (name: string) => fileURLToPath(new URL(`../http/fixtures/${name}`, import.meta.url));

async function post(url: string, path: string, headers: Record<string, string>, body: object) {
  const req = request(url + path, {
    method: "POST",
    headers: { "content-type": "application/json", "sec-fetch-site": "same-origin", ...headers },
    rejectUnauthorized: false,
  }).end(JSON.stringify(body));
  const [res] = await once(req, "response");
  await text(res);
  return { status: res.statusCode, cookie: String(res.headers["set-cookie"]?.[0]) };
}

const startTls = (t: TestContext) =>
  startServer(t, {
    ...env,
    SESSIOND_TLS_KEY_FILE: fixture("localhost.key.pem"),
    SESSIOND_TLS_CERT_FILE: fixture("localhost.cert.pem"),
  });

it("with TLS, the cookie of a login is for this host alone and never sent in clear", async (t) => {
  const { url } = await startTls(t);
  const { status, cookie } = await post(url, "/dashboard/login", {}, { key });
  assert.equal(status, 204);
  assert.match(cookie, /^__Host-sessiond=[0-9a-f]{64}; Path=\/; Max-Age=604800; HttpOnly; SameSite=Strict; Secure$/);
  const [pair = ""] = cookie.split(";");
  const list = "/sessiond.v1.SessionService/ListSessions";
  assert.equal((await post(url, list, { cookie: pair }, {})).status, 200);
  assert.equal((await post(url, list, { cookie: pair.replace("__Host-", "") }, {})).status, 401);
});

it("behind a proxy with TLS, the cookie is as with TLS", async (t) => {
  const { url } = await startServer(t, env);
  const browser = new DashboardBrowser(url, { "sec-fetch-site": "same-origin", "x-forwarded-proto": "https" });
  const answer = await browser.post("/dashboard/login", { key });
  assert.match(answer.headers.get("set-cookie") ?? "", /^__Host-sessiond=[0-9a-f]{64}; .*; Secure$/);
  assert.equal(await browser.call("SessionService/ListSessions"), 200);
});
