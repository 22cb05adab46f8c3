import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema } from "../../../gen/google/rpc/error_details_pb.js";

/** Field that the server refuses, and the reason. */
export interface FieldViolation {
  /** JSON path, such as "config.webhooks.0.url". */
  readonly field: string;
  readonly description: string;
}

/** Returns the violations of an error; none if it is about something else. */
export function violationsOf(error: unknown): FieldViolation[] {
  return ConnectError.from(error)
    .findDetails(BadRequestSchema)
    .flatMap(({ fieldViolations }) => fieldViolations.map(({ field, description }) => ({ field, description })));
}

const unreachable: ReadonlySet<Code> = new Set([Code.Unavailable, Code.DeadlineExceeded]);

/** Returns a sentence about an error for the person at the screen. */
export function messageOf(error: unknown): string {
  const { code, rawMessage } = ConnectError.from(error);
  if (code === Code.Unauthenticated) return "The login has ended. Log in again.";
  // Browsers report a missing connection as a TypeError of fetch.
  if (unreachable.has(code) || (code === Code.Unknown && ConnectError.from(error).cause instanceof TypeError)) {
    return "The server cannot be reached.";
  }
  return rawMessage || "The server reported an error without a text.";
}
