import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { it, type TestContext } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.js";
import { type Fakes, sendJson, startRestServer } from "./server.ts";

/** Starts a server whose getSession throws. */
function startThrower(t: TestContext, thrown: unknown, rest: Fakes["rest"] = {}) {
  const getSession = () => {
    throw thrown;
  };
  return startRestServer(t, { session: { getSession }, rest });
}

async function get(url: string): Promise<[status: number, body: string]> {
  const answer = await fetch(url);
  assert.equal(answer.headers.get("content-type"), "application/json; charset=utf-8");
  assert.notEqual(answer.headers.get("x-request-id"), null);
  return [answer.status, await answer.text()];
}

const codes: [code: Code, status: number, phrase: string][] = [
  [Code.InvalidArgument, 400, "Bad Request"],
  [Code.OutOfRange, 400, "Bad Request"],
  [Code.PermissionDenied, 403, "Forbidden"],
  [Code.NotFound, 404, "Not Found"],
  [Code.Aborted, 409, "Conflict"],
  [Code.AlreadyExists, 422, "Unprocessable Entity"],
  [Code.FailedPrecondition, 422, "Unprocessable Entity"],
  [Code.Unimplemented, 422, "Unprocessable Entity"],
  [Code.ResourceExhausted, 429, "Too Many Requests"],
  [Code.Canceled, 499, "Client Closed Request"],
  [Code.Unavailable, 503, "Service Unavailable"],
  [Code.DeadlineExceeded, 504, "Gateway Timeout"],
];

for (const [code, status, phrase] of codes) {
  it(`${Code[code]} is answered with ${status} ${phrase}`, async (t) => {
    const { url } = await startThrower(t, new ConnectError("Session not found", code));
    const body = `{"statusCode":${status},"message":"Session not found","error":"${phrase}"}`;
    assert.deepEqual(await get(`${url}/api/sessions/x`), [status, body]);
  });
}

it("Unauthenticated is answered with WAHA's 401 body", async (t) => {
  const { url } = await startThrower(t, new ConnectError("no key", Code.Unauthenticated));
  assert.deepEqual(await get(`${url}/api/sessions/x`), [401, '{"message":"Unauthorized","statusCode":401}']);
});

for (const thrown of [
  new ConnectError("secret", Code.Internal),
  new ConnectError("secret", Code.Unknown),
  new ConnectError("secret", Code.DataLoss),
  new Error("secret"),
  "secret",
]) {
  it(`${thrown} is answered with a bare 500 and passed to onError`, async (t) => {
    const errors: unknown[] = [];
    const { url } = await startThrower(t, thrown, { onError: (error) => errors.push(error) });
    const answer = await get(`${url}/api/sessions/x`);
    assert.deepEqual(answer, [500, '{"statusCode":500,"message":"Internal server error"}']);
    assert.equal(errors.length, 1);
  });
}

it("field violations become a list of sentences", async (t) => {
  const fieldViolations = [
    { field: "config.webhooks.0.url", description: "must be a URL address" },
    { field: "", description: "something else" },
  ];
  const details = [{ desc: BadRequestSchema, value: { fieldViolations } }];
  const { url } = await startThrower(t, new ConnectError("invalid", Code.InvalidArgument, undefined, details));
  assert.deepEqual(await get(`${url}/api/sessions/x`), [
    400,
    '{"statusCode":400,"message":["config.webhooks.0.url must be a URL address","something else"],"error":"Bad Request"}',
  ]);
});

it("an unexpected session status has WAHA's body", async (t) => {
  const metadata = { session: "x", status: "WORKING", expected: "SCAN_QR_CODE" };
  const details = [{ desc: ErrorInfoSchema, value: { reason: "SESSION_STATUS_UNEXPECTED", domain: "d", metadata } }];
  const message = "Session status is not as expected. Try again later or restart the session";
  const { url } = await startThrower(t, new ConnectError(message, Code.FailedPrecondition, undefined, details));
  assert.deepEqual(await get(`${url}/api/sessions/x`), [
    422,
    `{"error":"${message}","session":"x","status":"WORKING","expected":["SCAN_QR_CODE"]}`,
  ]);
});

it("a revision conflict is answered with 412, other reasons by their code", async (t) => {
  const thrown = (reason: string) =>
    new ConnectError("m", Code.Aborted, undefined, [{ desc: ErrorInfoSchema, value: { reason } }]);
  const conflict = await startThrower(t, thrown("REVISION_CONFLICT"));
  const body = '{"statusCode":412,"message":"m","error":"Precondition Failed"}';
  assert.deepEqual(await get(`${conflict.url}/api/sessions/x`), [412, body]);
  const other = await startThrower(t, thrown("constructor"));
  assert.equal((await get(`${other.url}/api/sessions/x`))[0], 409);
});

it("headers of an error are sent", async (t) => {
  const headers = { "Retry-After": "7", "Content-Length": "1" };
  const { url } = await startThrower(t, new ConnectError("slow down", Code.ResourceExhausted, headers));
  const answer = await fetch(`${url}/api/sessions/x`);
  assert.deepEqual([answer.status, answer.headers.get("retry-after")], [429, "7"]);
  assert.equal(((await answer.json()) as { message: string }).message, "slow down");
});

it("an unknown route is answered with 404, its method and URL", async (t) => {
  const { url } = await startRestServer(t);
  const cannot = (what: string) => `{"statusCode":404,"message":"Cannot ${what}","error":"Not Found"}`;
  assert.deepEqual(await get(`${url}/api/nope`), [404, cannot("GET /api/nope")]);
  assert.deepEqual(await get(`${url}/`), [404, cannot("GET /")]);
  assert.deepEqual(await get(`${url}/api/nope?a=%zz`), [404, cannot("GET /api/nope?a=%zz")]);
  const patch = await fetch(`${url}/api/sessions/x`, { method: "PATCH" });
  assert.deepEqual([patch.status, await patch.text()], [404, cannot("PATCH /api/sessions/x")]);
  const options = await fetch(`${url}/api/sessions`, { method: "OPTIONS" });
  assert.deepEqual([options.status, await options.text()], [404, cannot("OPTIONS /api/sessions")]);
});

it("malformed percent-encoding in a path is answered with 400", async (t) => {
  const { url } = await startRestServer(t);
  const body = '{"statusCode":400,"message":"Malformed percent-encoding in the path","error":"Bad Request"}';
  for (const path of ["/api/sessions/%", "/%zz", "/api/%E0%A4%A/auth/qr"]) {
    assert.deepEqual(await get(url + path), [400, body]);
  }
});

it("an unimplemented RPC is answered with 422", async (t) => {
  const { url } = await startRestServer(t);
  const answer = await sendJson(`${url}/api/x/auth/authorize-code`, "POST", { code: "1" });
  assert.equal(answer.status, 422);
});

it("errors look the same over HTTP/2", async (t) => {
  const { url } = await startThrower(t, new ConnectError("Session not found", Code.NotFound));
  const session = connect(url);
  t.after(() => session.destroy());
  const stream = session.request({ ":path": "/api/sessions/x" });
  const [headers] = await once(stream, "response");
  let text = "";
  for await (const chunk of stream) text += chunk;
  assert.equal(headers[":status"], 404);
  assert.equal(text, '{"statusCode":404,"message":"Session not found","error":"Not Found"}');
});

it("a client that disconnects aborts the call", async (t) => {
  const called = Promise.withResolvers<AbortSignal>();
  const { url } = await startRestServer(t, {
    session: {
      getSession: async (_request, { signal }) => {
        called.resolve(signal);
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return {};
      },
    },
  });
  const controller = new AbortController();
  const answer = fetch(`${url}/api/sessions/x`, { signal: controller.signal });
  const signal = await called.promise;
  controller.abort();
  await assert.rejects(answer);
  if (!signal.aborted) await once(signal, "abort");
});
