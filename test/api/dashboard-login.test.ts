import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { EventService } from "../../gen/sessiond/v1/event_service_pb.js";
import { SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import type { Logger } from "../../src/ports/system.ts";
import type { Overrides } from "../../src/server.ts";
import { DashboardBrowser } from "../support/dashboard-browser.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { silentLogger, startServer } from "../support/server.ts";

const key = "k3y-of-the-dashboard";
const loopback = { SESSIOND_HOST: "127.0.0.1", WAHA_API_KEY: key };
const list = "SessionService/ListSessions";
const hourMs = 3_600_000;

async function open(t: TestContext, env: Readonly<Record<string, string>> = {}, overrides: Overrides = {}) {
  const { url } = await startServer(t, { ...loopback, ...env }, overrides);
  return { url, browser: new DashboardBrowser(url) };
}

async function refusalOf(stream: AsyncIterable<unknown>): Promise<string> {
  try {
    for await (const _ of stream);
  } catch (error) {
    return error instanceof ConnectError ? Code[error.code] : String(error);
  }
  return "ended";
}

describe("a login of the dashboard", () => {
  it("opens calls in the place of the key, for as long as it lasts", async (t) => {
    const { browser } = await open(t);
    assert.equal(await browser.call(list), 401);
    assert.deepEqual(await browser.options(), { required: true, loggedIn: false, password: false, readonly: false });
    await browser.logIn({ key });
    assert.equal(await browser.call(list), 200);
    assert.equal((await browser.get("/api/sessions")).status, 200);
    assert.deepEqual(await browser.options(), { required: true, loggedIn: true, password: false, readonly: false });
    assert.equal((await browser.post("/dashboard/logout", {})).status, 204);
    assert.equal(browser.cookie, "");
  });

  it("has a cookie that scripts, other sites and other hosts do not get, and not the key", async (t) => {
    const { browser } = await open(t);
    const answer = await browser.post("/dashboard/login", { key });
    assert.match(
      answer.headers.get("set-cookie") ?? "",
      /^sessiond=[0-9a-f]{64}; Path=\/; Max-Age=604800; HttpOnly; SameSite=Strict$/,
    );
    assert.equal(answer.headers.get("cache-control"), "no-store");
    assert.doesNotMatch(JSON.stringify([...answer.headers]), new RegExp(key));
    assert.equal(await answer.text(), "");
    const first = browser.cookie;
    await browser.logIn({ key });
    assert.notEqual(browser.cookie, first, "each login has a value of its own");
  });

  it("ends the login before it in the same browser", async (t) => {
    const { browser } = await open(t);
    await browser.logIn({ key });
    const first = browser.cookie;
    await browser.logIn({ key });
    browser.cookie = first;
    assert.equal(await browser.call(list), 401);
  });

  it("ends at the server when its owner logs out, and no other login does", async (t) => {
    const { url, browser } = await open(t);
    const other = await new DashboardBrowser(url).logIn({ key });
    await browser.logIn({ key });
    const { cookie } = browser;
    await browser.post("/dashboard/logout", {});
    browser.cookie = cookie;
    assert.equal(await browser.call(list), 401);
    assert.equal(await other.call(list), 200);
  });

  it("ends after 12 hours without a call", async (t) => {
    const clock = new FakeClock();
    const { browser } = await open(t, {}, { clock });
    await browser.logIn({ key });
    clock.advance(12 * hourMs - 1_000);
    assert.equal(await browser.call(list), 200);
    clock.advance(12 * hourMs - 1_000);
    await browser.options();
    clock.advance(1_000);
    assert.equal(await browser.call(list), 401);
  });

  it("ends at 7 days in spite of calls", async (t) => {
    const clock = new FakeClock();
    const { browser } = await open(t, {}, { clock });
    await browser.logIn({ key });
    for (let days = 0.25; days < 7; days += 0.25) {
      clock.advance(6 * hourMs);
      assert.equal(await browser.call(list), 200, `${days} days`);
    }
    clock.advance(6 * hourMs);
    assert.equal(await browser.call(list), 401);
  });

  it("does not outlive the server's key", async (t) => {
    const { browser } = await open(t);
    await browser.logIn({ key });
    const { url } = await startServer(t, { ...loopback, WAHA_API_KEY: "another" });
    const later = new DashboardBrowser(url);
    later.cookie = browser.cookie;
    assert.equal(await later.call(list), 401);
  });

  const callers: readonly [who: string, headers: Record<string, string>, status: number][] = [
    ["a page of another port", { "sec-fetch-site": "same-site" }, 401],
    ["a page of another site", { "sec-fetch-site": "cross-site" }, 401],
    ["the address bar", { "sec-fetch-site": "none" }, 401],
    ["a caller with a wrong key", { "sec-fetch-site": "same-origin", "x-api-key": "wrong" }, 401],
    ["a caller with a wrong Bearer token", { "sec-fetch-site": "same-origin", authorization: "Bearer wrong" }, 401],
    ["a caller with the right key", { "sec-fetch-site": "cross-site", "x-api-key": key }, 200],
    [
      "a browser that sends Swagger's Basic login too",
      { "sec-fetch-site": "same-origin", authorization: "Basic YTpi" },
      200,
    ],
    ["a POST without any hint", {}, 401],
    ["a POST from another port on a LAN", { origin: "http://127.0.0.1:1" }, 401],
    ["a POST of a sandboxed frame on a LAN", { origin: "null" }, 401],
  ];
  for (const [who, headers, status] of callers) {
    it(`is ${status === 200 ? "no obstacle to" : "worth nothing to"} ${who}`, async (t) => {
      const { url, browser } = await open(t);
      const { cookie } = await browser.logIn({ key });
      const page = new DashboardBrowser(url, headers);
      page.cookie = cookie;
      assert.equal(await page.call(list), status);
      assert.equal((await page.post("/api/stream-tickets", {})).status, status === 200 ? 201 : 401);
      assert.equal((await page.get("/api/sessions")).status, status);
      assert.equal((await page.get("/api/status-stream")).status, status);
    });
  }

  it("works over plain HTTP on a LAN, by POST calls from the same host and port", async (t) => {
    const { url } = await open(t);
    const browser = await new DashboardBrowser(url, { origin: url }).logIn({ key });
    assert.equal(await browser.call(list), 200);
    // Browsers send no Origin with these.
    const reload = new DashboardBrowser(url, {});
    reload.cookie = browser.cookie;
    assert.equal((await reload.get("/api/sessions")).status, 401);
    assert.equal((await reload.get("/api/status-stream")).status, 401);
    assert.deepEqual(await reload.options(), { required: true, loggedIn: true, password: false, readonly: false });
    assert.equal((await browser.post("/dashboard/logout", {})).status, 204);
    assert.equal(await browser.call(list), 401);
  });

  it("is not told to pages of other origins, nor ended by them", async (t) => {
    const { url, browser } = await open(t, { SESSIOND_CORS_ORIGIN: "https://app.example" });
    const { cookie } = await browser.logIn({ key });
    const foreign = new DashboardBrowser(url, { "sec-fetch-site": "cross-site", origin: "https://app.example" });
    foreign.cookie = cookie;
    const told = await foreign.get("/dashboard/login");
    assert.equal(told.headers.get("access-control-allow-credentials"), null);
    assert.match(await told.text(), /"loggedIn":false/);
    const calls = [foreign.post("/dashboard/logout", {}), foreign.post("/dashboard/login", { key })];
    for (const answer of await Promise.all(calls)) {
      assert.deepEqual([answer.status, answer.headers.get("set-cookie")], [403, null]);
      assert.equal(answer.headers.get("access-control-allow-credentials"), null);
    }
    assert.equal(await browser.call(list), 200);
  });

  it("cannot be made up by a client with the server's internal header", async (t) => {
    const { browser } = await open(t);
    const secret = (await browser.logIn({ key })).cookie.split("=")[1] ?? "";
    browser.cookie = "";
    assert.equal(await browser.call(list, { "x-dashboard-login": secret }), 401);
  });
});

describe("the streams of a login", () => {
  const clientsOf = (url: string, { headers }: DashboardBrowser) => {
    const transport = createConnectTransport({ baseUrl: url, httpVersion: "1.1" });
    return {
      status: () => createClient(SessionService, transport).statusStream({}, { headers }),
      events: () => createClient(EventService, transport).streamEvents({}, { headers }),
    };
  };

  it("end with UNAUTHENTICATED as soon as the login does", async (t) => {
    const { url, browser } = await open(t);
    await browser.logIn({ key });
    const { cookie } = browser;
    const streams = clientsOf(url, browser);
    const ends = [refusalOf(streams.status()), refusalOf(streams.events())];
    const sse = await browser.get("/api/status-stream");
    assert.equal(sse.status, 200);
    const startedAtMs = performance.now();
    await browser.post("/dashboard/logout", {});
    assert.deepEqual(await Promise.all(ends), ["Unauthenticated", "Unauthenticated"]);
    assert.match(await sse.text(), /event: error\ndata: \{"message":"Unauthorized","statusCode":401\}/);
    // A stream that only looks every 15 s is late.
    assert.ok(performance.now() - startedAtMs < 5_000);
    browser.cookie = cookie;
    assert.equal(await refusalOf(clientsOf(url, browser).status()), "Unauthenticated");
  });

  it("end with the login's time, which they do not extend", async (t) => {
    const clock = new FakeClock();
    const { url, browser } = await open(t, {}, { clock });
    await browser.logIn({ key });
    const end = refusalOf(clientsOf(url, browser).status());
    // The stream is open once it has set its timers.
    const timers = clock.pending;
    while (clock.pending === timers) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(12 * hourMs);
    assert.equal(await end, "Unauthenticated");
  });

  it("can be opened by a ticket, which ends with the login", async (t) => {
    const { url, browser } = await open(t);
    await browser.logIn({ key });
    const made = await browser.post("/api/stream-tickets", {});
    const ticket = /"ticket":"(\w+)"/.exec(await made.text())?.[1] ?? "";
    const anyone = await fetch(`${url}/api/status-stream?ticket=${ticket}`);
    assert.equal(anyone.status, 200);
    await browser.post("/dashboard/logout", {});
    assert.match(await anyone.text(), /Unauthorized/);
    assert.equal((await fetch(`${url}/api/status-stream?ticket=${ticket}`)).status, 401);
  });
});

describe("tries to log in", () => {
  it("are five a minute for each address, whatever a client claims about it", async (t) => {
    const clock = new FakeClock();
    const { browser } = await open(t, {}, { clock });
    for (let n = 0; n < 5; n += 1) {
      const answer = await browser.post(
        "/dashboard/login",
        { key: `wrong ${n}` },
        { "x-forwarded-for": `10.0.0.${n}` },
      );
      assert.deepEqual([answer.status, await answer.json()], [401, { statusCode: 401, message: "Unauthorized" }]);
      assert.equal(answer.headers.get("set-cookie"), null);
    }
    const headers = { "x-forwarded-for": "10.9.9.9", forwarded: "for=10.9.9.9", "x-real-ip": "10.9.9.9" };
    const late = await browser.post("/dashboard/login", { key }, headers);
    assert.deepEqual([late.status, late.headers.get("retry-after"), late.headers.get("set-cookie")], [429, "60", null]);
    assert.match(await late.text(), /"statusCode":429/);
    // Callers with the key are not concerned.
    assert.equal(await browser.call(list, { "x-api-key": key }), 200);
    clock.advance(60_000);
    await browser.logIn({ key });
  });

  it("do not count if they succeed or are no login at all", async (t) => {
    const { browser } = await open(t);
    for (let n = 0; n < 8; n += 1) await browser.logIn({ key });
    for (let n = 0; n < 8; n += 1) assert.equal((await browser.post("/dashboard/login", { key: 1 })).status, 400);
    await browser.logIn({ key });
  });

  it("count also if they arrive at once", async (t) => {
    const { browser } = await open(t);
    const tries = Array.from({ length: 20 }, () => browser.post("/dashboard/login", { key: "wrong" }));
    const statuses = (await Promise.all(tries)).map(({ status }) => status).sort();
    assert.deepEqual(statuses, [...Array(5).fill(401), ...Array(15).fill(429)]);
  });

  const bad: readonly [body: unknown, status: number][] = [
    [{}, 400],
    [[], 400],
    [null, 400],
    ["key", 400],
    [{ key: null }, 400],
    [{ key: [key] }, 400],
    [{ username: "ann" }, 400],
    [{ password: "pw" }, 400],
    [{ key, username: "ann", password: "pw" }, 400],
    [{ key: "" }, 401],
    [{ key: `${key} ` }, 401],
    [{ key: key.toUpperCase() }, 401],
    [{ username: "admin", password: key }, 401],
    [{ key: "x".repeat(17_000) }, 413],
  ];
  for (const [body, status] of bad) {
    it(`with ${JSON.stringify(body).slice(0, 60)} are answered ${status}`, async (t) => {
      const { browser } = await open(t);
      const answer = await browser.post("/dashboard/login", body);
      assert.deepEqual([answer.status, answer.headers.get("set-cookie")], [status, null]);
      assert.doesNotMatch(await answer.text(), /k3y/);
    });
  }

  it("succeed with a key outside ASCII, and with the key behind a hash", async (t) => {
    const { createHash } = await import("node:crypto");
    const text = "schlüssel-ключ";
    const { browser } = await open(t, { WAHA_API_KEY: `sha512:${createHash("sha512").update(text).digest("hex")}` });
    await browser.logIn({ key: text });
    assert.equal(await browser.call(list), 200);
  });

  it("never show a key or a cookie in the log", async (t) => {
    const lines: string[] = [];
    const keep = (fields: object, message: string) => void lines.push(JSON.stringify([fields, message]));
    const logger: Logger = { ...silentLogger, debug: keep, info: keep, warn: keep, error: keep, child: () => logger };
    const { browser } = await open(t, {}, { logger });
    await browser.post("/dashboard/login", { key: "wr0ng-key" });
    await browser.logIn({ key });
    await browser.call(list);
    await browser.call(list, { "x-api-key": "wr0ng-key" });
    const secret = browser.cookie.split("=")[1] ?? "";
    assert.match(lines.join("\n"), /"dashboard login refused"/);
    for (const text of [key, "wr0ng-key", secret]) assert.equal(lines.join("\n").includes(text), false);
  });
});

describe("user name and password of the dashboard", () => {
  const password = { WAHA_DASHBOARD_USERNAME: "ann", WAHA_DASHBOARD_PASSWORD: "pass:w0rd ü" };

  it("log in as the key does", async (t) => {
    const { url, browser } = await open(t, password);
    assert.deepEqual(await browser.options(), { required: true, loggedIn: false, password: true, readonly: false });
    await browser.logIn({ username: "ann", password: "pass:w0rd ü" });
    assert.equal(await browser.call(list), 200);
    await new DashboardBrowser(url).logIn({ key });
  });

  const wrong = [
    { username: "ann", password: "" },
    { username: "", password: "pass:w0rd ü" },
    { username: "bob", password: "pass:w0rd ü" },
    { username: "ann:pass", password: "w0rd ü" },
    { username: "ann", password: key },
    { key: "pass:w0rd ü" },
  ];
  for (const proof of wrong) {
    it(`are refused as ${JSON.stringify(proof)}`, async (t) => {
      const { browser } = await open(t, password);
      assert.equal((await browser.post("/dashboard/login", proof)).status, 401);
    });
  }

  it("are not those of Swagger UI", async (t) => {
    const swagger = { WHATSAPP_SWAGGER_USERNAME: "doc", WHATSAPP_SWAGGER_PASSWORD: "d0c" };
    const { browser } = await open(t, { ...password, ...swagger });
    assert.equal((await browser.post("/dashboard/login", { username: "doc", password: "d0c" })).status, 401);
    const basic = `Basic ${btoa("doc:d0c")}`;
    assert.equal((await browser.post("/dashboard/login", { key: "" }, { authorization: basic })).status, 401);
    assert.equal(await browser.call(list, { authorization: basic }), 401);
  });
});

describe("a server without a key on loopback", () => {
  it("asks for no login", async (t) => {
    const { url } = await startServer(t);
    const browser = new DashboardBrowser(url);
    assert.deepEqual(await browser.options(), { required: false, loggedIn: false, password: false, readonly: false });
    const answer = await browser.post("/dashboard/login", { key: "anything" });
    assert.deepEqual([answer.status, answer.headers.get("set-cookie")], [204, null]);
    assert.equal(await browser.call(list), 200);
    assert.equal((await browser.post("/dashboard/logout", {})).status, 204);
  });

  it("stays closed to other hosts' pages", async (t) => {
    const { url } = await startServer(t);
    const foreign = new DashboardBrowser(url, { origin: "https://evil.example" });
    assert.equal((await foreign.get("/dashboard/login")).status, 403);
    assert.equal(await foreign.call(list), 403);
  });
});

it("a dashboard that is on is at / and /dashboard, with /pair beside it", async (t) => {
  const { browser } = await open(t);
  const root = await browser.get("/");
  assert.deepEqual([root.status, root.headers.get("location")], [302, "dashboard"]);
  for (const path of ["/dashboard", "/pair", "/docs"]) assert.equal((await browser.get(path)).status, 200, path);
});

describe("a dashboard that is off", () => {
  for (const env of [{ SESSIOND_DASHBOARD: "off" }, { WAHA_DASHBOARD_ENABLED: "false" }]) {
    it(`has no login, and no cookie counts, with ${JSON.stringify(env)}`, async (t) => {
      const { url, browser } = await open(t, env);
      const headers = { "x-api-key": key };
      assert.equal((await browser.get("/dashboard/login")).status, 401);
      assert.equal((await fetch(`${url}/dashboard/login`, { headers })).status, 404);
      assert.equal((await browser.post("/dashboard/login", { key }, headers)).status, 404);
      assert.equal((await browser.post("/dashboard/logout", {}, headers)).status, 404);
      for (const path of ["/dashboard", "/dashboard/", "/pair"]) {
        assert.equal((await fetch(url + path, { headers })).status, 404, path);
      }
      for (const path of ["/", "/docs"]) assert.match(await (await browser.get(path)).text(), /swagger-ui/, path);
      browser.cookie = `sessiond=${"5e".repeat(32)}`;
      assert.equal(await browser.call(list), 401);
    });
  }
});
