import assert from "node:assert/strict";
import type { BodyMatcher, Expectation } from "./rest-case.ts";
import { fill } from "./rest-case.ts";

const jsonType = /^application\/json; ?charset=utf-8$/i;

/** Expects exactly this JSON with its keys in this order. WAHA's order of keys is not checked. */
export const exactly =
  (expected: unknown): BodyMatcher =>
  (answer, { session, kind }) => {
    const wanted = fill(expected, session);
    if (kind === "waha") assert.deepEqual(answer.json(), wanted);
    else assert.equal(JSON.stringify(answer.json()), JSON.stringify(wanted));
  };

/** Expects a JSON object that contains at least this. */
export const including =
  (expected: object): BodyMatcher =>
  (answer, { session }) => {
    assert.partialDeepStrictEqual(answer.json(), fill(expected, session));
  };

/** Expects a JSON object with these keys in this order and these values. It may have other keys beside them. */
export const withKeys =
  (expected: object): BodyMatcher =>
  (answer, { session, kind }) => {
    const wanted = fill(expected, session);
    const body = objectOf(answer.json());
    const shown = Object.fromEntries(Object.entries(body).filter(([key]) => Object.hasOwn(wanted, key)));
    if (kind === "waha") assert.deepEqual(shown, wanted);
    else assert.equal(JSON.stringify(shown), JSON.stringify(wanted));
  };

/** Expects a text that matches, without any forbidden match. */
export const text =
  (pattern: RegExp, forbidden?: RegExp): BodyMatcher =>
  (answer) => {
    assert.match(answer.text, pattern);
    if (forbidden) assert.doesNotMatch(answer.text, forbidden);
  };

/** Combines matchers; all must pass. */
export const all =
  (...matchers: readonly BodyMatcher[]): BodyMatcher =>
  (answer, context) => {
    for (const matches of matchers) matches(answer, context);
  };

/** Expects an empty body. */
export const empty: BodyMatcher = (answer) => assert.equal(answer.bytes.byteLength, 0);

/** Expects a PNG. */
export const png: BodyMatcher = (answer) => assertPng(answer.bytes);

/** Expects `{"mimetype":"image/png","data":"…"}` with plain base64 data. */
export const pngAsJson: BodyMatcher = (answer) => {
  const body = objectOf(answer.json());
  assert.deepEqual(Object.keys(body), ["mimetype", "data"]);
  assert.equal(body.mimetype, "image/png");
  const data = String(body.data);
  assert.match(data, /^[A-Za-z0-9+/]+={0,2}$/);
  assertPng(Buffer.from(data, "base64"));
};

const phrases = {
  400: "Bad Request",
  404: "Not Found",
  413: "Payload Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Entity",
} as const;

type ErrorStatus = keyof typeof phrases;

/** Expects an error of the common form. */
export function failure(status: ErrorStatus, message: string): Expectation {
  return {
    status,
    headers: { "content-type": jsonType },
    body: exactly({ statusCode: status, message, error: phrases[status] }),
  };
}

/** Expects an error of the common form whose message is not fixed but must match. */
export function failureLike(status: ErrorStatus, message: RegExp): Expectation {
  return {
    status,
    headers: { "content-type": jsonType },
    body: (answer, { kind }) => {
      const body = objectOf(answer.json());
      if (kind === "sessiond") assert.deepEqual(Object.keys(body), ["statusCode", "message", "error"]);
      assert.deepEqual({ ...body, message: "" }, { statusCode: status, message: "", error: phrases[status] });
      assert.match([body.message].flat().join("\n"), message);
    },
  };
}

/** Expects 400 with exactly these messages, each given completely or by the path that it starts with. */
export function violations(...expected: readonly string[]): Expectation {
  return {
    status: 400,
    headers: { "content-type": jsonType },
    body: (answer, { kind }) => {
      const body = objectOf(answer.json());
      if (kind === "sessiond") assert.deepEqual(Object.keys(body), ["statusCode", "message", "error"]);
      assert.equal(body.statusCode, 400);
      assert.equal(body.error, "Bad Request");
      assert.ok(Array.isArray(body.message), `message must be an array, and is ${JSON.stringify(body.message)}`);
      const found = body.message.map(String).map((message) => expected.find((one) => covers(one, message)) ?? message);
      if (kind === "sessiond") assert.deepEqual(found.toSorted(), expected.toSorted());
      else
        assert.deepEqual(
          expected.filter((one) => !found.includes(one)),
          [],
        );
    },
  };
}

function covers(expected: string, message: string): boolean {
  return expected.includes(" ") ? message === expected : message.startsWith(`${expected} `);
}

/** Expects a success with a JSON body. */
export function json(status: number, body: BodyMatcher): Expectation {
  return { status, headers: { "content-type": jsonType }, body };
}

/** Expects the QR code or the screenshot as a picture. */
export const pngAnswer: Expectation = {
  status: 200,
  headers: { "content-type": "image/png", "content-length": /^[1-9]\d*$/, "cache-control": "no-store" },
  body: png,
};

/** Expects WAHA's error for a session that is not running. */
export const notStarted = failure(
  404,
  "We didn't find a session with name '{session}'.\nPlease start it first by using POST /api/sessions/{session}/start request",
);

export const sessionNotFound = failure(404, "Session not found");

/** Expects the error for a QR code when the session has none. */
export function statusNotAsExpected(status: string): Expectation {
  const error = "Session status is not as expected. Try again later or restart the session";
  return json(422, exactly({ error, session: "{session}", status, expected: ["SCAN_QR_CODE"] }));
}

/** Configuration in answers if none was sent. */
export const emptyConfig = { proxy: null, webhooks: [], debug: false };

/** Returns a session's info in answers, on the NOWEB engine. */
export const info = (status: string, config: object = emptyConfig, name = "{session}", me: object | null = null) => ({
  name,
  status,
  config,
  me,
  engine: { engine: "NOWEB" },
});

export function objectOf(value: unknown): Record<string, unknown> {
  assert.ok(typeof value === "object" && value !== null && !Array.isArray(value), "the body is a JSON object");
  return Object.fromEntries(Object.entries(value));
}

function assertPng(bytes: Buffer): void {
  assert.equal(bytes.subarray(0, 8).toString("hex"), "89504e470d0a1a0a", "it begins as a PNG does");
  assert.equal(bytes.subarray(-8, -4).toString("latin1"), "IEND", "it ends as a PNG does");
}
