import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { corsFor, parseOrigin } from "../../../src/http/server/cors.ts";
import { startRestServer } from "../rest/server.ts";

const normalised: readonly [text: string, origin: string][] = [
  ["https://app.example", "https://app.example"],
  ["HTTPS://App.Example", "https://app.example"],
  ["https://app.example/", "https://app.example"],
  ["https://app.example:443", "https://app.example"],
  ["http://app.example:80/", "http://app.example"],
  ["http://app.example:443", "http://app.example:443"],
  ["http://localhost:5173", "http://localhost:5173"],
  ["https://b\u00fccher.example", "https://xn--bcher-kva.example"],
  ["http://[FD00:0::1]:8080", "http://[fd00::1]:8080"],
  ["capacitor://localhost", "capacitor://localhost"],
  ["Chrome-Extension://AbcDef/", "chrome-extension://abcdef"],
];

const impossible = [
  "app.example",
  "//app.example",
  "https://",
  "https://app.example/path",
  "https://app.example/?a=b",
  "https://app.example#a",
  "https://user:secret@app.example",
  "https://a.example https://b.example",
  "https://*.example",
  "https://app.example:*",
  "https://app.example:99999",
  "*",
  "null",
  "file:///index.html",
  "file://host",
  "https:app.example",
  "'https://app.example'",
];

describe("a CORS origin", () => {
  for (const [text, origin] of normalised) {
    it(`is ${origin} for ${text}`, () => assert.equal(parseOrigin(text), origin));
  }

  for (const text of impossible) {
    it(`is not ${text}`, () => {
      assert.throws(
        () => parseOrigin(text),
        ({ message }: Error) => message.startsWith(`'${text}' is no origin: write `),
      );
    });
  }

  it("is any without credentials for *, which cannot be combined with others", () => {
    for (const origins of ["*", ["*"]] as const) {
      const { origins: allowed, credentials } = corsFor(origins);
      assert.deepEqual([allowed, credentials], ["*", false]);
    }
    assert.throws(() => corsFor(["*", "https://a.example"]), /'\*' is no origin/);
  });

  const ask = async (t: TestContext, origins: "*" | string[], origin: string) => {
    const { url } = await startRestServer(t, { session: { listSessions: () => ({}) }, cors: corsFor(origins) });
    const asked = { origin, "access-control-request-method": "POST", "access-control-request-headers": "x-api-key" };
    const preflight = await fetch(`${url}/api/sessions`, { method: "OPTIONS", headers: asked });
    const answer = await fetch(`${url}/api/sessions`, { headers: { origin } });
    const missing = await fetch(`${url}/api/nope`, { headers: { origin } });
    const of = (name: string) => [preflight, answer, missing].map(({ headers }) => headers.get(name));
    return { of };
  };

  it("is allowed with credentials if listed, and its preflight is cached", async (t) => {
    const { of } = await ask(t, ["HTTPS://App.Example:443/", "http://b.example"], "https://app.example");
    assert.deepEqual(of("access-control-allow-origin"), Array(3).fill("https://app.example"));
    assert.deepEqual(of("access-control-allow-credentials"), ["true", "true", "true"]);
    assert.deepEqual(of("access-control-max-age"), ["7200", null, null]);
    assert.deepEqual(of("vary"), ["Origin, Access-Control-Request-Headers", "Origin", "Origin"]);
  });

  it("is not allowed if unlisted, and caches keep the answers apart", async (t) => {
    const { of } = await ask(t, ["https://app.example"], "https://other.example");
    assert.deepEqual(of("access-control-allow-origin"), [null, null, null]);
    assert.deepEqual(of("access-control-allow-credentials"), [null, null, null]);
    assert.deepEqual(of("vary"), ["Origin, Access-Control-Request-Headers", "Origin", "Origin"]);
  });

  it("gets the same answer as all others without credentials if all are allowed", async (t) => {
    const { of } = await ask(t, "*", "https://app.example");
    assert.deepEqual(of("access-control-allow-origin"), ["*", "*", "*"]);
    assert.deepEqual(of("access-control-allow-credentials"), [null, null, null]);
    assert.deepEqual(of("access-control-max-age"), ["7200", null, null]);
    assert.deepEqual(of("vary"), ["Access-Control-Request-Headers", null, null]);
    assert.match(of("access-control-expose-headers")[1] ?? "", /Sessiond-Warning/);
  });
});
