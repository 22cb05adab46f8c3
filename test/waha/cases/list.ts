import assert from "node:assert/strict";
import { failure, info, json, violations } from "../expectations.ts";
import {
  type BodyMatcher,
  type CaseGroup,
  fill,
  get,
  type RestCase,
  scanning,
  starting,
  stopped,
} from "../rest-case.ts";

const list = (query = "") => get(`/api/sessions${query}`);
const noFilter = "WAHA has no search by metadata";

/** Expects these of the case's own sessions, by the endings of their names, in this order. */
const listed = (...suffixes: readonly string[]): BodyMatcher =>
  own((items, session) => {
    assert.deepEqual(
      items.map(({ name }) => name),
      suffixes.map((suffix) => session + suffix),
    );
  });

/** Checks the case's own sessions, wherever they are in the list. */
function own(look: (items: Record<string, unknown>[], session: string) => void): BodyMatcher {
  return (answer, { session }) => {
    const items = answer.json();
    assert.ok(Array.isArray(items), "the body is an array");
    look(
      items.filter((item) => String(Object(item).name).startsWith(session)),
      session,
    );
  };
}

/** Expects the case's only listed session to have these keys in this order. */
const shown = (expected: object): BodyMatcher =>
  own(([item = {}], session) => {
    const wanted = fill(expected, session);
    const known = Object.entries(item).filter(([key]) => Object.hasOwn(wanted, key));
    assert.equal(JSON.stringify(Object.fromEntries(known)), JSON.stringify(wanted));
  });

const sortedByName: BodyMatcher = (answer) => {
  const items = answer.json();
  assert.ok(Array.isArray(items));
  const names = items.map((item) => String(Object(item).name));
  assert.deepEqual(names, names.toSorted());
};

const tagged = (suffix: string, metadata: Record<string, string>) => stopped({ metadata }, suffix);

/** Creates a case of `?all=` with this value, which lists the stopped session or does not. */
const flag = (query: string, listsStopped: boolean): RestCase => ({
  name: `${query || "no flag"} ${listsStopped ? "lists" : "leaves out"} stopped sessions`,
  given: [stopped()],
  request: list(query),
  expect: json(200, listed(...(listsStopped ? [""] : []))),
});

const badFlag = (value: string): RestCase => ({
  name: `all=${value} is refused`,
  request: list(`?all=${value}`),
  expect: violations("all must be a boolean value"),
});

const filter = (query: string, ...suffixes: readonly string[]): RestCase => ({
  name: `?all=true&${query} finds ${suffixes.length === 0 ? "none" : suffixes.join(", ")}`,
  given: [
    tagged("_1", { "user.id": "{session}", plan: "free" }),
    tagged("_2", { "user.id": "{session}", plan: "paid", constructor: "x" }),
    tagged("_3", { "user.id": "other", plan: "paid & more" }),
    stopped(undefined, "_4"),
  ],
  request: list(`?all=true&${query}`),
  expect: json(200, listed(...suffixes)),
  onlySessiond: noFilter,
});

/** GET /api/sessions. */
export const listCases: CaseGroup = {
  title: "GET /api/sessions",
  cases: [
    flag("", false),
    flag("?all=false", false),
    flag("?all=False", false),
    flag("?all=0", false),
    flag("?all=true", true),
    flag("?all=True", true),
    flag("?all=1", true),
    badFlag("yes"),
    badFlag("2"),
    badFlag("null"),
    badFlag(""),
    {
      name: "lists a running session without a flag",
      given: [scanning()],
      request: list(),
      expect: json(200, listed("")),
    },
    {
      name: "lists a session that is starting",
      given: [starting],
      request: list(),
      expect: json(200, listed("")),
    },
    {
      name: "sorts by name, whatever the order of creation",
      given: [stopped(undefined, "_b"), stopped(undefined, "_c"), stopped(undefined, "_a"), stopped(undefined, "_B")],
      request: list("?all=true"),
      expect: json(200, listed("_B", "_a", "_b", "_c")),
      after: [{ request: list("?all=true"), expect: json(200, sortedByName) }],
      onlySessiond: "WAHA does not promise an order",
    },
    {
      name: "shows an item as it is shown alone",
      given: [stopped()],
      request: list("?all=true"),
      expect: json(200, shown(info("STOPPED"))),
      waha: {
        expect: json(200, shown({ name: "{session}", status: "STOPPED", me: null })),
        because: "WAHA's code leaves `engine` out of lists, where the page shows it",
      },
    },
    {
      name: "masks secrets",
      given: [stopped({ proxy: { server: "localhost:1", username: "u", password: "hunter2" } })],
      request: list("?all=true"),
      expect: json(
        200,
        shown({
          config: { proxy: { server: "localhost:1", username: "u", password: "***" }, webhooks: [], debug: false },
        }),
      ),
      onlySessiond: "WAHA shows secrets",
    },
    {
      name: "several flags at once are no way around the check",
      request: list("?all=true&all=nope"),
      expect: violations("all must be a boolean value"),
    },
    filter("metadata.user.id={session}", "_1", "_2"),
    filter("metadata.user.id={session}&metadata.plan=paid", "_2"),
    filter("metadata.plan=paid&metadata.user.id={session}&metadata.nope=1"),
    filter("metadata.user.id={session}x"),
    filter("metadata.user.id=other&metadata.plan=paid%20%26%20more", "_3"),
    filter("metadata.user.id=other&metadata.plan=paid+%26+more", "_3"),
    filter("metadata.constructor=x&metadata.user.id={session}", "_2"),
    {
      name: "a search leaves stopped sessions out, too",
      given: [tagged("", { "user.id": "{session}" })],
      request: list("?metadata.user.id={session}"),
      expect: json(200, listed()),
      onlySessiond: noFilter,
    },
    {
      name: "malformed percent-encoding in the query is refused",
      request: list("?metadata.a=%zz"),
      expect: {
        status: 400,
        body: (answer) => assert.equal(Object(answer.json()).error, "Bad Request"),
      },
      onlySessiond: noFilter,
    },
    {
      name: "a method that lists do not have is an unknown route",
      request: { method: "DELETE", path: "/api/sessions" },
      expect: failure(404, "Cannot DELETE /api/sessions"),
    },
  ],
};
