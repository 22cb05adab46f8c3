import { empty, emptyConfig, exactly, failure, json, sessionNotFound, violations, withKeys } from "../expectations.ts";
import { type CaseGroup, get, post, type Step, scanning, sessionPath, starting, stopped } from "../rest-case.ts";

const start = (config?: object) => post("/api/sessions/start", { name: "{session}", ...(config && { config }) });
const stop = (logout?: boolean) =>
  post("/api/sessions/stop", { name: "{session}", ...(logout !== undefined && { logout }) });
const logout = post("/api/sessions/logout", { name: "{session}" });
const nothing = { status: 201, body: empty };
const bare = "WAHA leaves out of `config` what was not sent";

const isNow = (status: string, config?: object): Step => ({
  request: get(sessionPath),
  expect: json(200, withKeys({ name: "{session}", status, ...(config && { config }) })),
  waha: { expect: json(200, withKeys({ name: "{session}", status })), because: bare },
});

const isGone: Step = { request: get(sessionPath), expect: sessionNotFound };

/** Calls from before WAHA had one route for each session. */
export const deprecatedCases: CaseGroup = {
  title: "deprecated POST /api/sessions/start, stop, logout",
  cases: [
    {
      name: "start: creates and starts, and answers with name, status and config alone",
      request: start(),
      expect: json(201, exactly({ name: "{session}", status: "STARTING", config: emptyConfig })),
      waha: { expect: json(201, withKeys({ name: "{session}" })), because: bare },
    },
    {
      name: "start: takes a configuration",
      request: start({ metadata: { a: "b" } }),
      expect: json(
        201,
        exactly({ name: "{session}", status: "STARTING", config: { metadata: { a: "b" }, ...emptyConfig } }),
      ),
      waha: { expect: json(201, withKeys({ name: "{session}" })), because: bare },
    },
    {
      name: "start: replaces the configuration of a stopped session",
      given: [stopped({ metadata: { a: "b" } })],
      request: start({ debug: true }),
      expect: json(201, exactly({ name: "{session}", status: "STARTING", config: { ...emptyConfig, debug: true } })),
      waha: { expect: json(201, withKeys({ name: "{session}" })), because: bare },
    },
    {
      name: "start: a running session is refused, and stays as it is",
      given: [scanning({ metadata: { a: "b" } })],
      request: start({ debug: true }),
      expect: failure(422, "Session '{session}' is already started."),
      after: [isNow("SCAN_QR_CODE", { metadata: { a: "b" }, ...emptyConfig })],
    },
    {
      name: "start: a session that is starting is refused",
      given: [starting],
      request: start(),
      expect: failure(422, "Session '{session}' is already started."),
    },
    {
      name: "start: a configuration is checked as by create, and nothing is created",
      request: start({ webhooks: [{ url: "nowhere", events: ["message"] }] }),
      expect: violations("config.webhooks.0.url must be a URL address"),
      after: [isGone],
      onlySessiond: "WAHA checks nothing here",
    },
    {
      name: "start: a name is checked as by create",
      request: post("/api/sessions/start", { name: "a/b" }),
      expect: violations("name"),
      onlySessiond: "WAHA checks nothing here",
    },
    {
      name: "stop: stops and keeps the session",
      given: [scanning()],
      request: stop(),
      expect: nothing,
      after: [isNow("STOPPED", emptyConfig)],
    },
    {
      name: "stop: with logout false keeps the session",
      given: [scanning()],
      request: stop(false),
      expect: nothing,
      after: [isNow("STOPPED")],
    },
    {
      name: "stop: a stopped session stays stopped",
      given: [stopped()],
      request: stop(false),
      expect: nothing,
      after: [isNow("STOPPED")],
    },
    {
      name: "stop: with logout true deletes the session",
      given: [scanning()],
      request: stop(true),
      expect: nothing,
      after: [isGone],
    },
    {
      name: "stop: with logout true deletes a stopped session",
      given: [stopped()],
      request: stop(true),
      expect: nothing,
      after: [isGone],
    },
    {
      name: "stop: a logout that is a text is refused",
      given: [stopped()],
      request: post("/api/sessions/stop", { name: "{session}", logout: "yes" }),
      expect: violations("logout must be a boolean value"),
      after: [isNow("STOPPED")],
      onlySessiond: "WAHA checks nothing here",
    },
    {
      name: "logout: deletes a running session",
      given: [scanning()],
      request: logout,
      expect: nothing,
      after: [isGone],
    },
    {
      name: "logout: deletes a stopped session",
      given: [stopped()],
      request: logout,
      expect: nothing,
      after: [isGone],
    },
  ],
};
