import {
  failure,
  failureLike,
  json,
  notStarted,
  png,
  pngAnswer,
  pngAsJson,
  statusNotAsExpected,
  text,
  violations,
} from "../expectations.ts";
import { type CaseGroup, get, post, type RestCase, scanning, starting, stopped } from "../rest-case.ts";

const qr = "/api/{session}/auth/qr";
// Baileys and WhatsApp Web have put a link before the code since 2025; older engines return the code alone.
const raw = json(200, text(/^\{"value":"(https:\/\/wa\.me\/settings\/linked_devices#)?2@[^"]+"\}$/));
const asJson = json(200, pngAsJson);
const picky = "WAHA takes application/json only where it is the whole header, and sends no Cache-Control";

/** Accept headers and the form that each one gets. */
const negotiation: readonly [accept: string, wanted: "png" | "json"][] = [
  ["", "png"],
  ["*/*", "png"],
  ["image/png", "png"],
  ["image/*", "png"],
  ["image/png, application/json;q=0.9", "png"],
  ["image/png, */*;q=0.5", "png"],
  ["application/json;q=0.5, image/png", "png"],
  ["application/json;q=0, */*", "png"],
  ["application/json;q=0.2, */*;q=0.8", "png"],
  ["text/html, */*;q=0.8", "png"],
  ["application/json", "json"],
  ["Application/JSON", "json"],
  ["application/json; charset=utf-8", "json"],
  ["application/json, text/plain", "json"],
  ["application/json, image/jpeg", "json"],
  ["application/json, */*;q=0", "json"],
  ["application/json, */*", "png"],
  ["application/json, text/plain, */*", "png"],
  ["application/json,text/html,application/xhtml+xml,text/*;q=0.9, image/*;q=0.8, */*;q=0.7", "png"],
  ["application/json, image/png;q=0.5", "png"],
  ["image/png;q=0.1, application/json;q=0.9", "png"],
  ["application/json;q=0.8, image/*;q=0.3, */*;q=0.1", "png"],
  ["*/*;q=0.1, application/json", "png"],
  ["image/png;q=0, application/json", "json"],
];

const negotiated = (path: string, [accept, wanted]: readonly [string, "png" | "json"]): RestCase => ({
  name: `Accept ${accept || "not sent"} gets ${wanted}`,
  given: [scanning()],
  request: get(path, { accept }),
  expect: wanted === "png" ? pngAnswer : asJson,
  onlySessiond: picky,
});

/** /api/{session}/auth/qr. */
export const qrCases: CaseGroup = {
  title: "GET /api/{session}/auth/qr",
  cases: [
    ...negotiation.map((row) => negotiated(qr, row)),
    {
      name: "the default is a PNG",
      given: [scanning()],
      request: get(qr),
      expect: { status: 200, headers: { "content-type": "image/png", "content-length": /^\d+$/ }, body: png },
    },
    {
      name: "format=image is the same",
      given: [scanning()],
      request: get(`${qr}?format=image`),
      expect: { status: 200, headers: { "content-type": "image/png" }, body: png },
    },
    {
      name: "format=image with Accept application/json is JSON",
      given: [scanning()],
      request: get(`${qr}?format=image`, { accept: "application/json" }),
      expect: asJson,
    },
    { name: "format=raw is the text", given: [scanning()], request: get(`${qr}?format=raw`), expect: raw },
    {
      name: "format=raw is the text, whatever Accept says",
      given: [scanning()],
      request: get(`${qr}?format=raw`, { accept: "image/png" }),
      expect: raw,
    },
    {
      name: "POST does the same and answers 201",
      given: [scanning()],
      request: post(qr),
      expect: { ...pngAnswer, status: 201 },
      after: [
        { request: post(`${qr}?format=raw`), expect: { ...raw, status: 201 } },
        { request: post(qr, undefined, { accept: "application/json" }), expect: { ...asJson, status: 201 } },
      ],
      onlySessiond: "the page's table has the route, WAHA's code does not",
    },
    {
      name: "HEAD has the headers of GET and no body",
      given: [scanning()],
      request: { method: "HEAD", path: qr },
      expect: {
        status: 200,
        headers: { "content-type": "image/png", "content-length": /^[1-9]\d*$/ },
        body: (answer) => {
          if (answer.bytes.byteLength > 0) throw new Error("the body must be empty");
        },
      },
    },
    {
      name: "a session that has just been started is waited for",
      given: [stopped()],
      request: post("/api/sessions/{session}/start"),
      expect: { status: 201 },
      after: [{ request: get(`${qr}?format=raw`), expect: raw }],
    },
    {
      name: "a format that nobody knows is refused",
      given: [scanning()],
      request: get(`${qr}?format=svg`),
      expect: failureLike(400, /^format /),
      onlySessiond: "WAHA takes it for image",
    },
    { name: "a session that does not exist is not found", request: get(qr), expect: notStarted },
    { name: "a stopped session is not found", given: [stopped()], request: get(qr), expect: notStarted },
    {
      name: "a stopped session is not found in format raw either",
      given: [stopped()],
      request: get(`${qr}?format=raw`, { accept: "application/json" }),
      expect: notStarted,
    },
    {
      name: "POST for a session that does not exist is not found",
      request: post(qr),
      expect: notStarted,
      onlySessiond: "the page's table has the route, WAHA's code does not",
    },
    {
      name: "a session that stays STARTING is waited for, then refused",
      given: [starting],
      request: get(qr),
      expect: statusNotAsExpected("STARTING"),
    },
  ],
};

const shot = "/api/screenshot?session={session}";
const notChrome = failure(422, "Can not get screenshot for non chrome based engine.");

/** GET /api/screenshot, on NOWEB. */
export const screenshotCases: CaseGroup = {
  title: "GET /api/screenshot",
  cases: [
    ...negotiation.filter((_, index) => index % 3 === 1).map((row) => negotiated(shot, row)),
    {
      name: "the QR code as a PNG while the session waits to be scanned",
      given: [scanning()],
      request: get(shot),
      expect: pngAnswer,
      waha: { expect: notChrome, because: "WAHA has no screenshot on NOWEB" },
    },
    {
      name: "as JSON where that is preferred",
      given: [scanning()],
      request: get(shot, { accept: "application/json" }),
      expect: asJson,
      waha: { expect: notChrome, because: "WAHA has no screenshot on NOWEB" },
    },
    {
      name: "a session without a page and without a code is refused",
      given: [starting],
      request: get(shot),
      expect: notChrome,
    },
    { name: "a session that does not exist is not found", request: get(shot), expect: notStarted },
    { name: "a stopped session is not found", given: [stopped()], request: get(shot), expect: notStarted },
  ],
};

const requestCode = (body: unknown) => post("/api/{session}/auth/request-code", body);
const code = json(201, text(/^\{"code":"[A-Z0-9]{4}-[A-Z0-9]{4}"\}$/));
const unchecked = "WAHA does not check this";

const phoneNumber = (what: string, value: unknown, expected = "phoneNumber"): RestCase => ({
  name: `request-code: a phone number ${what} is refused`,
  given: [scanning()],
  request: requestCode({ phoneNumber: value }),
  expect: violations(expected),
  onlySessiond: unchecked,
});

const codeFor = (what: string, value: string): RestCase => ({
  name: `request-code: a phone number ${what} gets a code`,
  given: [scanning()],
  request: requestCode({ phoneNumber: value }),
  expect: code,
});

/** Pairing codes. */
export const codeCases: CaseGroup = {
  title: "POST /api/{session}/auth/request-code and authorize-code",
  cases: [
    codeFor("of 11 digits", "12132132130"),
    codeFor("with a plus", "+12132132130"),
    codeFor("with spaces", "+1 213 213 21 30"),
    codeFor("with two zeros in front", "0012132132130"),
    codeFor("with brackets, dots and hyphens", "+1 (213) 213-21.30"),
    codeFor("with no-break spaces", "+1\u00a0213\u202f213\u00a02130"),
    codeFor("of 7 digits", "1213213"),
    codeFor("of 15 digits", "121321321301234"),
    phoneNumber("of 6 digits", "121321"),
    phoneNumber("of 16 digits", "1213213213012345"),
    phoneNumber("with letters", "1213213abcd"),
    phoneNumber("that begins with 0", "01213213213"),
    phoneNumber("with a plus inside", "1213+2132130"),
    phoneNumber("that is empty", ""),
    phoneNumber("that is a JSON number", 12132132130, "phoneNumber must be a string"),
    {
      name: "request-code: no phone number is refused",
      given: [scanning()],
      request: requestCode({}),
      expect: violations("phoneNumber"),
      onlySessiond: unchecked,
    },
    {
      name: "request-code: no body is refused",
      given: [scanning()],
      request: requestCode(undefined),
      expect: violations("phoneNumber"),
      onlySessiond: unchecked,
    },
    {
      name: "request-code: a null method is no method",
      given: [scanning()],
      request: requestCode({ phoneNumber: "12132132130", method: null }),
      expect: code,
    },
    {
      name: "request-code: a method is not supported",
      given: [scanning()],
      request: requestCode({ phoneNumber: "12132132130", method: "sms" }),
      expect: failureLike(422, /./),
      onlySessiond: "WAHA's own wording is its engine's",
    },
    {
      name: "request-code: a session that does not exist is not found",
      request: requestCode({ phoneNumber: "12132132130" }),
      expect: notStarted,
    },
    {
      name: "request-code: a stopped session is not found",
      given: [stopped()],
      request: requestCode({ phoneNumber: "12132132130" }),
      expect: notStarted,
    },
    {
      name: "request-code: a session that stays STARTING is waited for, then refused",
      given: [starting],
      request: requestCode({ phoneNumber: "12132132130" }),
      expect: failure(422, "Can request code only in SCAN_QR_CODE status. The current status is STARTING"),
    },
    {
      name: "request-code: GET is an unknown route",
      request: get("/api/{session}/auth/request-code"),
      expect: failure(404, "Cannot GET /api/{session}/auth/request-code"),
    },
    {
      name: "authorize-code: not implemented by the engine",
      given: [scanning()],
      request: post("/api/{session}/auth/authorize-code", { code: "123456" }),
      expect: failure(422, "The method is not implemented by the engine."),
    },
    {
      name: "authorize-code: no code is refused",
      given: [scanning()],
      request: post("/api/{session}/auth/authorize-code", {}),
      expect: violations("code"),
      onlySessiond: unchecked,
    },
    {
      name: "authorize-code: a code that is a number is refused",
      given: [scanning()],
      request: post("/api/{session}/auth/authorize-code", { code: 123456 }),
      expect: violations("code must be a string"),
      onlySessiond: unchecked,
    },
  ],
};
