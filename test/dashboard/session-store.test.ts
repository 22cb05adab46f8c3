import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  Engine_Kind as Engine,
  Session_StatusReason as Reason,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";
import { readFilter } from "../../src/dashboard/sessions/session-filter.ts";
import { type SessionChange, SessionStore } from "../../src/dashboard/sessions/session-store.ts";
import { rowWith } from "./rows.ts";

const put = (fields: Parameters<typeof rowWith>[0]): SessionChange => ({ kind: "row", row: rowWith(fields) });
const remove = (name: string, seq: bigint): SessionChange => ({ kind: "deleted", name, seq });

const namesIn = (store: SessionStore, query = "") =>
  store.select(readFilter(new URLSearchParams(query))).rows.map((row) => row.peek().name);

describe("the page's store of sessions", () => {
  const orders: readonly (readonly [title: string, changes: SessionChange[], status: Status | undefined])[] = [
    [
      "keeps the later of two rows",
      [put({ name: "a", seq: 2n, status: Status.FAILED }), put({ name: "a", seq: 1n })],
      Status.FAILED,
    ],
    [
      "takes the later of two rows",
      [put({ name: "a", seq: 1n }), put({ name: "a", seq: 2n, status: Status.FAILED })],
      Status.FAILED,
    ],
    [
      "takes the second of two rows of the same place",
      [put({ name: "a" }), put({ name: "a", status: Status.FAILED })],
      Status.FAILED,
    ],
    ["removes a deleted session", [put({ name: "a", seq: 1n }), remove("a", 2n)], undefined],
    ["keeps a session that was deleted before", [put({ name: "a", seq: 3n }), remove("a", 2n)], Status.WORKING],
    ["does not bring a deleted session back by old news", [remove("a", 2n), put({ name: "a", seq: 1n })], undefined],
    ["takes a session that was created again", [remove("a", 2n), put({ name: "a", seq: 3n })], Status.WORKING],
  ];
  for (const [title, changes, status] of orders) {
    it(title, () => {
      const store = new SessionStore();
      for (const change of changes) store.apply([change]);
      assert.equal(store.get("a")?.status, status);
      assert.deepEqual(namesIn(store), status === undefined ? [] : ["a"]);
    });
  }

  it("forgets what a complete list lacks, but not later news", () => {
    const store = new SessionStore();
    store.apply([put({ name: "listed" }), put({ name: "gone" }), put({ name: "new", seq: 9n })]);
    store.keepOnly(new Set(["listed"]), 5n);
    assert.deepEqual(namesIn(store), ["listed", "new"]);
  });

  it("keeps the number of failing webhooks, which streams do not tell", () => {
    const store = new SessionStore();
    store.apply([put({ name: "a", failingWebhooks: 2 }), put({ name: "a", seq: 2n, failingWebhooks: undefined })]);
    assert.equal(store.get("a")?.failingWebhooks, 2);
  });
});

describe("a filter of sessions", () => {
  const store = new SessionStore();
  store.apply([
    put({
      name: "shop-1",
      account: { id: "15550001111@c.us", pushName: "Anna Ärmel" },
      metadata: { "user.id": "12", team: "Field Sales" },
      sinceMs: 3,
    }),
    put({ name: "Shop-2", status: Status.FAILED, reason: Reason.BANNED, metadata: { "user.id": "123" }, sinceMs: 1 }),
    put({ name: "other", status: Status.STOPPED, engine: Engine.WEBJS, metadata: { note: "<b>a=b</b>" }, sinceMs: 2 }),
  ]);

  const cases: readonly (readonly [query: string, names: string[]])[] = [
    ["", ["Shop-2", "other", "shop-1"]],
    ["q=shop", ["Shop-2", "shop-1"]],
    ["q=SHOP 1", ["Shop-2", "shop-1"]],
    ["q=ärmel", ["shop-1"]],
    ["q=1555", ["shop-1"]],
    ["q=%2B1555", ["shop-1"]],
    ["q=user.id", ["Shop-2", "shop-1"]],
    ["q=user.id=12", ["shop-1"]],
    ["q=user.id=", ["Shop-2", "shop-1"]],
    ['q=team="field sales"', ["shop-1"]],
    ['q="field sales"', ["shop-1"]],
    ["q=field anna", ["shop-1"]],
    ["q=nobody", []],
    ["q=<b>", ["other"]],
    ["status=FAILED", ["Shop-2"]],
    ["status=FAILED&status=STOPPED", ["Shop-2", "other"]],
    ["status=NONSENSE", ["Shop-2", "other", "shop-1"]],
    ["reason=BANNED", ["Shop-2"]],
    ["engine=WEBJS", ["other"]],
    ["q=shop&status=WORKING", ["shop-1"]],
    ["sort=-name", ["shop-1", "other", "Shop-2"]],
    ["sort=since", ["shop-1", "other", "Shop-2"]],
    ["sort=-since", ["Shop-2", "other", "shop-1"]],
    ["sort=status", ["other", "shop-1", "Shop-2"]],
    ["sort=constructor", ["Shop-2", "other", "shop-1"]],
  ];
  for (const [query, names] of cases) {
    it(`finds ${names.join(", ") || "nothing"} by "${query}"`, () => assert.deepEqual(namesIn(store, query), names));
  }

  it("counts by status what passes all but the filter of statuses", () => {
    const { countByStatus } = store.select(readFilter(new URLSearchParams("q=shop&status=FAILED")));
    assert.deepEqual(
      [...countByStatus].toSorted(),
      [
        [Status.WORKING, 1],
        [Status.FAILED, 1],
      ].toSorted(),
    );
  });
});
