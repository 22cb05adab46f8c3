/** PostgreSQL refused a write because the life of this node in which it was sent is over. */
export const takenOver = "SD001";

/** No connection could be made, whatever the server said: its login or its database can be back in a moment. */
export class NotConnected extends Error {
  override readonly name = "NotConnected";

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Returns the SQLSTATE of an error that PostgreSQL has sent. */
export function sqlStateOf(error: unknown): string | undefined {
  const code = codeOf(error);
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** Returns the code of an error: PostgreSQL's, or the system's. */
export function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

// Connection lost; resources short; server stopping, starting or statement cancelled; disk failed; conflict with another transaction.
const transient = /^(08|53|57|58|40)/;
/** Also: read-only, as a standby is before its promotion; a lock that is not available. */
const transientCodes = new Set(["25006", "55P03"]);

/** Returns true if the same statement can succeed later. After an error that PostgreSQL has not sent, it may have been carried out. */
export function isTransient(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state === undefined || transient.test(state) || transientCodes.has(state);
}

/** Returns true if a connection is of no use after an error. */
export function endsConnection(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state === undefined || /^(08|57P)/.test(state) || state === "25006";
}

/** Another node has just created a session with the same key. The same statement tells so, if it is sent again. */
export const isCreationRace = (error: unknown): boolean => sqlStateOf(error) === "23505";
