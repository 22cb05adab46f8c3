import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http";
import { describe, it } from "node:test";
import { moveLoginCookie } from "../../../src/http/dashboard-login/cookie.ts";
import { type Sender, senderOf } from "../../../src/http/dashboard-login/same-origin.ts";
import { loginSecret } from "../../../src/http/dialect.ts";
import type { HttpRequest } from "../../../src/http/exchange.ts";

const secret = "5e".repeat(32);

const request = (method: string, headers: IncomingHttpHeaders, encrypted = false) =>
  ({ method, headers, socket: { encrypted } }) as unknown as HttpRequest;

const lan = "192.168.1.7:3000";

const cases: readonly [what: string, method: string, headers: IncomingHttpHeaders, sender: Sender][] = [
  ["a page of this server", "GET", { "sec-fetch-site": "same-origin", host: lan }, "same_origin"],
  [
    "a page of this server, whose proxy changes Host",
    "POST",
    { "sec-fetch-site": "same-origin", host: "inner", origin: "https://outer" },
    "same_origin",
  ],
  ["another port of this host", "POST", { "sec-fetch-site": "same-site", host: lan }, "other_origin"],
  ["another site", "POST", { "sec-fetch-site": "cross-site", host: lan }, "other_origin"],
  ["the address bar", "GET", { "sec-fetch-site": "none", host: lan }, "other_origin"],
  [
    "a site that also sends an Origin like ours",
    "POST",
    { "sec-fetch-site": "cross-site", host: lan, origin: `http://${lan}` },
    "other_origin",
  ],
  ["an unknown word", "POST", { "sec-fetch-site": "", host: lan, origin: `http://${lan}` }, "other_origin"],
  ["a POST on a LAN", "POST", { host: lan, origin: `http://${lan}` }, "same_origin"],
  ["a POST on a LAN at the default port", "POST", { host: "box.lan:80", origin: "http://box.lan" }, "same_origin"],
  ["a POST on a LAN, written in capitals", "POST", { host: "Box.LAN", origin: "http://box.lan" }, "same_origin"],
  ["a POST over HTTP/2", "POST", { ":authority": lan, origin: `http://${lan}` }, "same_origin"],
  [
    "a POST through a TLS proxy",
    "POST",
    { host: "box", origin: "https://box", "x-forwarded-proto": "https" },
    "same_origin",
  ],
  ["a GET on a LAN", "GET", { host: lan }, "unknown"],
  ["a GET with our Origin", "GET", { host: lan, origin: `http://${lan}` }, "unknown"],
  ["a HEAD with our Origin", "HEAD", { host: lan, origin: `http://${lan}` }, "unknown"],
  ["a PUT with our Origin", "PUT", { host: lan, origin: `http://${lan}` }, "unknown"],
  ["a POST without Origin", "POST", { host: lan }, "unknown"],
  ["another port on a LAN", "POST", { host: lan, origin: "http://192.168.1.7:8080" }, "other_origin"],
  ["the default port on a LAN", "POST", { host: lan, origin: "http://192.168.1.7" }, "other_origin"],
  ["another host on a LAN", "POST", { host: lan, origin: "http://192.168.1.8:3000" }, "other_origin"],
  ["another scheme on a LAN", "POST", { host: "box", origin: "https://box" }, "other_origin"],
  ["a sandboxed frame", "POST", { host: lan, origin: "null" }, "other_origin"],
  ["an extension", "POST", { host: lan, origin: "chrome-extension://abc" }, "other_origin"],
  ["two origins", "POST", { host: lan, origin: `http://${lan}, http://${lan}` }, "other_origin"],
  ["a host with a prefix of ours", "POST", { host: "box", origin: "http://box.evil.example" }, "other_origin"],
  ["a POST without Host", "POST", { origin: "http://undefined" }, "other_origin"],
];

describe("the sender of a request", () => {
  for (const [what, method, headers, sender] of cases) {
    it(`${what} is ${sender}`, () => {
      assert.equal(senderOf(request(method, headers)), sender);
    });

    it(`the cookie of ${what} ${sender === "same_origin" ? "counts" : "does not count"}`, () => {
      const name = headers["x-forwarded-proto"] === "https" ? "__Host-sessiond" : "sessiond";
      const req = request(method, { ...headers, cookie: `a=b; ${name}=${secret}; c=d` });
      moveLoginCookie(req);
      assert.equal(req.headers[loginSecret.header], sender === "same_origin" ? secret : undefined);
    });
  }
});

const own = { "sec-fetch-site": "same-origin", host: lan };

const cookies: readonly [cookie: string, encrypted: boolean, counts: boolean][] = [
  [`sessiond=${secret}`, false, true],
  [`x=1;sessiond=${secret}`, false, true],
  [`__Host-sessiond=${secret}`, true, true],
  // Another application of this host, without TLS, can set a cookie of this name.
  [`sessiond=${secret}`, true, false],
  [`__Host-sessiond=${secret}`, false, false],
  [`xsessiond=${secret}`, false, false],
  [`sessiond=${secret}0`, false, false],
  ["sessiond=", false, false],
  ["sessiond", false, false],
  [`sessiond="${secret}"`, false, false],
];

describe("the cookie of the dashboard", () => {
  for (const [cookie, encrypted, counts] of cookies) {
    it(`'${cookie.replace(secret, "…")}' ${counts ? "counts" : "does not count"} ${encrypted ? "with" : "without"} TLS`, () => {
      const req = request("POST", { ...own, cookie }, encrypted);
      moveLoginCookie(req);
      assert.equal(req.headers[loginSecret.header], counts ? secret : undefined);
    });
  }
});
