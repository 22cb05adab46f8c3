import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatRoute, parseRoute, routeWith } from "../../src/dashboard/route.ts";

describe("a place in the dashboard", () => {
  const fragments: readonly (readonly [fragment: string, view: string, params: Record<string, string>])[] = [
    ["", "", {}],
    ["#", "", {}],
    ["#/sessions", "sessions", {}],
    ["#sessions?q=a", "sessions", { q: "a" }],
    ["#/sessions?q=a%20b&status=FAILED", "sessions", { q: "a b", status: "FAILED" }],
    ["#/sessions?q=%22%3Cb%3E%22", "sessions", { q: '"<b>"' }],
    ["#/../secret", "", {}],
  ];
  for (const [fragment, view, params] of fragments) {
    it(`is read from "${fragment}"`, () => {
      const route = parseRoute(fragment);
      assert.deepEqual([route.view, Object.fromEntries(route.params)], [view, params]);
    });
  }

  it("is the same after it was written and read", () => {
    const params = new URLSearchParams([
      ["q", "team=a & b#c?"],
      ["status", "FAILED"],
      ["status", "STOPPED"],
    ]);
    const route = parseRoute(formatRoute("sessions", params));
    assert.deepEqual([route.view, [...route.params]], ["sessions", [...params]]);
  });

  it("changes and removes parameters, and keeps the others", () => {
    const route = parseRoute("#/sessions?q=a&status=FAILED&status=STOPPED");
    assert.equal(routeWith(route, { session: "x" }), "#/sessions?q=a&status=FAILED&status=STOPPED&session=x");
    assert.equal(routeWith(route, { status: ["WORKING"], q: "" }), "#/sessions?status=WORKING");
    assert.equal(routeWith(route, { status: [], q: "" }), "#/sessions");
  });
});
