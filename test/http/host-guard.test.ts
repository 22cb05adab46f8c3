import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:http2";
import { text } from "node:stream/consumers";
import { suite, type TestContext, test } from "node:test";
import { SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import { defaultCors } from "../../src/http/cors.ts";
import type { HttpRequest } from "../../src/http/exchange.ts";
import { createHandler } from "../../src/http/handler.ts";
import { createHostGuard } from "../../src/http/host-guard.ts";
import { openSocket } from "./raw-socket.ts";
import { startServer } from "./rest-server.ts";

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

suite("the guard of a server on loopback", () => {
  for (const host of ownHosts) {
    test(`lets ${host} in, as Host, as :authority and as Origin`, () => {
      assert.equal(asked({ host }), undefined);
      assert.equal(asked({ ":authority": host }), undefined);
      assert.equal(asked({ host: "localhost", origin: `http://${host}` }), undefined);
      assert.equal(asked({ host: "localhost", origin: `https://${host}` }), undefined);
    });
  }

  for (const host of foreignHosts) {
    test(`keeps '${host}' out, in each of these`, () => {
      const why = "is not allowed: without an API key only this machine's own names are";
      assert.equal(asked({ host }), `Host '${host}' ${why}`);
      assert.equal(asked({ ":authority": host }), `Host '${host}' ${why}`);
      assert.equal(asked({ ":authority": "localhost", host }), `Host '${host}' ${why}`);
      assert.equal(asked({ ":authority": host, host: "localhost" }), `Host '${host}' ${why}`);
      assert.equal(asked({ host: "localhost", origin: `http://${host}` }), `Origin 'http://${host}' ${why}`);
    });
  }

  test("keeps out who names no host", () => {
    assert.match(asked({}) ?? "", /^Host '' is not allowed/);
  });

  test("knows origins by their whole text, and null and other schemes are no origins of this machine", () => {
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

/** A guarded server that counts what gets past the guard. */
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

suite("a guarded port", () => {
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
    test(`answers ${method} ${path} (${type}) of a foreign host or page with 403, and does nothing`, async (t) => {
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

  test("goes by :authority in HTTP/2", async (t) => {
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

  test("reads nothing of a body it does not want", async (t) => {
    const { port } = await guarded(t);
    const { socket, closed } = await openSocket(t, port);
    socket.write("POST /api/sessions HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 1000000000\r\n\r\n");
    assert.match(await closed, /^HTTP\/1\.1 403 [\s\S]*Connection: close/i);
  });
});
