import { create, type DescField, type JsonValue, type Message, type Registry } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { defaultSession, ignoredNames, phoneParameter, streamTicket } from "../dialect.ts";
import type { HttpRequest } from "../exchange.ts";
import { HttpProblem } from "../problem.ts";
import { type Body, readBody, refuseLargeBody } from "./body.ts";
import { openMessage } from "./fields.ts";
import { readForm } from "./form.ts";
import type { HttpBinding } from "./http-rules.ts";
import { isJsonObject, type ReadContext, readJsonField, readJsonObject } from "./json-read.ts";
import { captureVariable, type PathSegment } from "./path-template.ts";
import { parseParameters, readQuery } from "./query.ts";
import type { RequestTarget } from "./request-target.ts";
import type { Dialect } from "./resolve-dialect.ts";
import { elementType, readText } from "./values.ts";
import { type FieldViolation, Violations } from "./violations.ts";

/** Options for reading requests. */
export interface RequestOptions {
  /** True if unknown properties are violations instead of being ignored. */
  readonly strict: boolean;
  readonly maxBodyBytes: number;
  /** Limit for requests that contain a file. */
  readonly maxFileBodyBytes: number;
  readonly registry: Registry;
  readonly dialect: Dialect;
  /** Validates a message beyond its types. Called if types are wrong, so that one response reports all violations. */
  readonly validate: (message: Message) => readonly FieldViolation[];
}

/**
 * Reads the request message of an RPC from path, query and body, and adds the header `ignoredNames` to `req` if there are unknown
 * names. Throws or rejects with an HttpProblem: a 400 with all violations, or the refusal of the body.
 */
export type ReadRequest = (
  req: HttpRequest,
  path: readonly PathSegment[],
  target: Pick<RequestTarget<unknown>, "query" | "message">,
) => Message | Promise<Message>;

const limitAdvice = ", the limit that SESSIOND_MAX_BODY_BYTES sets";
const fileAdvice =
  "Name a large file by file.url in place of file.data, or upload it with POST /api/{session}/media and name it by file.mediaId";

/**
 * Creates the reader for the requests of a route. It returns at once unless the route takes a body. The message of a call that is unary
 * and has no body is frozen, and left in the target for the next request.
 */
export function createRequestReader(binding: HttpBinding, options: RequestOptions): ReadRequest {
  const { rpc, body, variables } = binding;
  const { strict, registry } = options;
  const { formRequests, looseRequests, fileRequests, defaultSessions, phoneFields } = options.dialect;
  const limit = fileRequests.has(rpc.input)
    ? { maxBytes: options.maxFileBodyBytes, advice: `${limitAdvice}. ${fileAdvice}` }
    : { maxBytes: options.maxBodyBytes, advice: limitAdvice };
  const acceptsForms = formRequests.has(rpc.input);
  const loose = looseRequests.has(rpc.input);
  const defaults = rpc.input.fields.filter((field) => defaultSessions.has(field));
  const phoneField = rpc.input.fields.find((field) => phoneFields.has(field));
  const takesTicket = rpc.methodKind === "server_streaming";
  const bound = new Set<DescField | undefined>([body === "message" ? undefined : body]);
  for (const { fields } of variables) bound.add(onlyOne(fields));
  const isBound = (field: DescField) => bound.has(field);

  function readParameters(query: string): Parameters {
    if (query === "") return [];
    const parameters = parseParameters(query, "query");
    if (phoneField) return parameters.flatMap((one) => withPhone(one, phoneField));
    return takesTicket ? parameters.filter(([name]) => name !== streamTicket.parameter) : parameters;
  }

  function fill(
    req: HttpRequest,
    path: readonly PathSegment[],
    parameters: Parameters,
    sent: Body | undefined,
  ): Message {
    const message = reflect(rpc.input, create(rpc.input));
    const violations = new Violations();
    const context: ReadContext = { strict, loose, violations, ignored: [], registry, depth: 0 };
    for (const field of defaults) message.set(field, defaultSession);
    if (sent !== undefined) fillFromBody(body, message, sent, context);
    // If the body is the whole message, the query sets no fields.
    if (body !== "message") readQuery(message, parameters, isBound, context);
    for (const { variable, fields } of variables) {
      readVariable(message, fields, variable.fieldPath, captureVariable(variable, path), context);
    }
    if (!violations.isEmpty) throw new HttpProblem(400, violations.messages(options.validate(message.message)));
    if (context.ignored.length > 0) req.headers[ignoredNames.header] = encodeNames(context.ignored);
    return message.message;
  }

  if (body === undefined) {
    return (req, path, target) => {
      const parameters = target.message === undefined ? readParameters(target.query) : [];
      refuseLargeBody(req, limit);
      if (target.message !== undefined) return target.message;
      const message = fill(req, path, parameters, undefined);
      if (rpc.methodKind === "unary" && req.headers[ignoredNames.header] === undefined) {
        target.message = Object.freeze(message);
      }
      return message;
    };
  }
  return async (req, path, { query }) => {
    const parameters = readParameters(query);
    return fill(req, path, parameters, await readBody(req, { ...limit, acceptsForms }));
  };
}

/** Returns a query parameter under the name of its field; none for an empty `phone`. */
function withPhone(parameter: Parameters[number], field: DescField): Parameters {
  const [name, value] = parameter;
  if (name !== phoneParameter) return [parameter];
  return value === "" ? [] : [[field.jsonName, value]];
}

type Parameters = readonly (readonly [name: string, value: string])[];

function encodeNames(names: readonly string[]): string {
  return names.map((name) => encodeURIComponent(name.slice(0, ignoredNames.maxLength).toWellFormed())).join(",");
}

function fillFromBody(body: HttpBinding["body"], message: ReflectMessage, sent: Body, context: ReadContext): void {
  if (body === undefined) return;
  if ("form" in sent) readForm(message, sent.form, context);
  else fillFromJson(body, message, sent.json, context);
}

function fillFromJson(
  body: "message" | DescField,
  message: ReflectMessage,
  json: JsonValue,
  context: ReadContext,
): void {
  if (body !== "message") {
    if (json !== null) readJsonField(message, body, json, body.jsonName, context);
  } else if (isJsonObject(json)) {
    readJsonObject(message, json, "", context);
  } else {
    throw new HttpProblem(400, "Body must be a JSON object");
  }
}

function readVariable(
  message: ReflectMessage,
  fields: readonly DescField[],
  path: string,
  text: string,
  context: ReadContext,
): void {
  let at = message;
  for (const field of fields) {
    if (field.fieldKind === "message") {
      at = openMessage(at, field);
      continue;
    }
    const reading = readText(elementType(field), text, context.registry);
    if ("problem" in reading) context.violations.add(path, reading.problem);
    else at.set(field, reading.value);
  }
}

function onlyOne(fields: readonly DescField[]): DescField | undefined {
  return fields.length === 1 ? fields[0] : undefined;
}
