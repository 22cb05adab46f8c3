import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, type ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { connectErrorOf, endOf } from "../../src/api/errors.ts";
import {
  type ErrorReason,
  invalidArgument,
  SessionError,
  sessionNotFound,
  sessionNotStarted,
} from "../../src/domain/errors.ts";

const codes = {
  SESSION_NOT_FOUND: "NotFound",
  SESSION_NOT_STARTED: "NotFound",
  SESSION_ALREADY_EXISTS: "AlreadyExists",
  SESSION_ALREADY_STARTED: "FailedPrecondition",
  REVISION_CONFLICT: "Aborted",
  IDEMPOTENCY_KEY_REUSED: "FailedPrecondition",
  SESSION_STATUS_UNEXPECTED: "FailedPrecondition",
  CODE_STATUS_UNEXPECTED: "FailedPrecondition",
  INVALID_ARGUMENT: "InvalidArgument",
  PAIRING_CODE_REFUSED: "FailedPrecondition",
  PAIRING_LINK_INVALID: "Unauthenticated",
  SESSION_PAIRED: "FailedPrecondition",
  TOO_MANY_PAIRING_LINKS: "ResourceExhausted",
  DASHBOARD_OFF: "FailedPrecondition",
  METHOD_NOT_SUPPORTED: "Unimplemented",
  NOT_A_BROWSER: "FailedPrecondition",
  ENGINE_UNAVAILABLE: "FailedPrecondition",
  CREDENTIALS_NOT_KEPT: "FailedPrecondition",
  DELIVERY_NOT_FOUND: "NotFound",
  DELIVERY_NOT_RESENDABLE: "FailedPrecondition",
  ENDPOINT_NOT_FOUND: "NotFound",
  ENDPOINT_DISABLED: "FailedPrecondition",
  API_KEY_REQUIRED: "Unauthenticated",
  READ_ONLY: "PermissionDenied",
  STORE_UNAVAILABLE: "Unavailable",
  READER_TOO_SLOW: "ResourceExhausted",
  TOO_MANY_STREAMS: "ResourceExhausted",
  STREAM_TOO_OLD: "Unavailable",
  BACKUP_RUNNING: "ResourceExhausted",
  NODE_UNREACHABLE: "Unavailable",
  OWNED_ELSEWHERE: "FailedPrecondition",
  SESSION_MOVING: "Unavailable",
  SHUTTING_DOWN: "Unavailable",
  MESSAGE_REFUSED: "FailedPrecondition",
  MESSAGE_NOT_FOUND: "NotFound",
  MESSAGE_HAS_LEFT: "FailedPrecondition",
  TOO_MANY_MESSAGES: "ResourceExhausted",
  FILE_NOT_FOUND: "NotFound",
  FILE_GONE: "NotFound",
  FILE_TOO_LARGE: "ResourceExhausted",
  FILE_UNAVAILABLE: "Unavailable",
} as const satisfies Record<ErrorReason, keyof typeof Code>;

const isReason = (name: string): name is ErrorReason => Object.hasOwn(codes, name);
const details = (error: ConnectError) => error.details.map((detail) => ("desc" in detail ? detail : undefined));
const names = (error: ConnectError) => details(error).map((detail) => detail?.desc.name);
const detail = (error: ConnectError, name: string) => details(error).find((found) => found?.desc.name === name)?.value;

describe("a failed call on the wire", () => {
  for (const [reason, code] of Object.entries(codes)) {
    it(`${reason} is ${code}, with its reason for programs`, () => {
      assert.ok(isReason(reason));
      const error = connectErrorOf(new SessionError(reason, "why", { session: "default" }));
      assert.equal(Code[error.code], code);
      assert.equal(error.rawMessage, "why");
      assert.deepEqual(detail(error, ErrorInfoSchema.name), {
        reason,
        domain: "sessiond",
        metadata: { session: "default" },
      });
    });
  }

  it("lists each broken rule", () => {
    const violations = [
      { field: "name", description: "should not be empty" },
      { field: "config.webhooks.0.url", description: "must be a URL address" },
    ];
    const error = connectErrorOf(invalidArgument(violations));
    assert.deepEqual(names(error), [ErrorInfoSchema.name, BadRequestSchema.name]);
    assert.deepEqual(detail(error, BadRequestSchema.name), { fieldViolations: violations });
  });

  it("suggests a retry only if waiting helps", () => {
    const status = (status: string) => connectErrorOf(new SessionError("SESSION_STATUS_UNEXPECTED", "", { status }));
    const retried = [status("STARTING"), connectErrorOf(new SessionError("SHUTTING_DOWN", ""))];
    for (const error of retried) assert.deepEqual(names(error), [ErrorInfoSchema.name, RetryInfoSchema.name]);
    const delay = detail(status("STARTING"), RetryInfoSchema.name);
    assert.ok(delay && "retryDelay" in delay);
    assert.deepEqual(names(status("FAILED")), [ErrorInfoSchema.name]);
    assert.deepEqual(names(connectErrorOf(sessionNotFound("x"))), [ErrorInfoSchema.name]);
  });

  it("has WAHA's text for a session that is not started", () => {
    assert.equal(
      connectErrorOf(sessionNotStarted("x")).rawMessage,
      "We didn't find a session with name 'x'.\nPlease start it first by using POST /api/sessions/x/start request",
    );
  });

  it("ends a stream with its caller's reason, else with the server's", () => {
    const left = new AbortController();
    const end = endOf(left.signal);
    assert.ok(end instanceof SessionError && end.reason === "SHUTTING_DOWN");
    left.abort("left");
    assert.equal(endOf(left.signal), "left");
  });
});
