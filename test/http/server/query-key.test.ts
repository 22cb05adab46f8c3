import assert from "node:assert/strict";
import { connect } from "node:http2";
import { text } from "node:stream/consumers";
import { describe, it, type TestContext } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import type { HttpRequest } from "../../../src/http/exchange.ts";
import { moveQueryKey } from "../../../src/http/server/query-key.ts";
import { startRestServer } from "../rest/server.ts";

const key = "s3cr3t";

const moved: readonly [url: string, headers: Record<string, string>, left: string, header: string | undefined][] = [
  ["/api/sessions", {}, "/api/sessions", undefined],
  ["/api/sessions?all=true", {}, "/api/sessions?all=true", undefined],
  [`/api/sessions?x-api-key=${key}`, {}, "/api/sessions", key],
  [`/api/sessions?all=true&x-api-key=${key}&b=%20`, {}, "/api/sessions?all=true&b=%20", key],
  [`/api/sessions?X-Api-Key=${key}`, {}, "/api/sessions", key],
  [`/api/sessions?x%2Dapi%2dkey=${key}`, {}, "/api/sessions", key],
  ["/a?x-api-key=a%20b%26c%3Dd%25", {}, "/a", "a b&c=d%"],
  ["/a?x-api-key=a+b", {}, "/a", "a b"],
  ["/a?x-api-key=a=b==", {}, "/a", "a=b=="],
  [`/a?x-api-key=&x-api-key=${key}`, {}, "/a", key],
  [`/a?x-api-key=${key}&x-api-key=other`, {}, "/a", key],
  [`/a?x-api-key=${key}`, { "x-api-key": "" }, "/a", key],
  [`/a?x-api-key=${key}`, { "x-api-key": "own" }, "/a", "own"],
  [`/a?x-api-key=${key}`, { authorization: "Bearer own" }, "/a", undefined],
  [`/a?x-api-key=${key}`, { authorization: "Basic own" }, "/a", key],
  ["/a?x-api-key=", {}, "/a", undefined],
  ["/a?x-api-key", {}, "/a", undefined],
  ["/a?x-api-key=a%0d%0ab", {}, "/a", undefined],
  ["/a?x-api-key=%zz", {}, "/a", "%zz"],
];

describe("an API key in the query", () => {
  for (const [url, headers, left, header] of moved) {
    it(`leaves ${left} of ${url} with ${JSON.stringify(headers)}`, () => {
      const req = { url, headers: { ...headers } } as HttpRequest;
      moveQueryKey(req);
      assert.deepEqual([req.url, req.headers["x-api-key"]], [left, header]);
    });
  }

  const start = (t: TestContext) =>
    startRestServer(t, {
      session: { listSessions: () => ({}), statusStream: async function* () {} },
      rest: {
        strict: true,
        admit(_rpc, header) {
          if (header.get("x-api-key") !== key) throw new ConnectError("no key", Code.Unauthenticated);
        },
      },
    });

  it("authorizes calls and streams, also in strict mode", async (t) => {
    const { url } = await start(t);
    for (const path of ["/api/sessions", "/api/status-stream", "/API/Sessions/"]) {
      assert.equal((await fetch(`${url}${path}?x-api-key=${key}`)).status, 200, path);
      assert.equal((await fetch(`${url}${path}?x-api-key=wrong`)).status, 401, path);
    }
  });

  it("does not appear in answers", async (t) => {
    const { url } = await start(t);
    for (const path of ["/api/nope", "/nope", "/api/sessions/%zz", "/api/sessions?all=x", "/api/sessions?q=%zz"]) {
      const answer = await fetch(`${url}${path}${path.includes("?") ? "&" : "?"}x-api-key=${key}`);
      assert.ok(answer.status >= 400, path);
      assert.doesNotMatch((await answer.text()) + JSON.stringify([...answer.headers]), new RegExp(key), path);
    }
  });

  it("authorizes over HTTP/2 and does not appear in answers there", async (t) => {
    const { url } = await start(t);
    const session = connect(url);
    t.after(() => session.destroy());
    assert.equal(await text(session.request({ ":path": `/api/sessions?x-api-key=${key}` })), "[]");
    const body = await text(session.request({ ":path": `/api/nope?x-api-key=${key}&a=b` }));
    assert.equal(JSON.parse(body).message, "Cannot GET /api/nope?a=b");
  });
});
