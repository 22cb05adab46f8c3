import { STATUS_CODES } from "node:http";
import type { JsonObject } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { RpcError } from "../../../gen/sessiond/api/v1/annotations_pb.js";
import { type ErrorBodySource, errorBody, errorReasons, errorStatus, fixedErrorBodies } from "../dialect.ts";
import type { HttpBinding } from "../rest/http-rules.ts";
import { isPublic, readErrors } from "./annotations.ts";
import type { Schemas } from "./schema.ts";

/** One reason for an error status. */
interface ErrorCase {
  readonly status: number;
  readonly when: string;
  readonly schema: JsonObject;
  /** Example of the error's text. */
  readonly message?: string | undefined;
}

/** Returns the error responses of a call by status: those of its options, and those of every request of its kind. */
export function errorResponses(binding: HttpBinding, schemas: Schemas): JsonObject {
  const errors = readErrors(binding.rpc);
  const cases = [...casesOfTransport(binding, schemas), ...errors.map((one) => toCase(one, schemas))];
  const byStatus = [...Map.groupBy(cases, ({ status }) => status)].sort(([a], [b]) => a - b);
  return {
    ...Object.fromEntries(byStatus.map(([status, same]) => [status, toResponse(same)])),
    default: {
      description: "Any other error. A request that ended with 429, 503 or 504 can be repeated.",
      content: { "application/json": { schema: anyError(schemas) } },
    },
  };
}

function casesOfTransport({ rpc, body }: HttpBinding, schemas: Schemas): ErrorCase[] {
  const caseOf = (status: number, when: string) => ({ status, when, schema: statusSchema(status, schemas) });
  return [
    ...(rpc.input.fields.length > 0
      ? [caseOf(400, "The request is malformed, or fields are invalid. The message lists all of them.")]
      : []),
    ...(isPublic(rpc) ? [] : [caseOf(401, "The API key is missing or wrong.")]),
    ...(body === undefined
      ? []
      : [caseOf(413, "The body is too large."), caseOf(415, "The body is not JSON in UTF-8.")]),
  ];
}

function toCase({ code, reason, when, message }: RpcError, schemas: Schemas): ErrorCase {
  const special = errorReasons[reason];
  const status = special?.status ?? statusOfCode(code);
  if (special?.body !== undefined) {
    return { status, when, schema: schemas.named(pascalCase(reason), objectSchema(special.body, sourceSchema)) };
  }
  return { status, when, message: message === "" ? undefined : message, schema: statusSchema(status, schemas) };
}

/** Returns the HTTP status of a code. google.rpc.Code and Connect use the same numbers. */
function statusOfCode(code: number): number {
  const [, status = 500] = Object.entries(errorStatus).find(([key]) => Number(key) === code) ?? [];
  return status;
}

function toResponse(cases: readonly ErrorCase[]): JsonObject {
  const schemas = [...new Map(cases.map(({ schema }) => [JSON.stringify(schema), schema])).values()];
  const [only = {}] = schemas;
  const schema = schemas.length > 1 ? { anyOf: schemas } : only;
  return {
    description: [...new Set(cases.map(({ when }) => when))].join("\n\n"),
    content: { "application/json": { schema, ...examplesOf(cases) } },
  };
}

/** Returns examples of the bodies whose text is known. */
function examplesOf(cases: readonly ErrorCase[]): JsonObject {
  const examples = cases.flatMap(({ status, when, message }) =>
    message === undefined ? [] : [{ summary: when, value: bodyOf(status, message) }],
  );
  if (examples.length === 0) return {};
  return { examples: Object.fromEntries(examples.map((example, index) => [`example${index + 1}`, example])) };
}

function bodyOf(status: number, message: string): JsonObject {
  return JSON.parse(JSON.stringify(errorBody(status, message)));
}

/** Returns the schema of an error body, for all errors of a status without a body of their own. */
function statusSchema(status: number, schemas: Schemas): JsonObject {
  const isFixed = fixedErrorBodies[status] !== undefined;
  const schema = objectSchema(bodyOf(status, ""), (value, key): JsonObject => {
    if (key !== "message" || isFixed) return { const: value };
    if (status !== errorStatus[Code.InvalidArgument]) return { type: "string" };
    return { description: "Text of the error, or a list if fields are invalid.", ...messages };
  });
  return schemas.named(pascalCase(STATUS_CODES[status] ?? `Status ${status}`), schema);
}

function anyError(schemas: Schemas): JsonObject {
  return schemas.named("AnyError", {
    type: "object",
    required: ["statusCode", "message"],
    properties: { statusCode: { type: "integer" }, message: messages, error: { type: "string" } },
  });
}

const messages = { type: ["string", "array"], items: { type: "string" } } satisfies JsonObject;

function sourceSchema(source: ErrorBodySource): JsonObject {
  if (source === "message") return { type: "string" };
  return "metadata" in source ? { type: ["string", "null"] } : { type: "array", items: { type: "string" } };
}

function objectSchema<T>(
  keys: Readonly<Record<string, T>>,
  schemaOf: (value: T, key: string) => JsonObject,
): JsonObject {
  const properties = Object.entries(keys).map(([key, value]) => [key, schemaOf(value, key)] as const);
  return { type: "object", required: Object.keys(keys), properties: Object.fromEntries(properties) };
}

function pascalCase(text: string): string {
  return text
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");
}
