import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { describe, it } from "node:test";
import { parseAllowList } from "../../../src/adapters/undici/address.ts";
import { parseProxyRules } from "../../../src/adapters/undici/proxy-rules.ts";
import type { Resolve } from "../../../src/adapters/undici/ssrf-guard.ts";
import { createWebhookSender, type WebhookSenderOptions } from "../../../src/adapters/undici/webhook.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { cert, key } from "../../support/localhost-certificate.ts";
import { openReceiver } from "../../support/webhook-receiver.ts";
import { openHttpProxy } from "./http-proxy.ts";

const answered = { type: "answered", status: 200 };
const failed = (error: string) => ({ type: "failed", error });

/** A sender with one proxy for both schemes. */
function openSender(proxyUrl: string, more: Partial<WebhookSenderOptions> = {}, noProxy = "") {
  const clock = new FakeClock();
  const proxies = parseProxyRules({
    http: { name: "HTTP_PROXY", value: proxyUrl },
    https: { name: "HTTPS_PROXY", value: proxyUrl },
    none: { name: "NO_PROXY", value: noProxy },
  });
  const sender = createWebhookSender({ clock, proxies, connect: { ca: cert }, ...more });
  const post = (url: string, trusted = false) => {
    const headers = { "X-Webhook-Request-Id": "dlv_1" };
    const request = { url, headers, body: new TextEncoder().encode("{}"), timeoutMs: 30_000, trusted };
    return sender.post(request, new AbortController().signal);
  };
  return { clock, post, [Symbol.asyncDispose]: () => sender.close() };
}

/** A receiver over TLS for localhost. */
async function openTlsReceiver(status = 200) {
  const paths: string[] = [];
  const server = createTlsServer({ key, cert }, (request, response) => {
    paths.push(request.url ?? "");
    response.writeHead(status).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    paths,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

describe("a webhook through a proxy", () => {
  it("is forwarded with the proxy's login for an http URL", async () => {
    await using proxy = await openHttpProxy();
    await using receiver = await openReceiver();
    await using sender = openSender(`http://ann:p%40ss@127.0.0.1:${proxy.port}`);
    const url = `http://user:secret@hooks.test:${receiver.port}/a?b=c`;
    assert.deepEqual(await sender.post(url), answered);
    const target = `http://hooks.test:${receiver.port}/a?b=c`;
    const authorization = `Basic ${Buffer.from("ann:p@ss").toString("base64")}`;
    assert.deepEqual(proxy.requests, [{ method: "POST", target, authorization }]);
    const [got] = receiver.requests;
    assert.deepEqual(
      [got?.path, got?.headers.host, got?.body.toString()],
      ["/a?b=c", `hooks.test:${receiver.port}`, "{}"],
    );
    assert.equal(got?.headers.authorization, `Basic ${Buffer.from("user:secret").toString("base64")}`);
  });

  it("uses a kept tunnel and verifies the receiver for an https URL", async () => {
    await using proxy = await openHttpProxy();
    await using receiver = await openTlsReceiver();
    await using sender = openSender(`http://ann:p%40ss@127.0.0.1:${proxy.port}`, { connectionsPerOrigin: 1 });
    assert.deepEqual(await sender.post(`https://localhost:${receiver.port}/1`), answered);
    assert.deepEqual(await sender.post(`https://localhost:${receiver.port}/2`), answered);
    const authorization = `Basic ${Buffer.from("ann:p@ss").toString("base64")}`;
    assert.deepEqual(proxy.requests, [{ method: "CONNECT", target: `localhost:${receiver.port}`, authorization }]);
    assert.deepEqual(receiver.paths, ["/1", "/2"]);
    const other = await sender.post(`https://other.test:${receiver.port}/`);
    assert.deepEqual(other, failed("TLS certificate not accepted"));
  });

  it("bypasses the proxy for hosts in NO_PROXY", async () => {
    await using proxy = await openHttpProxy();
    await using receiver = await openReceiver();
    await using secure = await openTlsReceiver();
    await using sender = openSender(proxy.url, {}, "127.0.0.0/8,localhost");
    assert.deepEqual(await sender.post(receiver.origin), answered);
    assert.deepEqual(await sender.post(`https://localhost:${secure.port}/`), answered);
    assert.deepEqual(proxy.requests, []);
  });
});

/** Reactions of a proxy to CONNECT, with the expected text after its name. */
const refusals: [string, (socket: Duplex) => unknown, string][] = [
  ...[400, 403, 404, 405, 500, 502, 503, 504].map((status): [string, (socket: Duplex) => unknown, string] => [
    `answers ${status}`,
    (socket) => socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 2\r\n\r\nno`),
    `answered ${status} to CONNECT`,
  ]),
  [
    "requires a login",
    (socket) => socket.end("HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"),
    "answered 407 to CONNECT: its URL needs the user and password that it asks for",
  ],
  ["disconnects", (socket) => socket.destroy(), "did not connect: connection closed before the answer"],
  [
    "speaks another protocol",
    (socket) => socket.end("SSH-2.0-OpenSSH_9.6\r\n"),
    "did not connect: the answer is not HTTP",
  ],
];

describe("a failing proxy", () => {
  for (const [name, onConnect, words] of refusals) {
    it(`is named if it ${name}`, async () => {
      await using proxy = await openHttpProxy({ onConnect });
      await using sender = openSender(`http://ann:secret@127.0.0.1:${proxy.port}`);
      assert.deepEqual(await sender.post("https://hooks.test/"), failed(`the proxy ${proxy.shown} ${words}`));
    });
  }

  it("is named if it does not answer", async () => {
    await using proxy = await openHttpProxy({ onConnect: () => true, onRequest: () => true });
    await using sender = openSender(proxy.url);
    const tunnelled = sender.post("https://hooks.test/");
    await proxy.arrived(1);
    sender.clock.advance(10_000);
    assert.deepEqual(await tunnelled, failed(`the proxy ${proxy.shown} did not answer within 10 s`));
    const forwarded = sender.post("http://hooks.test/");
    await proxy.arrived(2);
    sender.clock.advance(30_000);
    assert.deepEqual(await forwarded, failed(`timed out through the proxy ${proxy.shown}`));
  });

  it("is named if it cannot be reached", async () => {
    const proxy = await openHttpProxy();
    await proxy[Symbol.asyncDispose]();
    await using sender = openSender(proxy.url);
    for (const scheme of ["http", "https"]) {
      const outcome = await sender.post(`${scheme}://hooks.test/`);
      assert.deepEqual(outcome, failed(`the proxy ${proxy.shown} cannot be used: connection refused`), scheme);
    }
  });

  it("is named if its certificate is not accepted", async () => {
    await using receiver = await openTlsReceiver();
    await using sender = openSender(`https://127.0.0.1:${receiver.port}`);
    for (const scheme of ["http", "https"]) {
      const words = "cannot be used: TLS certificate not accepted";
      const outcome = await sender.post(`${scheme}://hooks.test/`);
      assert.deepEqual(outcome, failed(`the proxy 127.0.0.1:${receiver.port} ${words}`), scheme);
    }
  });

  it("is distinguished from a receiver with the same answer", async () => {
    await using proxy = await openHttpProxy();
    for (const status of [403, 502]) {
      await using receiver = await openTlsReceiver(status);
      await using sender = openSender(proxy.url);
      assert.deepEqual(await sender.post(`https://localhost:${receiver.port}/`), { type: "answered", status });
    }
  });

  it("is named with statuses it may have sent itself, and blamed for a 407", async () => {
    let status = 403;
    await using proxy = await openHttpProxy({ onRequest: (response) => response.writeHead(status).end() });
    await using sender = openSender(proxy.url);
    for (status of [403, 502, 503, 504]) {
      const note = `through the proxy ${proxy.shown}, which may have answered itself`;
      assert.deepEqual(await sender.post("http://hooks.test/"), { type: "answered", status, note });
    }
    status = 407;
    const words = "answered 407 to the request: its URL needs the user and password that it asks for";
    assert.deepEqual(await sender.post("http://hooks.test/"), failed(`the proxy ${proxy.shown} ${words}`));
  });
});

describe("a guarded webhook through a proxy", () => {
  const found: Record<string, string[]> = {
    "public.test": ["93.184.216.34"],
    "inner.test": ["10.0.0.7"],
    "both.test": ["93.184.216.34", "10.0.0.7"],
    "allowed.test": ["10.0.0.8"],
  };
  const resolve: Resolve = (host, callback) => {
    const addresses = found[host];
    if (!addresses) return callback(Object.assign(new Error("no such name"), { code: "ENOTFOUND" }), []);
    callback(
      null,
      addresses.map((address) => ({ address, family: 4 })),
    );
  };
  const guard = { allow: parseAllowList(["allowed.test", "10.9.0.0/16"]), resolve };

  /** Hosts, and whether the proxy is asked for them. */
  const hosts: [string, boolean][] = [
    ["public.test", true],
    ["unknown.test", true],
    ["allowed.test", true],
    ["10.9.0.1", true],
    ["8.8.8.8", true],
    ["inner.test", false],
    ["both.test", false],
    ["localhost", false],
    ["a.localhost", false],
    ["127.0.0.1", false],
    ["10.0.0.7", false],
    ["0x7f.1", false],
    ["169.254.169.254", false],
    ["[::1]", false],
    ["[::ffff:10.0.0.7]", false],
    ["[fd00::1]", false],
  ];
  for (const [host, isAsked] of hosts) {
    it(`${isAsked ? "is passed to the proxy" : "is refused"} for ${host}`, async () => {
      await using proxy = await openHttpProxy({
        onConnect: (socket) => socket.end("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"),
        onRequest: (response) => response.writeHead(404).end(),
      });
      await using sender = openSender(proxy.url, { guard });
      for (const scheme of ["http", "https"]) {
        const outcome = await sender.post(`${scheme}://${host}/`);
        if (!isAsked) assert.deepEqual(outcome, failed("destination not allowed"));
      }
      assert.equal(proxy.requests.length, isAsked ? 2 : 0);
      await sender.post(`http://${host}/`, true);
      assert.equal(proxy.requests.length, isAsked ? 3 : 1);
    });
  }
});

/** Values of NO_PROXY, with URLs that bypass the proxy and URLs that do not. */
const exceptions: [string, string[], string[]][] = [
  ["*", ["http://a.test/", "https://1.2.3.4/"], []],
  [
    "example.com",
    ["http://example.com/", "https://a.b.EXAMPLE.com:8443/", "http://example.com./"],
    ["http://notexample.com/"],
  ],
  [".example.com", ["http://example.com/", "http://a.example.com/"], ["http://example.com.evil.test/"]],
  ["*.example.com", ["http://a.example.com/"], ["http://example.com/", "http://aexample.com/"]],
  ["a.test:8080", ["http://a.test:8080/", "https://b.a.test:8080/"], ["http://a.test/", "http://a.test:80800/"]],
  ["a.test:80,b.test:443", ["http://a.test/", "https://b.test/"], ["https://a.test/", "http://b.test/"]],
  [
    "10.0.0.0/8 192.168.1.1",
    ["http://10.1.2.3/", "http://192.168.1.1:81/"],
    ["http://192.168.1.2/", "http://11.0.0.1/"],
  ],
  ["10.*", ["http://10.1.2.3/"], ["http://110.1.2.3/"]],
  [
    "::1,fd00::/8,[2001:db8::1]:8080",
    ["http://[::1]/", "http://[fd00::1]/", "http://[2001:db8::1]:8080/"],
    ["http://[2001:db8::1]/"],
  ],
  ["  , ,localhost,", ["http://localhost:3000/"], ["http://a.test/"]],
  ["bücher.test", ["http://xn--bcher-kva.test/"], ["http://bucher.test/"]],
];

describe("NO_PROXY", () => {
  const rules = (value: string) =>
    parseProxyRules({
      http: { name: "HTTP_PROXY", value: "proxy.test:3128" },
      https: { name: "HTTPS_PROXY", value: "https://proxy.test" },
      none: { name: "NO_PROXY", value },
    });
  for (const [value, past, through] of exceptions) {
    it(`can be "${value}"`, () => {
      const choose = rules(value);
      for (const url of past) assert.equal(choose?.(new URL(url)), undefined, url);
      for (const url of through.filter((each) => URL.canParse(each))) {
        const shown = url.startsWith("https") ? "proxy.test:443" : "proxy.test:3128";
        assert.equal(choose?.(new URL(url))?.shown, shown, url);
      }
    });
  }

  for (const value of ["http://a.test", "10.0.0.0/33", "a.test:port", "a b/c", "<local>", "300.1.1.1"]) {
    it(`cannot be "${value}"`, () => {
      assert.throws(() => rules(value), /^TypeError: NO_PROXY has ".*", which is no host name, address or CIDR block$/);
    });
  }
});

describe("the webhook proxy", () => {
  it("serves only URLs of its own scheme", () => {
    const choose = parseProxyRules({
      http: undefined,
      https: { name: "https_proxy", value: "http://p.test:1" },
      none: undefined,
    });
    assert.equal(choose?.(new URL("http://a.test/")), undefined);
    assert.equal(choose?.(new URL("https://a.test/"))?.shown, "p.test:1");
    assert.equal(
      parseProxyRules({ http: undefined, https: undefined, none: { name: "NO_PROXY", value: "<local>" } }),
      undefined,
    );
  });

  for (const value of [
    "socks5://p.test:1080",
    "http://",
    "ftp://p.test",
    "http://p.test:99999",
    "http://user:secret@",
    "a b",
  ]) {
    it(`cannot be "${value}", which the error does not quote`, () => {
      const set = { http: { name: "http_proxy", value }, https: undefined, none: undefined };
      assert.throws(
        () => parseProxyRules(set),
        (error: Error) => {
          assert.match(error.message, /^http_proxy must be the URL of an HTTP proxy, http:\/\/host:port/);
          return !/socks|ftp|99999|secret|a b/.test(error.message);
        },
      );
    });
  }
});
