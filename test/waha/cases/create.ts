import { all, empty, emptyConfig, failure, info, json, text, violations, withKeys } from "../expectations.ts";
import { type CaseGroup, get, post, type RestCase, sessionPath, starting, stopped } from "../rest-case.ts";

const sessions = "/api/sessions";
const create = (body: unknown) => post(sessions, body);
const generated = /"name":"session_[0-9a-f]{32}"/;
const bare = "WAHA leaves out of `config` what was not sent, and `engine` has more in it";

const invalidNames: readonly [string, string][] = [
  ["of 55 characters", "n".repeat(55)],
  ["with a space", "two words"],
  ["with a slash", "a/b"],
  ["with a backslash", "a\\b"],
  ["with a colon", "a:b"],
  ["with a letter beyond ASCII", "zürich"],
  ["with a line break", "a\nb"],
  ["with a NUL", "a\u0000b"],
  ["that is a dot", "."],
  ["that is two dots", ".."],
  ["that climbs directories", "../../etc/passwd"],
  ["start, which is reserved", "start"],
  ["stop, which is reserved", "stop"],
  ["logout, which is reserved", "logout"],
];

const invalidNameCases = invalidNames.map(
  ([what, name]): RestCase => ({
    name: `a name ${what} is refused`,
    request: create({ name, start: false }),
    expect: violations("name"),
    ...(what !== "of 55 characters" && { onlySessiond: "WAHA only limits the length of a name" }),
  }),
);

/** POST /api/sessions, except for the configuration. */
export const createCases: CaseGroup = {
  title: "POST /api/sessions",
  cases: [
    {
      name: "creates a stopped session with start false",
      request: create({ name: "{session}", start: false }),
      expect: json(201, withKeys(info("STOPPED"))),
      waha: { expect: json(201, withKeys({ name: "{session}", status: "STOPPED", me: null })), because: bare },
    },
    {
      name: "starts a session with start true",
      request: create({ name: "{session}", start: true }),
      expect: json(201, withKeys(info("STARTING"))),
      waha: { expect: json(201, withKeys({ name: "{session}", status: "STARTING" })), because: bare },
    },
    {
      name: "starts a session without start",
      request: create({ name: "{session}" }),
      expect: json(201, withKeys(info("STARTING"))),
      waha: {
        expect: json(201, withKeys({ name: "{session}", status: "STOPPED" })),
        because: "the page says that a session starts by default; WAHA's code does not do so",
      },
    },
    {
      name: "what it answers can be got",
      given: [stopped()],
      request: get(sessionPath),
      expect: json(200, withKeys(info("STOPPED"))),
      waha: { expect: json(200, withKeys({ name: "{session}", status: "STOPPED" })), because: bare },
    },
    {
      name: "makes a name up where there is none",
      request: create({ start: false }),
      expect: json(201, text(generated)),
    },
    {
      name: "makes a name up where it is null",
      request: create({ name: null, start: false }),
      expect: json(201, text(generated)),
    },
    {
      name: "no body is the empty object",
      request: post(sessions),
      expect: json(201, all(text(generated), withKeys({ status: "STARTING", config: emptyConfig, me: null }))),
      waha: { expect: json(201, text(generated)), because: "WAHA does not start by default" },
    },
    {
      name: "the empty object gives a session with a name made up, started",
      request: create({}),
      expect: json(201, all(text(generated), withKeys({ status: "STARTING", config: emptyConfig }))),
      waha: { expect: json(201, text(generated)), because: "WAHA does not start by default" },
    },
    {
      name: "a null config is no config",
      request: create({ name: "{session}", start: false, config: null }),
      expect: json(201, withKeys({ name: "{session}", config: emptyConfig })),
      waha: { expect: json(201, withKeys({ name: "{session}" })), because: bare },
    },
    {
      name: "a name that is taken is refused",
      given: [stopped()],
      request: create({ name: "{session}", start: false }),
      expect: failure(422, "Session '{session}' already exists. Use PUT to update it."),
    },
    {
      name: "a name that is taken is refused while the session runs, and the session stays as it is",
      given: [starting],
      request: create({ name: "{session}", config: { debug: true } }),
      expect: failure(422, "Session '{session}' already exists. Use PUT to update it."),
      after: [
        {
          request: get(sessionPath),
          expect: json(
            200,
            withKeys(
              info("STARTING", {
                proxy: { server: "127.0.0.1:1" },
                webhooks: [],
                debug: false,
              }),
            ),
          ),
          waha: { expect: json(200, withKeys({ name: "{session}" })), because: bare },
        },
      ],
    },
    {
      name: "a name is free again after it was deleted",
      given: [stopped({ debug: true })],
      request: { method: "DELETE", path: sessionPath },
      expect: { status: 200, body: empty },
      after: [
        {
          request: create({ name: "{session}", start: false }),
          expect: json(201, withKeys(info("STOPPED"))),
          waha: { expect: json(201, withKeys({ name: "{session}" })), because: bare },
        },
      ],
    },
    {
      name: "a name of 54 characters with all kinds of characters allowed is accepted",
      request: create({ name: "{session}_A.z-9".padEnd(54 - 18, "."), start: false }),
      expect: json(201, text(/"name":"waha_suite_[0-9a-f]{16}_A\.z-9\.+"/)),
    },
    {
      name: "names that differ in letter case are two sessions",
      given: [stopped(undefined, "_a")],
      request: create({ name: "{session}_A", start: false }),
      expect: json(201, withKeys({ name: "{session}_A" })),
    },
    ...invalidNameCases,
    {
      name: "a name that is a number is refused",
      request: create({ name: 5, start: false }),
      expect: violations("name must be a string"),
    },
    {
      name: "a name that is an object is refused",
      request: create({ name: { a: 1 }, start: false }),
      expect: violations("name must be a string"),
    },
    {
      name: "a start that is no boolean is refused",
      request: create({ name: "{session}", start: "no" }),
      expect: violations("start must be a boolean value"),
      after: [{ request: get(sessionPath), expect: failure(404, "Session not found") }],
    },
    {
      name: "a config that is a text is refused",
      request: create({ name: "{session}", start: false, config: "debug" }),
      expect: violations("config"),
      waha: { expect: violations("nested"), because: "WAHA names another path" },
    },
    {
      name: "an engine that nobody knows is refused",
      request: create({ name: "{session}", start: false, engine: "TELEX" }),
      expect: violations("engine"),
      onlySessiond: "WAHA has one engine for all sessions",
    },
    {
      name: "unknown fields are ignored, at any depth",
      request: create({ name: "{session}", start: false, extra: 1, config: { debug: true, other: { deep: [] } } }),
      expect: json(201, withKeys({ name: "{session}", config: { proxy: null, webhooks: [], debug: true } })),
      waha: { expect: json(201, withKeys({ name: "{session}" })), because: bare },
    },
  ],
};
