import {
  all,
  empty,
  emptyConfig,
  exactly,
  failureLike,
  info,
  json,
  sessionNotFound,
  withKeys,
} from "../expectations.ts";
import {
  type CaseGroup,
  del,
  get,
  post,
  type RestCase,
  type Step,
  scanning,
  sessionPath,
  starting,
  stopped,
} from "../rest-case.ts";

const bare = "WAHA leaves out of `config` what was not sent";
const started = { proxy: { server: "127.0.0.1:1" }, webhooks: [], debug: false };

const answers = (status: string, config: object = emptyConfig): Pick<Step, "expect" | "waha"> => ({
  expect: json(201, withKeys(info(status, config))),
  waha: { expect: json(201, withKeys({ name: "{session}", status })), because: bare },
});

const isNow = (status: string): Step => ({
  request: get(sessionPath),
  expect: json(200, withKeys({ name: "{session}", status })),
});

/** A missing session: 404 for each call that needs one. */
const missing: readonly RestCase[] = ["start", "stop", "restart", "logout"].map((action) => ({
  name: `${action}: a session that does not exist is not found`,
  request: post(`${sessionPath}/${action}`),
  expect: sessionNotFound,
  ...(action === "stop" ? { onlySessiond: "WAHA stops what does not exist" } : {}),
}));

/** These calls ignore their body. */
const bodies: readonly RestCase[] = ["start", "stop", "restart", "logout"].map((action) => ({
  name: `${action}: an empty object as the body is fine`,
  given: [stopped()],
  request: post(`${sessionPath}/${action}`, {}),
  expect: json(201, withKeys({ name: "{session}" })),
}));

/** POST …/start, stop, restart, logout. */
export const runCases: CaseGroup = {
  title: "POST /api/sessions/{session}/start, stop, restart, logout",
  cases: [
    {
      name: "start: a stopped session is STARTING",
      given: [stopped()],
      request: post(`${sessionPath}/start`),
      ...answers("STARTING"),
    },
    {
      name: "start: is idempotent, a running session stays as it is",
      given: [scanning()],
      request: post(`${sessionPath}/start`),
      expect: json(201, withKeys(info("SCAN_QR_CODE"))),
      waha: {
        expect: failureLike(422, /Session '.+' is already started\./),
        because: "the page calls start idempotent; WAHA's code refuses",
      },
      after: [isNow("SCAN_QR_CODE")],
    },
    {
      name: "start: twice at once gives one session that runs",
      given: [starting],
      request: post(`${sessionPath}/start`),
      expect: json(201, withKeys(info("STARTING", started))),
      after: [{ request: post(`${sessionPath}/start`), expect: json(201, withKeys(info("STARTING", started))) }],
      onlySessiond: "the page calls start idempotent; WAHA's code refuses",
    },
    {
      name: "start: leads to a QR code",
      given: [stopped()],
      request: post(`${sessionPath}/start`),
      ...answers("STARTING"),
      after: [{ request: get("/api/{session}/auth/qr?format=raw"), expect: { status: 200 } }],
    },
    {
      name: "stop: a running session is STOPPED",
      given: [scanning()],
      request: post(`${sessionPath}/stop`),
      ...answers("STOPPED"),
      after: [isNow("STOPPED")],
    },
    {
      name: "stop: a session that is starting is STOPPED",
      given: [starting],
      request: post(`${sessionPath}/stop`),
      ...answers("STOPPED", started),
    },
    {
      name: "stop: is idempotent",
      given: [stopped()],
      request: post(`${sessionPath}/stop`),
      ...answers("STOPPED"),
      after: [{ request: post(`${sessionPath}/stop`), ...answers("STOPPED") }],
    },
    {
      name: "stop: keeps the configuration",
      given: [scanning({ metadata: { a: "b" } })],
      request: post(`${sessionPath}/stop`),
      ...answers("STOPPED", { metadata: { a: "b" }, ...emptyConfig }),
    },
    {
      name: "restart: a running session is STARTING, then shows a code",
      given: [scanning()],
      request: post(`${sessionPath}/restart`),
      ...answers("STARTING"),
      after: [{ request: get("/api/{session}/auth/qr?format=raw"), expect: { status: 200 } }],
    },
    {
      name: "restart: starts a stopped session",
      given: [stopped()],
      request: post(`${sessionPath}/restart`),
      ...answers("STARTING"),
    },
    {
      name: "logout: a stopped session stays stopped, and keeps its configuration",
      given: [stopped({ metadata: { a: "b" } })],
      request: post(`${sessionPath}/logout`),
      ...answers("STOPPED", { metadata: { a: "b" }, ...emptyConfig }),
      after: [isNow("STOPPED")],
    },
    {
      name: "logout: a running session starts again, and shows a code",
      given: [scanning({ metadata: { a: "b" } })],
      request: post(`${sessionPath}/logout`),
      expect: json(201, withKeys({ name: "{session}", config: { metadata: { a: "b" }, ...emptyConfig }, me: null })),
      waha: { expect: json(201, withKeys({ name: "{session}" })), because: bare },
      after: [{ request: get("/api/{session}/auth/qr?format=raw"), expect: { status: 200 } }, isNow("SCAN_QR_CODE")],
    },
    ...missing,
    ...bodies,
  ],
};

const nothing = { status: 200, body: empty };

/** DELETE, GET, GET …/me. */
export const oneSessionCases: CaseGroup = {
  title: "GET and DELETE /api/sessions/{session}, GET …/me",
  cases: [
    {
      name: "delete: a stopped session is gone, and the answer has no body",
      given: [stopped()],
      request: del(sessionPath),
      expect: nothing,
      after: [{ request: get(sessionPath), expect: sessionNotFound }],
    },
    {
      name: "delete: a running session is stopped and gone",
      given: [scanning()],
      request: del(sessionPath),
      expect: nothing,
      after: [{ request: get(sessionPath), expect: sessionNotFound }],
    },
    {
      name: "delete: a session that is starting is stopped and gone",
      given: [starting],
      request: del(sessionPath),
      expect: nothing,
      after: [{ request: get(sessionPath), expect: sessionNotFound }],
    },
    {
      name: "delete: is idempotent",
      given: [stopped()],
      request: del(sessionPath),
      expect: nothing,
      after: [
        { request: del(sessionPath), expect: nothing },
        { request: del(sessionPath), expect: nothing },
      ],
    },
    { name: "delete: a session that never was is fine", request: del(sessionPath), expect: nothing },
    { name: "get: a session that does not exist is not found", request: get(sessionPath), expect: sessionNotFound },
    {
      name: "get: a session that waits to be scanned",
      given: [scanning()],
      request: get(sessionPath),
      expect: json(200, withKeys(info("SCAN_QR_CODE"))),
      waha: { expect: json(200, withKeys({ name: "{session}", status: "SCAN_QR_CODE" })), because: bare },
    },
    {
      name: "get: the first keys are those of the page, in its order",
      given: [stopped()],
      request: get(sessionPath),
      expect: json(
        200,
        all(withKeys(info("STOPPED")), (answer) => {
          const keys = Object.keys(Object(answer.json())).slice(0, 5).join();
          if (keys !== "name,status,config,me,engine") throw new Error(`the keys begin with ${keys}`);
        }),
      ),
      onlySessiond: bare,
    },
    {
      name: "me: null for a stopped session",
      given: [stopped()],
      request: get(`${sessionPath}/me`),
      expect: json(200, exactly(null)),
      onlySessiond: "WAHA answers 404 for a session that does not run",
    },
    {
      name: "me: null for a session that is not paired",
      given: [scanning()],
      request: get(`${sessionPath}/me`),
      expect: json(200, exactly(null)),
      waha: { expect: nothing, because: "WAHA sends an empty body where the page shows null" },
    },
    {
      name: "me: a session that does not exist is not found",
      request: get(`${sessionPath}/me`),
      expect: sessionNotFound,
      waha: {
        expect: failureLike(404, /We didn't find a session with name/),
        because: "WAHA has the same text as for a session that does not run",
      },
    },
  ],
};
