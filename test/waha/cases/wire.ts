import {
  empty,
  emptyConfig,
  exactly,
  failure,
  failureLike,
  info,
  json,
  sessionNotFound,
  text,
  withKeys,
} from "../expectations.ts";
import type { RestRequest } from "../http-client.ts";
import { type CaseGroup, del, get, post, put, type RestCase, sessionPath, stopped } from "../rest-case.ts";

const sessions = "/api/sessions";
const raw = (rawBody: string | Uint8Array, headers: Record<string, string> = {}): RestRequest => ({
  method: "POST",
  path: sessions,
  rawBody,
  headers,
});

const unknown = (method: string, path: string): RestCase => ({
  name: `${method} ${path} is an unknown route`,
  request: { method, path },
  expect: failure(404, `Cannot ${method} ${path}`),
});

/** Unknown routes. */
export const unknownRouteCases: CaseGroup = {
  title: "unknown routes and methods",
  cases: [
    unknown("GET", "/api/nope"),
    unknown("POST", "/api/nope"),
    unknown("GET", "/API/Nope"),
    unknown("GET", "/nope/at/all"),
    unknown("PATCH", "/api/sessions/x"),
    unknown("PUT", "/api/sessions"),
    unknown("DELETE", "/api/sessions"),
    unknown("PATCH", "/api/sessions"),
    unknown("GET", "/api/sessions/x/start"),
    unknown("DELETE", "/api/sessions/x/me"),
    unknown("POST", "/api/sessions/x/me"),
    unknown("GET", "/api/sessions/x/nope"),
    unknown("PUT", "/api/x/auth/qr"),
    unknown("GET", "/api/x/auth/authorize-code"),
    unknown("POST", "/api/screenshot"),
    unknown("POST", "/ping"),
    unknown("DELETE", "/api/server/version"),
    {
      name: "a session that does not exist has no unknown route: its own 404 shows",
      request: get(sessionPath),
      expect: sessionNotFound,
    },
  ],
};

const infoOfStopped: Pick<RestCase, "expect" | "waha"> = {
  expect: json(200, withKeys(info("STOPPED"))),
  waha: {
    expect: json(200, withKeys({ name: "{session}", status: "STOPPED" })),
    because: "WAHA leaves out of `config` what was not sent",
  },
};

const found = (name: string, path: string): RestCase => ({
  name,
  given: [stopped()],
  request: get(path),
  ...infoOfStopped,
});

const badName = (what: string, segment: string): RestCase => ({
  name: `a name in the path ${what} is refused`,
  request: get(`/api/sessions/${segment}`),
  expect: failureLike(400, /./),
  onlySessiond: "WAHA looks for such a session",
});

/** Parsing of paths. */
export const pathCases: CaseGroup = {
  title: "paths",
  cases: [
    found("a slash at the end is accepted", `${sessionPath}/`),
    found("letter case does not count", "/API/Sessions/{session}"),
    {
      name: "percent-encoding in a literal part of the path is decoded",
      given: [stopped()],
      request: get("/api/s%65ssions/{session}"),
      expect: json(200, withKeys({ name: "{session}" })),
      onlySessiond: "Express matches such paths as they come",
    },
    {
      name: "percent-encoding in a name is decoded",
      given: [stopped(undefined, "_a")],
      request: get("/api/sessions/{session}%5Fa"),
      expect: json(200, withKeys({ name: "{session}_a" })),
    },
    {
      name: "letter case counts in a name",
      given: [stopped(undefined, "_a")],
      request: get("/api/sessions/{session}_A"),
      expect: sessionNotFound,
    },
    {
      name: "a slash at the end of the list is accepted",
      request: get(`${sessions}/?all=true`),
      expect: json(200, text(/^\[/)),
    },
    {
      name: "a slash at the end of create is accepted",
      request: post(`${sessions}/`, { name: "{session}", start: false }),
      expect: json(201, withKeys({ name: "{session}" })),
    },
    {
      name: "a slash at the end of stop is accepted",
      given: [stopped()],
      request: post(`${sessionPath}/stop/`),
      expect: json(201, withKeys({ name: "{session}", status: "STOPPED" })),
    },
    {
      name: "letter case does not count in the routes of one session",
      given: [stopped()],
      request: post("/Api/SESSIONS/{session}/Stop"),
      expect: json(201, withKeys({ name: "{session}", status: "STOPPED" })),
    },
    {
      name: "a slash at the end of the deprecated routes keeps them apart from names",
      given: [stopped()],
      request: post(`${sessions}/stop/`, { name: "{session}" }),
      expect: { status: 201, body: empty },
    },
    {
      name: "malformed percent-encoding is refused",
      request: get("/api/sessions/%zz"),
      expect: failureLike(400, /./),
      onlySessiond: "WAHA leaves this to Express",
    },
    {
      name: "percent-encoding that is no UTF-8 is refused",
      request: get("/api/sessions/%E0%A4%A"),
      expect: failureLike(400, /./),
      onlySessiond: "WAHA leaves this to Express",
    },
    {
      name: "bytes that are no UTF-8 are refused",
      request: get("/api/sessions/%ff%fe/me"),
      expect: failureLike(400, /./),
      onlySessiond: "WAHA leaves this to Express",
    },
    badName("with a space", "a%20b"),
    badName("with an encoded slash", "a%2Fb"),
    badName("that climbs directories", "..%2F..%2Fetc%2Fpasswd"),
    badName("of 55 characters", "n".repeat(55)),
    badName("with a NUL", "a%00b"),
    badName("with letters beyond ASCII", "z%C3%BCrich"),
  ],
};

const secret = "hunter2";
const hasPlace = /line \d+|column \d+|position \d+/;
const noEcho = new RegExp(secret);

const badJson = (what: string, body: string): RestCase => ({
  name: `bad JSON, ${what}: says where, and does not repeat it`,
  request: raw(body),
  expect: json(400, (answer, context) => {
    failureLike(400, hasPlace).body?.(answer, context);
    text(/./, noEcho)(answer, context);
  }),
  waha: { expect: { status: 400 }, because: "WAHA repeats the text it cannot read" },
});

const notObject = (what: string, body: string): RestCase => ({
  name: `a body that is ${what} is refused`,
  request: raw(body),
  expect: failureLike(400, /./),
  onlySessiond: "WAHA takes some of these for an empty object",
});

const charset = (value: string): RestCase => ({
  name: `the charset ${value} is refused`,
  request: raw('{"name":"{session}","start":false}', { "content-type": `application/json; charset=${value}` }),
  expect: failureLike(415, /./),
  onlySessiond: "WAHA accepts other charsets",
});

/** Parsing of bodies. */
export const bodyCases: CaseGroup = {
  title: "bodies",
  cases: [
    badJson("cut short", `{"name":"{session}","config":{"proxy":{"password":"${secret}"`),
    badJson("single quotes", `{'name':'${secret}'}`),
    badJson("a comma too many", `{"name":"${secret}",}`),
    badJson("no value", `{"name":}`),
    badJson("text after the end", `{"start":false} ${secret}`),
    badJson("a bare word", secret),
    notObject("an array", "[]"),
    notObject("an array of objects", '[{"name":"a"}]'),
    notObject("a text", '"name"'),
    notObject("a number", "5"),
    notObject("null", "null"),
    notObject("a boolean", "true"),
    {
      name: "a body that is no object is refused by PUT as well",
      given: [stopped({ debug: true })],
      request: put(sessionPath, []),
      expect: failureLike(400, /./),
      after: [{ request: get(sessionPath), expect: json(200, withKeys({ config: { ...emptyConfig, debug: true } })) }],
      onlySessiond: "WAHA takes an array for an empty object",
    },
    {
      name: "bytes that are no UTF-8 are refused",
      request: raw(Uint8Array.from([...Buffer.from('{"name":"'), 0xff, 0xfe, ...Buffer.from('"}')])),
      expect: failureLike(400, /./),
      onlySessiond: "WAHA puts replacement characters in their place",
    },
    charset("utf-16"),
    charset("iso-8859-1"),
    charset("koi8-r"),
    {
      name: "the charset UTF-8 is fine, in any letter case",
      request: raw('{"name":"{session}","start":false}', { "content-type": "application/json; charset=UTF-8" }),
      expect: json(201, withKeys({ name: "{session}" })),
    },
    {
      name: "values keep their letters, whatever they are",
      request: post(sessions, {
        name: "{session}",
        start: false,
        config: { metadata: { name: 'Žofie "👩‍🚀" \\ \u2028 </script>' } },
      }),
      expect: json(
        201,
        withKeys({ config: { metadata: { name: 'Žofie "👩‍🚀" \\ \u2028 </script>' }, ...emptyConfig } }),
      ),
      waha: {
        expect: json(201, withKeys({ name: "{session}" })),
        because: "WAHA shows a configuration as it was sent",
      },
    },
    {
      name: "a body of 1 MiB is read",
      request: post(sessions, { name: "{session}", start: false, padding: "x".repeat(1024 * 1024) }),
      expect: json(201, withKeys({ name: "{session}" })),
    },
    {
      name: "a body larger than 10 MiB is refused",
      request: raw(`${" ".repeat(10 * 1024 * 1024)}{"name":"{session}","start":false}`),
      expect: failureLike(413, /./),
      onlySessiond: "WAHA's limit is another",
      after: [{ request: get(sessionPath), expect: sessionNotFound }],
    },
    {
      name: "a body larger than 10 MiB is refused where its length is not announced",
      request: raw(`${" ".repeat(10 * 1024 * 1024)}{"name":"{session}","start":false}`, {
        "content-length": "",
        "transfer-encoding": "chunked",
      }),
      expect: failureLike(413, /./),
      onlySessiond: "WAHA's limit is another",
      after: [{ request: get(sessionPath), expect: sessionNotFound }],
    },
    {
      name: "two keys of one name: the last counts, as with JSON.parse",
      request: raw('{"name":"other","name":"{session}","start":false}'),
      expect: json(201, withKeys({ name: "{session}" })),
    },
    {
      name: "GET with a body is answered as without",
      given: [stopped()],
      request: { ...get(sessionPath), rawBody: "not JSON", headers: { "content-type": "text/plain" } },
      ...infoOfStopped,
    },
  ],
};

const preflight = (path: string): RestRequest => ({
  method: "OPTIONS",
  path,
  headers: {
    origin: "https://dashboard.example",
    "access-control-request-method": "PUT",
    "access-control-request-headers": "content-type,x-api-key",
  },
});

const allowed = {
  status: 204,
  headers: {
    "access-control-allow-origin": /^(\*|https:\/\/dashboard\.example)$/,
    "access-control-allow-methods": /PUT/,
    "access-control-allow-headers": /content-type, ?x-api-key/i,
  },
  body: empty,
};

/** HEAD, OPTIONS, and the access of pages from other origins. */
export const methodCases: CaseGroup = {
  title: "HEAD, OPTIONS and CORS",
  cases: [
    {
      name: "HEAD of a session is as GET, without the body",
      given: [stopped()],
      request: { method: "HEAD", path: sessionPath },
      expect: {
        status: 200,
        headers: { "content-type": /^application\/json/, "content-length": /^[1-9]\d*$/ },
        body: empty,
      },
    },
    {
      name: "HEAD of a session that does not exist is 404",
      request: { method: "HEAD", path: sessionPath },
      expect: { status: 404, body: empty },
    },
    {
      name: "HEAD of the list is 200",
      request: { method: "HEAD", path: sessions },
      expect: { status: 200, body: empty },
    },
    {
      name: "HEAD of an unknown route is 404",
      request: { method: "HEAD", path: "/api/nope" },
      expect: { status: 404, body: empty },
    },
    { name: "a preflight of the list is answered", request: preflight(sessions), expect: allowed },
    { name: "a preflight of one session is answered", request: preflight(sessionPath), expect: allowed },
    { name: "a preflight of the QR code is answered", request: preflight("/api/x/auth/qr"), expect: allowed },
    {
      name: "an answer to a page of another origin says that it may be read",
      request: get("/ping", { origin: "https://dashboard.example" }),
      expect: {
        status: 200,
        headers: { "access-control-allow-origin": /^(\*|https:\/\/dashboard\.example)$/ },
        body: exactly({ message: "pong" }),
      },
    },
    {
      name: "an error to a page of another origin may be read, too",
      request: get(sessionPath, { origin: "https://dashboard.example" }),
      expect: {
        ...sessionNotFound,
        headers: { "access-control-allow-origin": /^(\*|https:\/\/dashboard\.example)$/ },
      },
    },
    {
      name: "an empty answer has no content type",
      request: del(sessionPath),
      expect: { status: 200, headers: { "content-type": null }, body: empty },
    },
  ],
};
