import assert from "node:assert/strict";
import { it } from "node:test";
import { captureVariable, parsePathTemplate, splitPath } from "../../../src/http/rest/path-template.ts";
import { createRouteTable } from "../../../src/http/rest/route-table.ts";

/** Returns the template that matches a request, with its variables; undefined if none does. */
function routeOf(templates: readonly string[], request: string): string | undefined {
  const table = createRouteTable<string>();
  for (const entry of templates) {
    const [method = "", path = ""] = entry.split(" ");
    table.add(method, parsePathTemplate(path), path, entry);
  }
  const [method = "", path = ""] = request.split(" ");
  const segments = splitPath(path);
  const match = segments && table.match(method, segments);
  const variables = match?.template.variables.map((one) => ` ${one.fieldPath}=${captureVariable(one, match.path)}`);
  return match && match.target + variables?.join("");
}

const sessions = [
  "GET /api/sessions",
  "POST /api/sessions",
  "GET /api/sessions/{session}",
  "POST /api/sessions/{session}",
  "POST /api/sessions/start",
  "POST /api/sessions/{session}/start",
  "GET /api/{session}/auth/qr",
  "GET /v1/{name=shelves/*/books/*}",
  "GET /v1/{name=files/**}",
  "POST /v1/{name=shelves/*}:merge",
  "GET /v1/{a.b}/{c}:read",
  "GET /docs/**",
  "* /any",
  "GET /",
];

const cases: [request: string, route: string | undefined][] = [
  ["GET /api/sessions", "/api/sessions"],
  ["GET /api/sessions/", "/api/sessions"],
  ["GET /API/Sessions", "/api/sessions"],
  ["GET /api/sessions//", undefined],
  ["GET /api/sessions/Alice", "/api/sessions/{session} session=Alice"],
  ["GET /api/sessions/a%20b%2Fc%25", "/api/sessions/{session} session=a b/c%"],
  ["GET /api/sessions/a:b", "/api/sessions/{session} session=a:b"],
  ["POST /api/sessions/start", "/api/sessions/start"],
  ["POST /api/sessions/START/", "/api/sessions/start"],
  ["GET /api/sessions/start", "/api/sessions/{session} session=start"],
  ["POST /api/sessions/start/start", "/api/sessions/{session}/start session=start"],
  ["POST /api/sessions/x/stop", undefined],
  ["HEAD /api/sessions/x", "/api/sessions/{session} session=x"],
  ["PATCH /api/sessions/x", undefined],
  ["GET /api/sessions/auth/qr", "/api/{session}/auth/qr session=sessions"],
  ["GET /v1/shelves/1/books/2", "/v1/{name=shelves/*/books/*} name=shelves/1/books/2"],
  ["GET /v1/files", "/v1/{name=files/**} name=files"],
  ["GET /v1/files/a/b%2Fc%20d", "/v1/{name=files/**} name=files/a/b%2Fc d"],
  ["POST /v1/shelves/7:merge", "/v1/{name=shelves/*}:merge name=shelves/7"],
  ["POST /v1/shelves/7:MERGE", "/v1/{name=shelves/*}:merge name=shelves/7"],
  ["POST /v1/shelves/7%3Amerge", undefined],
  ["POST /v1/shelves/7", undefined],
  ["GET /v1/x/y:z:read", "/v1/{a.b}/{c}:read a.b=x c=y:z"],
  ["GET /v1/x/y", undefined],
  ["GET /docs", "/docs/**"],
  ["GET /docs/a/b/c", "/docs/**"],
  ["DELETE /any", "/any"],
  ["GET /", "/"],
  ["GET /constructor/__proto__", undefined],
];

for (const [request, route] of cases) {
  it(`${request} matches ${route ?? "no route"}`, () => assert.equal(routeOf(sessions, request), route));
}

it("a path with malformed percent-encoding has no segments", () => {
  for (const path of ["/%", "/a/%zz", "/%E0%A4%A", "/%ff"]) assert.equal(splitPath(path), undefined);
});

it("two identical routes are refused, and both are named", () => {
  const add = (...templates: string[]) => routeOf(templates, "GET /");
  assert.throws(() => add("GET /a/{x}", "GET /A/{y}"), /GET \/a\/\{x\} and GET \/A\/\{y\} have the same route/);
  assert.throws(() => add("GET /a/{x=b/*}", "GET /a/b/{y}"), /same route/);
  assert.throws(() => add("GET /a/**", "GET /a/{x=**}"), /same route/);
  assert.throws(() => add("GET /a:v", "GET /a:V"), /same route/);
  assert.doesNotThrow(() => add("GET /a/{x}", "POST /a/{x}", "GET /a/b", "GET /a/{x}:v"));
});

const bad: [template: string, problem: RegExp][] = [
  ["", /expected "\/" at character 1/],
  ["a", /expected "\/" at character 1/],
  ["/a/", /expected a path segment at character 4/],
  ["/a//b", /expected a path segment at character 4/],
  ["/{}", /expected a field's name at character 3/],
  ["/{a", /expected "}" at character 4/],
  ["/{a=}", /expected a path segment at character 5/],
  ["/{a={b}}", /expected a path segment at character 5/],
  ["/{a..b}", /expected "}" at character 4/],
  ["/{a}b", /expected "\/", ":" or the end at character 5/],
  ["/**/a", /expected nothing after "\*\*" at character 5/],
  ["/{a=**}/{b}", /expected nothing after "\*\*"/],
  ["/a:", /expected a verb at character 4/],
  ["/a?b=c", /expected "\/", ":" or the end at character 3/],
];

for (const [template, problem] of bad) {
  it(`the template "${template}" is refused`, () => assert.throws(() => parsePathTemplate(template), problem));
}
