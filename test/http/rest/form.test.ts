import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { startRestServer } from "./server.ts";

const formType = "application/x-www-form-urlencoded";

/** Records the messages of the calls that accept forms. */
async function start(t: TestContext, strict = false) {
  const calls: object[] = [];
  const record = <T>(call: object, answer: T): T => {
    calls.push(call);
    return answer;
  };
  const { url } = await startRestServer(t, {
    session: {
      startSessionDeprecated: ({ name }) => record({ start: name }, { name }),
      stopSessionDeprecated: ({ name, logout }) => record({ stop: name, logout }, {}),
      logoutSessionDeprecated: ({ name }) => record({ logout: name }, {}),
    },
    auth: {
      requestCode: ({ session, phoneNumber, method }) => record({ session, phoneNumber, method }, {}),
    },
    rest: { strict },
  });
  const post = async (path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) => {
    const answer = await fetch(url + path, { method: "POST", headers: { "content-type": formType, ...headers }, body });
    const text = await answer.text();
    return { status: answer.status, message: text === "" ? undefined : JSON.parse(text).message };
  };
  return { calls, post };
}

const code = "/api/x/auth/request-code";
const read: readonly [path: string, body: string, call: object][] = [
  ["/api/sessions/start", "name=a", { start: "a" }],
  ["/API/Sessions/Start/", "name=a%5fb\n", { start: "a_b" }],
  ["/api/sessions/start", "", { start: "" }],
  ["/api/sessions/start", "name=&unknown=1", { start: "" }],
  ["/api/sessions/stop", "name=a", { stop: "a", logout: false }],
  ["/api/sessions/stop", "name=a&logout=true", { stop: "a", logout: true }],
  ["/api/sessions/stop", "logout=1&name=a", { stop: "a", logout: true }],
  ["/api/sessions/stop", "name=a&logout=", { stop: "a", logout: false }],
  ["/api/sessions/logout", "name=a", { logout: "a" }],
  [code, "phoneNumber=12132132130", { session: "x", phoneNumber: "12132132130", method: undefined }],
  [code, "phone_number=12132132130", { session: "x", phoneNumber: "12132132130", method: undefined }],
  [
    code,
    "phoneNumber=%2B1+213+213%202130&method=",
    { session: "x", phoneNumber: "+1 213 213 2130", method: undefined },
  ],
  [code, "phoneNumber=1&session=other", { session: "x", phoneNumber: "1", method: undefined }],
];

const refused: readonly [path: string, body: string, message: RegExp][] = [
  ["/api/sessions/start", "name=%zz", /^Malformed percent-encoding in the body$/],
  ["/api/sessions/start", "name=%ff", /^Malformed percent-encoding in the body$/],
  ["/api/sessions/start", "n%=a", /^Malformed percent-encoding in the body$/],
  ["/api/sessions/start", "name=a&name=b", /^name must be in the form only once$/],
  [code, "phoneNumber=1&phone_number=2", /^phoneNumber must be in the form only once$/],
  ["/api/sessions/start", "config[debug]=true", /nested names .*: application\/json$/],
  ["/api/sessions/start", "config%5Bdebug%5D=true", /nested names .*: application\/json$/],
  ["/api/sessions/start", "config.debug=true", /nested names .*: application\/json$/],
  ["/api/sessions/start", "name[]=a", /nested names .*: application\/json$/],
  ["/api/sessions/start", "config=%7B%7D", /^config cannot be part of a form: .*: application\/json$/],
  ["/api/sessions/stop", '{"name":"a","logout":true}', /^Body is not a form: .* Content-Type: application\/json$/],
  ["/api/sessions/stop", ' [{"name":"a"}]', /^Body is not a form: .* Content-Type: application\/json$/],
  ["/api/sessions/stop", "%7B%22name%22%3A%22a%22%7D", /^Body is not a form: .* Content-Type: application\/json$/],
  ["/api/sessions/stop", "name=a&logout=maybe", /^logout must be a boolean value$/],
];

describe("a urlencoded form", () => {
  for (const [path, body, call] of read) {
    it(`${JSON.stringify(body)} is accepted by ${path}`, async (t) => {
      const { calls, post } = await start(t);
      assert.equal((await post(path, body)).status, 201);
      assert.deepEqual(calls, [call]);
    });
  }

  for (const [path, body, message] of refused) {
    it(`${JSON.stringify(body)} is refused by ${path} with 400`, async (t) => {
      const { calls, post } = await start(t);
      const answer = await post(path, body);
      assert.equal(answer.status, 400);
      assert.match(String(answer.message), message);
      assert.deepEqual(calls, []);
    });
  }

  it("may be compressed and declare UTF-8, but no other charset", async (t) => {
    const { calls, post } = await start(t);
    const zipped = new Uint8Array(gzipSync("name=z"));
    assert.equal((await post("/api/sessions/start", zipped, { "content-encoding": "gzip" })).status, 201);
    const typed = (charset: string) =>
      post("/api/sessions/start", "name=u", { "content-type": `${formType}; charset=${charset}` });
    assert.equal((await typed("UTF-8")).status, 201);
    assert.equal((await typed("iso-8859-1")).status, 415);
    assert.deepEqual(calls, [{ start: "z" }, { start: "u" }]);
  });

  it("has no unknown names in strict mode", async (t) => {
    const { post } = await start(t, true);
    const answer = await post("/api/sessions/start", "name=a&nope=1");
    assert.deepEqual(answer, { status: 400, message: ["property nope should not exist"] });
  });

  it("is refused with 415 by other calls, which name the header to send", async (t) => {
    const { post } = await start(t);
    for (const path of ["/api/sessions", "/api/sessions/x", "/api/x/auth/authorize-code"]) {
      for (const body of ["name=a", '{"name":"a"}']) {
        const { status, message } = await post(path, body);
        assert.equal(status, 415, path);
        assert.match(message, /send the body as JSON with the header Content-Type: application\/json$/);
      }
    }
  });

  it("is named in the 415 for other types", async (t) => {
    const { post } = await start(t);
    const { status, message } = await post("/api/sessions/start", "name=a", { "content-type": "multipart/form-data" });
    assert.equal(status, 415);
    assert.match(message, /^Content-Type must be application\/json or application\/x-www-form-urlencoded: send /);
  });
});
