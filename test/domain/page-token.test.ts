import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SessionError } from "../../src/domain/errors.ts";
import { pageOf, pageTokenOf, placeOfToken } from "../../src/domain/page-token.ts";

const items = ["a", "b", "c", "d", "e"];
const page = (all: readonly string[], pageSize: number, pageToken = "", filter: unknown = {}) =>
  pageOf(all, (item) => item, { pageSize, pageToken }, filter);

/** Returns all pages, one after the other. */
function walk(pageSize: number, lists: (page: number) => readonly string[]): string[][] {
  const pages: string[][] = [];
  let token = "";
  do {
    const next = page(lists(pages.length), pageSize, token);
    pages.push([...next.items]);
    token = next.nextPageToken;
  } while (token !== "");
  return pages;
}

describe("pages of a list", () => {
  for (const [size, pages] of [
    [0, [items]],
    [1, [["a"], ["b"], ["c"], ["d"], ["e"]]],
    [2, [["a", "b"], ["c", "d"], ["e"]]],
    [5, [items]],
    [9, [items]],
  ] as const) {
    it(`of ${size || "any"} have every item once`, () => {
      assert.deepEqual(
        walk(size, () => items),
        pages,
      );
    });
  }

  it("of an empty list are one empty page", () => {
    assert.deepEqual(page([], 3), { items: [], nextPageToken: "" });
  });

  it("repeat and skip nothing when items come and go between them", () => {
    const lists = [items, ["0", "b", "bb", "c", "d"], ["0", "bb", "f"]];
    assert.deepEqual(
      walk(2, (at) => lists[at] ?? []),
      [["a", "b"], ["bb", "c"], ["f"]],
    );
  });
});

describe("a page token", () => {
  const refused = (token: string, filter: unknown) => {
    try {
      return placeOfToken(token, filter);
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      return error.violations.map(({ field, description }) => `${field} ${description}`).join();
    }
  };

  for (const place of ["alice", "a.b-c_D", "alice ep_0123", "0"]) {
    it(`returns the place ${place}, and can be sent in a URL`, () => {
      const token = pageTokenOf(place, { query: "ä" });
      assert.match(token, /^[\w-]+$/);
      assert.equal(placeOfToken(token, { query: "ä" }), place);
    });
  }

  it("is refused with another filter", () => {
    assert.match(
      String(refused(pageTokenOf("alice", { query: "a" }), { query: "b" })),
      /^pageToken belongs to a request/,
    );
  });

  for (const token of ["alice", "%%%", "🙂", "YQ", " ", "a".repeat(5_000)]) {
    it(`is refused if it is "${token.slice(0, 9)}"`, () => {
      assert.match(String(refused(token, {})), /^pageToken (must be the nextPageToken of a page|belongs to a request)/);
    });
  }
});
