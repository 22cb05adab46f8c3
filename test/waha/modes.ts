import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ServerProcess } from "../e2e/server-process.ts";
import { emptyConfig, failureLike, json, violations, withKeys } from "./expectations.ts";
import { HttpClient, type RestRequest } from "./http-client.ts";
import { type Expectation, get, post, put } from "./rest-case.ts";
import { assertAnswer } from "./run-case.ts";
import { notOwnServer } from "./target.ts";

type Row = readonly [request: RestRequest, expect: Expectation];

const path = "/api/sessions/strict";
const proxy = { server: "localhost:3128", username: "u", password: "hunter2" };

const strictRows: readonly Row[] = [
  [post("/api/sessions", { name: "strict", start: false, extra: 1 }), violations("property extra should not exist")],
  [
    post("/api/sessions", { name: "strict", start: "no", a: 1, b: 2 }),
    violations("property a should not exist", "property b should not exist", "start must be a boolean value"),
  ],
  [
    post("/api/sessions", { name: "strict", start: false, config: { other: 1 } }),
    failureLike(400, /property .*other should not exist/),
  ],
  [post("/api/sessions", { name: "strict", start: false }), { status: 201 }],
  [put(path, { name: "strict", config: { debug: true } }), { status: 200 }],
  [put(path, { nope: "strict" }), violations("property nope should not exist")],
  [get(path), json(200, withKeys({ config: { ...emptyConfig, debug: true } }))],
];

const openRows: readonly Row[] = [
  [post("/api/sessions", { name: "strict", start: false, config: { proxy } }), { status: 201 }],
  [get(path), json(200, withKeys({ config: { proxy, webhooks: [], debug: false } }))],
];

/** Registers the cases that need other server settings, each with a server of its own. */
export function registerModeCases(): void {
  describe("settings of the server", { skip: notOwnServer ?? false }, () => {
    it("WAHA_HTTP_STRICT_MODE refuses unknown fields, but for the name in the body of PUT", () =>
      tryOn({ WAHA_HTTP_STRICT_MODE: "true" }, strictRows));

    it("SESSIOND_SHOW_SECRETS shows secrets in clear", () => tryOn({ SESSIOND_SHOW_SECRETS: "true" }, openRows));
  });
}

async function tryOn(env: Record<string, string>, rows: readonly Row[]): Promise<void> {
  await using server = await ServerProcess.start(env);
  const client = new HttpClient(server.baseUrl);
  try {
    for (const [request, expect] of rows) {
      assertAnswer(await client.send(request), request, expect, { session: "strict", kind: "sessiond" });
    }
    assert.equal((await client.send({ method: "DELETE", path })).status, 200);
  } finally {
    client.close();
  }
}
