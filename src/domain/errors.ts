/** Reasons for which a call fails. api/errors.ts maps each to its code. */
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
  | "PAIRING_LINK_INVALID"
  | "SESSION_PAIRED"
  | "TOO_MANY_PAIRING_LINKS"
  | "DASHBOARD_OFF"
  | "METHOD_NOT_SUPPORTED"
  | "NOT_A_BROWSER"
  | "ENGINE_UNAVAILABLE"
  | "CREDENTIALS_NOT_KEPT"
  | "DELIVERY_NOT_FOUND"
  | "DELIVERY_NOT_RESENDABLE"
  | "ENDPOINT_NOT_FOUND"
  | "ENDPOINT_DISABLED"
  | "API_KEY_REQUIRED"
  | "READ_ONLY"
  | "READER_TOO_SLOW"
  | "TOO_MANY_STREAMS"
  | "STREAM_TOO_OLD"
  | "STORE_UNAVAILABLE"
  | "BACKUP_RUNNING"
  | "NODE_UNREACHABLE"
  | "OWNED_ELSEWHERE"
  | "SESSION_MOVING"
  | "SHUTTING_DOWN"
  | "MESSAGE_REFUSED"
  | "MESSAGE_NOT_FOUND"
  | "MESSAGE_HAS_LEFT"
  | "TOO_MANY_MESSAGES"
  | "FILE_NOT_FOUND"
  | "FILE_GONE"
  | "FILE_TOO_LARGE"
  | "FILE_UNAVAILABLE";

/**
 * One broken rule: `field` is a dotted path ("config.webhooks.0.url"), `description` continues it ("must be a URL
 * address").
 */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

/** A failure that its caller can understand and act on. */
export class SessionError extends Error {
  override readonly name = "SessionError";
  readonly reason: ErrorReason;
  /** Facts for programs. Never contains secrets. */
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

/**
 * Thrown when the store cannot be written to, for example on a full disk. The rejected write has no effect; the store
 * recovers by itself.
 */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";

  constructor(cause: unknown) {
    super("the store cannot be written to now", { cause });
  }
}

/** Creates the error for a session that does not exist. */
export const sessionNotFound = (session: string) =>
  new SessionError("SESSION_NOT_FOUND", "Session not found", { session });

/** Returns true if an error reports that the session does not exist. */
export const isNotFound = (error: unknown): boolean =>
  error instanceof SessionError && error.reason === "SESSION_NOT_FOUND";

/** Creates the error for pairing with a session that is missing or STOPPED. */
export const sessionNotStarted = (session: string) =>
  new SessionError(
    "SESSION_NOT_STARTED",
    `We didn't find a session with name '${session}'.\nPlease start it first by using POST /api/sessions/${session}/start request`,
    { session },
  );

/** Creates the error for calls that the server refuses or ends while it shuts down. */
export const shuttingDown = () => new SessionError("SHUTTING_DOWN", "The server is shutting down");

/** Creates the error for a command that this node cannot carry out, as the session belongs to another node. */
export const ownedElsewhere = (session: string, node: string, isBound: boolean) =>
  new SessionError(
    "OWNED_ELSEWHERE",
    isBound
      ? `Session '${session}' has its browser profile on node '${node}', and only that node can run it: start the node if it is down`
      : `Session '${session}' runs on node '${node}'; try again`,
    { session, node, bound: String(isBound) },
  );

/** Creates the error for a command that met a session on its way to another node, or to this node again. */
export const sessionMoving = (session: string) =>
  new SessionError("SESSION_MOVING", `Session '${session}' is being moved to another node; try again`, { session });

/** Creates the error for a command to a node that cannot reach its store, and so does nothing. */
export const nodeFrozen = () =>
  new SessionError("STORE_UNAVAILABLE", "This node cannot reach the store now; try again, or on another node");

/** Creates the error for a request that breaks these rules. Nothing of the request has been done. */
export const invalidArgument = (violations: readonly Violation[]) =>
  new SessionError("INVALID_ARGUMENT", violations.map((v) => `${v.field} ${v.description}`).join("; "), {}, violations);
