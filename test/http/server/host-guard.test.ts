import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:http2";
import { text } from "node:stream/consumers";
import { describe, it, type TestContext } from "node:test";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import type { HttpRequest } from "../../../src/http/exchange.ts";
import { defaultCors } from "../../../src/http/server/cors.ts";
import { createHandler } from "../../../src/http/server/handler.ts";
import { createHostGuard, hostPattern } from "../../../src/http/server/host-guard.ts";
import { startServer } from "../rest/server.ts";
import { openSocket } from "./raw-socket.ts";

const guard = createHostGuard({ hosts: ["Proxy.Example", "other.example:8080"], origins: ["https://app.example"] });
const asked = (headers: Record<string, string>) => guard({ headers } as HttpRequest);

const ownHosts = [
  "localhost",
  "LocalHost:3000",
  "localhost.",
  "a.b.localhost:3000",
  "127.0.0.1",
  "127.0.0.1:3000",
  "127.1.2.3",
  "[::1]",
  "[::1]:3000",
  "[0:0:0:0:0:0:0:1]:3000",
  "[::ffff:127.0.0.1]",
  "proxy.example",
  "PROXY.example:443",
  "other.example",
];
const foreignHosts = [
  "",
  "evil.example",
  "evil.example:3000",
  "localhost.evil.example",
  "notlocalhost",
  "127.0.0.1.evil.example",
  "128.0.0.1",
  "10.0.0.1",
  "0.0.0.0",
  "[::2]",
  "[::ffff:10.0.0.1]",
  "a.proxy.example",
  "localhost@evil.example",
  "evil.example@localhost",
  "localhost/evil.example",
  "evil.example#localhost",
  "localhost, evil.example",
  "localhost:port",
  "[::1",
];

describe("the host guard", () => {
  for (const host of ownHosts) {
    it(`allows ${host} as Host, :authority and Origin`, () => {
      assert.equal(asked({ host }), undefined);
      assert.equal(asked({ ":authority": host }), undefined);
      assert.equal(asked({ host: "localhost", origin: `http://${host}` }), undefined);
      assert.equal(asked({ host: "localhost", origin: `https://${host}` }), undefined);
    });
  }

  for (const host of foreignHosts) {
    it(`refuses '${host}' as Host, :authority and Origin`, () => {
      const why = "is not allowed: without an API key only this machine's own names are; add the";
      const host403 = `Host '${host}' ${why} name to SESSIOND_ALLOWED_HOSTS, or set WAHA_API_KEY`;
      assert.equal(asked({ host }), host403);
      assert.equal(asked({ ":authority": host }), host403);
      assert.equal(asked({ ":authority": "localhost", host }), host403);
      assert.equal(asked({ ":authority": host, host: "localhost" }), host403);
      assert.equal(
        asked({ host: "localhost", origin: `http://${host}` }),
        `Origin 'http://${host}' ${why} origin to SESSIOND_CORS_ORIGIN or its host to SESSIOND_ALLOWED_HOSTS, or set WAHA_API_KEY`,
      );
    });
  }

  it("refuses a request without a host", () => {
    assert.match(asked({}) ?? "", /^Host '' is not allowed/);
  });

  it("compares whole origins, and refuses null and other schemes", () => {
    assert.equal(asked({ host: "localhost", origin: "https://app.example" }), undefined);
    for (const origin of [
      "http://app.example",
      "https://app.example:8443",
      "null",
      "file://",
      "chrome-extension://localhost",
    ]) {
      assert.match(asked({ host: "localhost", origin }) ?? "", /^Origin /, origin);
    }
    assert.match(asked({ host: "app.example" }) ?? "", /^Host /);
  });
});

const matching: readonly [pattern: string, hosts: readonly string[], others: readonly string[]][] = [
  [
    "example.com",
    ["example.com", "EXAMPLE.com:81", "example.com."],
    ["a.example.com", "example.com.evil", "xexample.com"],
  ],
  [
    ".example.com",
    ["example.com", "a.example.com", "b.A.example.com:3000", "a.example.com."],
    ["xexample.com", "a.com"],
  ],
  [".Example.COM:8080", ["example.com", "a.example.com:1"], ["example.org"]],
  ["host:8080", ["host", "host:8080", "host:1"], ["a.host"]],
  ["b\u00fccher.example", ["xn--bcher-kva.example"], ["bucher.example"]],
  ["10.1.2.3", ["10.1.2.3", "10.1.2.3:80"], ["10.1.2.4"]],
  ["[fd00::1]", ["[fd00::1]", "[fd00:0::1]:3000"], ["[fd00::2]"]],
  ["fd00::1", ["[fd00::1]"], ["[fd00::2]"]],
  ["my_service", ["my_service:3000"], ["my-service"]],
];

const impossible = [
  "http://example.com",
  "https://example.com:443",
  "//example.com",
  "example.com/",
  "example.com/path",
  "example.com?a",
  "user@example.com",
  "exa mple.com",
  "a.example b.example",
  "*",
  "*.example.com",
  "a.*.example.com",
  "exa*mple.com",
  ".*",
  ".",
  "..example.com",
  "a..example.com",
  ".10.0.0.1",
  ".[::1]",
  "10.0.0.0/8",
  "256.1.1.1",
  "example.com:port",
  "example.com:99999",
  "[::1",
  "[example]",
  "'example.com'",
];

describe("an allowed host", () => {
  for (const [pattern, hosts, others] of matching) {
    it(`${pattern} matches ${hosts.join(", ")}, not ${others.join(", ")}`, () => {
      const ask = createHostGuard({ hosts: [pattern], origins: [] });
      const fault = (host: string) => ask({ headers: { host } } as HttpRequest);
      for (const host of hosts) assert.equal(fault(host), undefined, host);
      for (const host of others) assert.match(fault(host) ?? "", /^Host /, host);
    });
  }

  for (const pattern of impossible) {
    it(`cannot be '${pattern}'`, () => {
      assert.throws(
        () => hostPattern(pattern),
        ({ message }: Error) => message.startsWith(`'${pattern}' is no host name: write `),
      );
    });
  }
});

/** A guarded server that counts the requests that pass the guard. */
async function guarded(t: TestContext) {
  let calls = 0;
  const handler = createHandler({
    guard,
    cors: defaultCors,
    routes: (router) => {
      router.service(SessionService, {
        deleteSession: () => {
          calls += 1;
          return {};
        },
      });
    },
    rest: (_, res) => {
      calls += 1;
      res.end("in");
    },
  });
  const { port } = await startServer(t, handler);
  return { port, calls: () => calls };
}

describe("a guarded port", () => {
  const rpc = "/sessiond.v1.SessionService/DeleteSession";
  const types = ["application/json", "application/proto", "application/grpc-web+proto", "application/grpc"];
  const requests = [
    ["GET", "/ping", "*/*"],
    ["DELETE", "/api/sessions/x", "*/*"],
    ["POST", "/api/sessions", "text/plain"],
    ["OPTIONS", "/api/sessions", "*/*"],
    ...types.map((type) => ["POST", rpc, type] as const),
  ] as const;

  for (const [method, path, type] of requests) {
    it(`refuses ${method} ${path} (${type}) of a foreign host or page`, async (t) => {
      const { port, calls } = await guarded(t);
      for (const foreign of [{ host: "evil.example" }, { origin: "https://evil.example" }]) {
        const req = request({ port, host: "127.0.0.1", method, path, headers: { "content-type": type, ...foreign } });
        req.end(method === "POST" ? '{"session":"x"}' : undefined);
        const [res] = await once(req, "response");
        assert.equal(res.statusCode, 403);
        assert.equal(res.headers["access-control-allow-origin"], undefined);
        const { message, ...rest } = JSON.parse(await text(res));
        assert.deepEqual(rest, { statusCode: 403, error: "Forbidden" });
        assert.match(message, /'(https:\/\/)?evil\.example' is not allowed/);
      }
      assert.equal(calls(), 0);
    });
  }

  it("checks :authority in HTTP/2", async (t) => {
    const { port, calls } = await guarded(t);
    const session = connect(`http://127.0.0.1:${port}`);
    t.after(() => session.destroy());
    const ask = async (authority: string) => {
      const stream = session.request({ ":authority": authority, ":path": "/ping" });
      const [headers] = await once(stream, "response");
      stream.resume();
      return headers[":status"];
    };
    assert.deepEqual([await ask("evil.example"), await ask("localhost"), await ask("evil.example")], [403, 200, 403]);
    assert.equal(calls(), 1);
  });

  it("does not read the body of a refused request", async (t) => {
    const { port } = await guarded(t);
    const { socket, received } = await openSocket(t, port);
    socket.write("POST /api/sessions HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 1000000000\r\n\r\n");
    assert.match(await received("\r\n\r\n"), /^HTTP\/1\.1 403 [\s\S]*Connection: close/i);
  });
});
