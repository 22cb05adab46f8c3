/** Why a call can fail. What each becomes on the wire is decided in api/errors.ts. */
export type ErrorReason =
  | "SESSION_NOT_FOUND"
  | "SESSION_NOT_STARTED"
  | "SESSION_ALREADY_EXISTS"
  | "SESSION_ALREADY_STARTED"
  | "REVISION_CONFLICT"
  | "IDEMPOTENCY_KEY_REUSED"
  | "SESSION_STATUS_UNEXPECTED"
  | "CODE_STATUS_UNEXPECTED"
  | "INVALID_ARGUMENT"
  | "PAIRING_CODE_REFUSED"
  | "METHOD_NOT_SUPPORTED"
  | "NOT_A_BROWSER"
  | "ENGINE_UNAVAILABLE"
  | "CREDENTIALS_NOT_KEPT"
  | "DELIVERY_NOT_FOUND"
  | "DELIVERY_NOT_RESENDABLE"
  | "ENDPOINT_NOT_FOUND"
  | "ENDPOINT_DISABLED"
  | "API_KEY_REQUIRED"
  | "READER_TOO_SLOW"
  | "TOO_MANY_STREAMS"
  | "STREAM_TOO_OLD"
  | "STORE_UNAVAILABLE"
  | "BACKUP_RUNNING"
  | "SHUTTING_DOWN";

/** One rule broken: `field` is a dotted path ("config.webhooks.0.url"), `description` continues it ("must be a URL address"). */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

/** A call that fails for a reason its caller can understand. */
export class SessionError extends Error {
  override readonly name = "SessionError";
  readonly reason: ErrorReason;
  /** Facts for programs; never secrets. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly Violation[];

  constructor(
    reason: ErrorReason,
    message: string,
    metadata: Readonly<Record<string, string>> = {},
    violations: readonly Violation[] = [],
  ) {
    super(message);
    this.reason = reason;
    this.metadata = metadata;
    this.violations = violations;
  }
}

/** The store takes no writes for now, and nothing of this one is kept; it goes on by itself once the disk does. */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";

  constructor(cause: unknown) {
    super("the store cannot be written to now", { cause });
  }
}

/** There is no session of that name. */
export const sessionNotFound = (session: string) =>
  new SessionError("SESSION_NOT_FOUND", "Session not found", { session });

/** Whether an error says that there is no session of that name. */
export const isNotFound = (error: unknown): boolean =>
  error instanceof SessionError && error.reason === "SESSION_NOT_FOUND";

/** The session is missing or STOPPED, so no phone can be paired with it. */
export const sessionNotStarted = (session: string) =>
  new SessionError(
    "SESSION_NOT_STARTED",
    `We didn't find a session with name '${session}'.\nPlease start it first by using POST /api/sessions/${session}/start request`,
    { session },
  );

/** The server takes no more calls, and ends those that would go on. */
export const shuttingDown = () => new SessionError("SHUTTING_DOWN", "The server is shutting down");

/** Some fields break their rules; nothing was done. */
export const invalidArgument = (violations: readonly Violation[]) =>
  new SessionError("INVALID_ARGUMENT", violations.map((v) => `${v.field} ${v.description}`).join("; "), {}, violations);
