import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.js";
import { type ErrorBodySource, errorBody, errorReasons, errorStatus } from "../dialect.ts";
import { HttpProblem } from "../problem.ts";
import { violationMessage } from "./violations.ts";

/** Status and body of an error response. */
export interface RestError {
  readonly status: number;
  readonly body: object;
}

/** Returns the response to a thrown value. Anything but an HttpProblem or a ConnectError becomes a bare 500. */
export function toRestError(error: unknown): RestError {
  if (error instanceof HttpProblem) return { status: error.status, body: errorBody(error.status, error.detail) };
  if (!(error instanceof ConnectError)) return { status: 500, body: errorBody(500, "") };
  const info = error.findDetails(ErrorInfoSchema)[0];
  const reason = info !== undefined && Object.hasOwn(errorReasons, info.reason) ? errorReasons[info.reason] : undefined;
  const status = reason?.status ?? errorStatus[error.code] ?? 500;
  if (reason?.body !== undefined) {
    const entries = Object.entries(reason.body).map(([key, source]) => [
      key,
      readSource(source, error.rawMessage, info?.metadata ?? {}),
    ]);
    return { status, body: Object.fromEntries(entries) };
  }
  return { status, body: errorBody(status, violationsOf(error) ?? error.rawMessage) };
}

/** Returns one sentence per field violation; undefined if the error has none. */
function violationsOf(error: ConnectError): string[] | undefined {
  if (error.code !== Code.InvalidArgument) return undefined;
  const violations = error.findDetails(BadRequestSchema).flatMap((detail) => detail.fieldViolations);
  return violations.length === 0 ? undefined : violations.map(violationMessage);
}

function readSource(source: ErrorBodySource, message: string, metadata: Readonly<Record<string, string>>): unknown {
  if (source === "message") return message;
  if ("metadata" in source) return metadata[source.metadata] ?? null;
  return (metadata[source.commaList] ?? "").split(",").filter((item) => item !== "");
}
