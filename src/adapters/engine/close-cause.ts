import type { CloseCause } from "../../domain/session.ts";
import { LeaseLost } from "../../ports/sessions.ts";
import { CredentialsUnreadable } from "./credentials.ts";

/** The fields of an engine's `closed` event. */
export interface Closed {
  readonly cause: CloseCause;
  /** One sentence without secrets. */
  readonly message: string;
  /** Time of the monotonic clock before which nothing may be tried. */
  readonly untilMs?: number;
  /** The client version that WhatsApp refused. */
  readonly clientVersion?: string;
}

/** Ends an engine with a reason that is known where it is thrown. */
export class EngineEnd extends Error {
  override readonly name = "EngineEnd";
  readonly closed: Closed;

  /** `cause` appears in the log only. */
  constructor(closed: Closed, cause?: unknown) {
    super(closed.message, { cause });
    this.closed = closed;
  }
}

/** `close()` was called. */
export const closedOnRequest: Closed = { cause: "unreachable", message: "The engine was closed" };
/** `logout()` has unlinked the device. */
export const deviceUnlinked: Closed = { cause: "logged_out", message: "The device was unlinked" };
/** The login has ended at WhatsApp: on the phone, or by WhatsApp itself. */
export const unlinkedByPhone: Closed = { cause: "logged_out", message: "WhatsApp no longer knows this device" };
/** The last code of the round has expired. */
export const pairingTimedOut: Closed = { cause: "pairing_timeout", message: "No phone scanned a code in time" };
/** The engine or its library has a defect. */
export const crashed: Closed = { cause: "engine_crashed", message: "The engine failed unexpectedly" };

/** Maps the errors that every engine can fail with; undefined for an error of the engine's own library. */
export function closedByKnownError(error: unknown): Closed | undefined {
  if (error instanceof EngineEnd) return error.closed;
  if (error instanceof CredentialsUnreadable) return { cause: "credentials_unreadable", message: error.message };
  if (error instanceof LeaseLost) return { cause: "engine_crashed", message: "A newer engine runs the session" };
  return undefined;
}
