import { describe, it } from "node:test";
import { exactly, json, text } from "./expectations.ts";
import type { RestRequest } from "./http-client.ts";
import { type Expectation, get, post, put } from "./rest-case.ts";
import { assertAnswer } from "./run-case.ts";
import { noKey, settings, type Target } from "./target.ts";

const unauthorized: Expectation = {
  status: 401,
  headers: { "content-type": /^application\/json; ?charset=utf-8$/i },
  body: exactly({ message: "Unauthorized", statusCode: 401 }),
};

const cases: readonly (readonly [name: string, request: RestRequest, expect: Expectation])[] = [
  ["no key is refused", get("/api/sessions"), unauthorized],
  ["a wrong key is refused", get("/api/sessions", { "x-api-key": "wrong" }), unauthorized],
  ["an empty key is refused", get("/api/sessions", { "x-api-key": " " }), unauthorized],
  ["a session that does not exist is no way around it", get("/api/sessions/nobody"), unauthorized],
  ["create is refused", post("/api/sessions", { start: false }), unauthorized],
  ["update is refused", put("/api/sessions/nobody", {}), unauthorized],
  ["the QR code is refused", get("/api/nobody/auth/qr"), unauthorized],
  ["the screenshot is refused", get("/api/screenshot"), unauthorized],
  ["letter case is no way around it", get("/API/Sessions"), unauthorized],
  ["ping needs no key", get("/ping"), json(200, exactly({ message: "pong" }))],
  ["the right key is let in", get("/api/sessions", { "x-api-key": settings.apiKey ?? "" }), json(200, text(/^\[/))],
  [
    "a preflight needs no key",
    {
      method: "OPTIONS",
      path: "/api/sessions",
      headers: { origin: "https://x.example", "access-control-request-method": "GET" },
    },
    { status: 204 },
  ],
];

/** Registers the cases of a server with an API key. */
export function registerKeyCases(target: () => Target): void {
  describe("the API key", { skip: noKey ?? false }, () => {
    for (const [name, request, expect] of cases) {
      it(name, async () => {
        const answer = await target().anonymous.send(request);
        assertAnswer(answer, request, expect, { session: "nobody", kind: settings.kind });
      });
    }
  });
}
