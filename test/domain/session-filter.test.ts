import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { SessionRecord_Phase as Phase, SessionRecordSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  Session_DesiredState as Desired,
  Engine_Kind as Engine,
  Session_StatusReason as Reason,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";
import { normalizeFilter, type SessionFilter, sessionMatcher } from "../../src/domain/session-filter.ts";

const session = (name: string, more: MessageInitShape<typeof SessionRecordSchema>) =>
  create(SessionRecordSchema, { name, engine: Engine.NOWEB, desiredState: Desired.RUNNING, ...more });

const sessions = [
  session("berlin-1", {
    phase: Phase.WORKING,
    me: { id: "4915112345678@c.us", pushName: "Ada Lovelace" },
    config: { metadata: { "user.id": "123", City: "Berlin" } },
  }),
  session("gone", {
    phase: Phase.FAILED,
    reason: Reason.LOGGED_OUT,
    credentialsDead: true,
    account: { id: "12025550123@c.us", pushName: "Józef 𝓢𝓽𝓪𝓻" },
  }),
  session("rest", {
    phase: Phase.STOPPED,
    desiredState: Desired.STOPPED,
    engine: Engine.WEBJS,
    me: { id: "819012345678@c.us", pushName: "ÄRGER GmbH" },
    config: { metadata: { plan: "Gold & more", constructor: "x" } },
  }),
  session("wait", { phase: Phase.BACKING_OFF, reason: Reason.UNREACHABLE, config: { metadata: { plan: "free" } } }),
];

const anything: SessionFilter = { all: true, metadata: {}, query: "", status: [], reason: [], engine: [] };
const found = (filter: Partial<SessionFilter>) =>
  sessions.filter(sessionMatcher({ ...anything, ...filter })).map(({ name }) => name);

describe("a search for sessions", () => {
  for (const [query, names] of [
    ["", ["berlin-1", "gone", "rest", "wait"]],
    ["   ", ["berlin-1", "gone", "rest", "wait"]],
    ["BERLIN", ["berlin-1"]],
    ["lovelace ada", ["berlin-1"]],
    ["ada gold", []],
    ["plan", ["rest", "wait"]],
    ["plan=free", ["wait"]],
    ["user.id", ["berlin-1"]],
    ["ärger gmbh", ["rest"]],
    ["& more", ["rest"]],
    ["józef", ["gone"]],
    ["star", ["gone"]],
    ["491511", ["berlin-1"]],
    ["+49 151 123-456", ["berlin-1"]],
    ["(202) 555.0123", ["gone"]],
    ["+81 90", ["rest"]],
    ["+1", []],
    ["@c.us", ["berlin-1", "gone", "rest"]],
    [".*", []],
    ["__proto__", []],
    ["constructor", ["rest"]],
  ] as const) {
    it(`by "${query}" finds ${names.join(", ") || "none"}`, () => {
      assert.deepEqual(found({ query }), names);
    });
  }

  it("finds a session under its new push name, and no longer under the old one", () => {
    const [before] = sessions;
    assert.ok(before?.me);
    const after = { ...before, me: { ...before.me, pushName: "Countess" } };
    const matches = (query: string) => sessionMatcher({ ...anything, query })(after);
    assert.deepEqual([matches("countess"), matches("lovelace")], [true, false]);
  });

  for (const [filter, names] of [
    [{ all: false }, ["berlin-1", "gone", "wait"]],
    [{ all: false, status: [Status.STOPPED] }, ["rest"]],
    [{ status: [Status.FAILED, Status.STARTING] }, ["gone", "wait"]],
    [{ reason: [Reason.LOGGED_OUT] }, ["gone"]],
    [{ reason: [Reason.LOGGED_OUT, Reason.UNREACHABLE] }, ["gone", "wait"]],
    [{ reason: [Reason.BANNED] }, []],
    [{ engine: [Engine.WEBJS] }, ["rest"]],
    [{ engine: [Engine.WEBJS], status: [Status.WORKING] }, []],
    [{ metadata: { City: "Berlin" } }, ["berlin-1"]],
    [{ metadata: { City: "berlin" } }, []],
    [{ metadata: { plan: "free" }, query: "wai" }, ["wait"]],
    [{ metadata: { toString: "" } }, []],
  ] as const) {
    const text = JSON.stringify(filter);
    it(`with the filter ${text} finds ${names.join(", ") || "none"}`, () => {
      assert.deepEqual(found(filter), names);
    });
  }
});

describe("two filters", () => {
  it("are equal whatever the order of their parts", () => {
    const one = { metadata: { a: "1", b: "2" }, status: [Status.FAILED, Status.WORKING], query: "Ada  x" };
    const other = { metadata: { b: "2", a: "1" }, status: [Status.WORKING, Status.FAILED], query: "ada X" };
    assert.deepEqual(normalizeFilter({ ...anything, ...one }), normalizeFilter({ ...anything, ...other }));
  });

  it("differ in any part", () => {
    const others: Partial<SessionFilter>[] = [
      { all: false },
      { metadata: { a: "1" } },
      { query: "a" },
      { status: [Status.FAILED] },
      { reason: [Reason.BANNED] },
      { engine: [Engine.NOWEB] },
    ];
    const texts = others.map((other) => JSON.stringify(normalizeFilter({ ...anything, ...other })));
    assert.equal(new Set([...texts, JSON.stringify(normalizeFilter(anything))]).size, others.length + 1);
  });
});
