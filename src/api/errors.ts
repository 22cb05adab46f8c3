import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { type ErrorReason, type SessionError, shuttingDown } from "../domain/errors.ts";

const codes = {
  SESSION_NOT_FOUND: Code.NotFound,
  SESSION_NOT_STARTED: Code.NotFound,
  SESSION_ALREADY_EXISTS: Code.AlreadyExists,
  SESSION_ALREADY_STARTED: Code.FailedPrecondition,
  REVISION_CONFLICT: Code.Aborted,
  IDEMPOTENCY_KEY_REUSED: Code.FailedPrecondition,
  SESSION_STATUS_UNEXPECTED: Code.FailedPrecondition,
  CODE_STATUS_UNEXPECTED: Code.FailedPrecondition,
  INVALID_ARGUMENT: Code.InvalidArgument,
  PAIRING_CODE_REFUSED: Code.FailedPrecondition,
  PAIRING_LINK_INVALID: Code.Unauthenticated,
  SESSION_PAIRED: Code.FailedPrecondition,
  TOO_MANY_PAIRING_LINKS: Code.ResourceExhausted,
  DASHBOARD_OFF: Code.FailedPrecondition,
  METHOD_NOT_SUPPORTED: Code.Unimplemented,
  NOT_A_BROWSER: Code.FailedPrecondition,
  ENGINE_UNAVAILABLE: Code.FailedPrecondition,
  CREDENTIALS_NOT_KEPT: Code.FailedPrecondition,
  DELIVERY_NOT_FOUND: Code.NotFound,
  DELIVERY_NOT_RESENDABLE: Code.FailedPrecondition,
  ENDPOINT_NOT_FOUND: Code.NotFound,
  ENDPOINT_DISABLED: Code.FailedPrecondition,
  API_KEY_REQUIRED: Code.Unauthenticated,
  READ_ONLY: Code.PermissionDenied,
  READER_TOO_SLOW: Code.ResourceExhausted,
  TOO_MANY_STREAMS: Code.ResourceExhausted,
  STREAM_TOO_OLD: Code.Unavailable,
  STORE_UNAVAILABLE: Code.Unavailable,
  BACKUP_RUNNING: Code.ResourceExhausted,
  NODE_UNREACHABLE: Code.Unavailable,
  OWNED_ELSEWHERE: Code.FailedPrecondition,
  SESSION_MOVING: Code.Unavailable,
  SHUTTING_DOWN: Code.Unavailable,
  MESSAGE_REFUSED: Code.FailedPrecondition,
  MESSAGE_NOT_FOUND: Code.NotFound,
  MESSAGE_HAS_LEFT: Code.FailedPrecondition,
  TOO_MANY_MESSAGES: Code.ResourceExhausted,
  FILE_NOT_FOUND: Code.NotFound,
  FILE_GONE: Code.NotFound,
  FILE_TOO_LARGE: Code.ResourceExhausted,
  FILE_UNAVAILABLE: Code.Unavailable,
} as const satisfies Record<ErrorReason, Code>;

/** Domain of the reasons, in google.rpc.ErrorInfo. */
const domain = "sessiond";
/** Delay that answers suggest before a retry. */
const retryDelayMs = 1_000;

/** Converts a failure to the error that all protocols report: its code, and google.rpc details for programs. */
export function connectErrorOf(error: SessionError): ConnectError {
  const { reason, message, metadata, violations } = error;
  const details: ConstructorParameters<typeof ConnectError>[3] = [
    { desc: ErrorInfoSchema, value: { reason, domain, metadata: { ...metadata } } },
  ];
  if (violations.length > 0) {
    details.push({ desc: BadRequestSchema, value: { fieldViolations: violations.map((v) => ({ ...v })) } });
  }
  const { retryAfterSeconds } = metadata;
  if (retryAfterSeconds !== undefined) {
    details.push({ desc: RetryInfoSchema, value: { retryDelay: durationFromMs(Number(retryAfterSeconds) * 1_000) } });
  }
  if (codes[reason] === Code.Unavailable || metadata.status === "STARTING") {
    details.push({ desc: RetryInfoSchema, value: { retryDelay: durationFromMs(retryDelayMs) } });
  }
  const headers = retryAfterSeconds === undefined ? undefined : { "retry-after": retryAfterSeconds };
  return new ConnectError(message, codes[reason], headers, details);
}

/** Returns the error for a stream whose source has ended: the caller's reason if it aborted, else the shutdown. */
export const endOf = (signal: AbortSignal): unknown => (signal.aborted ? signal.reason : shuttingDown());
