import { emptyConfig, info, json, sessionNotFound, violations, withKeys } from "../expectations.ts";
import {
  type CaseGroup,
  get,
  post,
  put,
  type RestCase,
  type Step,
  scanning,
  sessionPath,
  stopped,
} from "../rest-case.ts";

const url = "https://example.com/hook";
const full = {
  metadata: { "user.id": "123" },
  proxy: { server: "localhost:3128", username: "u", password: "hunter2" },
  webhooks: [
    {
      url,
      events: ["message"],
      hmac: { key: "hunter2" },
      customHeaders: [
        { name: "Authorization", value: "Bearer hunter2" },
        { name: "X-Plain", value: "seen" },
      ],
    },
  ],
  debug: true,
  noweb: { markOnline: false, store: { enabled: true, fullSync: true } },
};

const fullShown = {
  metadata: { "user.id": "123" },
  proxy: { server: "localhost:3128", username: "u", password: "***" },
  webhooks: [
    {
      url,
      events: ["message"],
      hmac: { key: "***" },
      retries: null,
      customHeaders: [
        { name: "Authorization", value: "***" },
        { name: "X-Plain", value: "seen" },
      ],
    },
  ],
  debug: true,
  noweb: { markOnline: false, store: { enabled: true, fullSync: true } },
};

const asSent = "WAHA shows a configuration as it was sent";

const showsConfig = (status: number, config: object) => json(status, withKeys({ name: "{session}", config }));

const stillShows = (config: object): Step => ({
  request: get(sessionPath),
  expect: showsConfig(200, config),
  waha: { expect: json(200, withKeys({ name: "{session}" })), because: asSent },
});

const replaced = (name: string, body: unknown, config: object): RestCase => ({
  name,
  given: [stopped(full)],
  request: put(sessionPath, body),
  expect: showsConfig(200, config),
  waha: { expect: json(200, withKeys({ name: "{session}" })), because: asSent },
  after: [stillShows(config)],
});

const refused = (name: string, config: unknown, path: string): RestCase => ({
  name: `${name} is refused, and nothing has changed`,
  given: [stopped(full)],
  request: put(sessionPath, { config }),
  expect: violations(path),
  after: [stillShows(fullShown)],
  onlySessiond: "WAHA checks less",
});

/** PUT /api/sessions/{session} and its alias by POST. */
export const updateCases: CaseGroup = {
  title: "PUT /api/sessions/{session}",
  cases: [
    replaced("replaces the whole configuration", { config: { debug: true } }, { ...emptyConfig, debug: true }),
    replaced("an empty config resets all", { config: {} }, emptyConfig),
    replaced("no config resets all", {}, emptyConfig),
    replaced("no body resets all", undefined, emptyConfig),
    replaced("a name in the body is allowed, and changes nothing", { name: "other", config: {} }, emptyConfig),
    replaced("unknown fields are ignored", { extra: true, config: { nope: 1 } }, emptyConfig),
    replaced("*** keeps the secrets that are stored, and shows them masked", { config: fullShown }, fullShown),
    {
      name: "answers with the info of a stopped session, which stays stopped",
      given: [stopped()],
      request: put(sessionPath, { config: { debug: true } }),
      expect: json(200, withKeys(info("STOPPED", { ...emptyConfig, debug: true }))),
      waha: { expect: json(200, withKeys({ name: "{session}", status: "STOPPED", me: null })), because: asSent },
    },
    {
      name: "starts a running session again with the new configuration",
      given: [scanning()],
      request: put(sessionPath, { config: { metadata: { a: "b" } } }),
      expect: json(200, withKeys(info("STARTING", { metadata: { a: "b" }, ...emptyConfig }))),
      waha: { expect: json(200, withKeys({ name: "{session}" })), because: asSent },
      after: [
        { request: get("/api/{session}/auth/qr"), expect: { status: 200, headers: { "content-type": "image/png" } } },
      ],
    },
    {
      name: "a refused configuration leaves a running session running, with its old one",
      given: [scanning({ debug: true })],
      request: put(sessionPath, { config: { debug: "yes" } }),
      expect: violations("config.debug must be a boolean value"),
      after: [
        {
          request: get(sessionPath),
          expect: json(200, withKeys(info("SCAN_QR_CODE", { ...emptyConfig, debug: true }))),
          waha: { expect: json(200, withKeys({ status: "SCAN_QR_CODE" })), because: asSent },
        },
      ],
    },
    refused("a webhook URL without a scheme", { webhooks: [{ url: "x", events: ["*"] }] }, "config.webhooks.0.url"),
    refused("a proxy with a scheme", { proxy: { server: "http://localhost:1" } }, "config.proxy.server"),
    refused("metadata with a number", { metadata: { a: 1 } }, "config.metadata.a"),
    {
      name: "a session that does not exist is not found",
      request: put(sessionPath, { config: {} }),
      expect: sessionNotFound,
      after: [{ request: get(sessionPath), expect: sessionNotFound }],
    },
    {
      name: "POST does the same, and answers 201",
      given: [stopped(full)],
      request: post(`${sessionPath}/`, { config: { debug: true } }),
      expect: json(201, withKeys(info("STOPPED", { ...emptyConfig, debug: true }))),
      after: [stillShows({ ...emptyConfig, debug: true })],
      onlySessiond: "the page's table has the route, WAHA's code does not",
    },
    {
      name: "POST without the slash does so as well",
      given: [stopped()],
      request: post(sessionPath, { name: "{session}", config: { metadata: { a: "b" } } }),
      expect: json(201, withKeys(info("STOPPED", { metadata: { a: "b" }, ...emptyConfig }))),
      onlySessiond: "the page's table has the route, WAHA's code does not",
    },
    {
      name: "POST to a session that does not exist is not found",
      request: post(`${sessionPath}/`, { config: {} }),
      expect: sessionNotFound,
      onlySessiond: "the page's table has the route, WAHA's code does not",
    },
  ],
};
