import { create, type DescField, type JsonValue, type Message, type Registry } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { readJsonBody, refuseLargeBody } from "./body.ts";
import { streamTicket } from "./dialect.ts";
import type { HttpRequest } from "./exchange.ts";
import { openMessage } from "./fields.ts";
import type { HttpBinding } from "./http-rules.ts";
import { isJsonObject, type ReadContext, readJsonField, readJsonObject } from "./json-read.ts";
import { captureVariable, type PathSegment } from "./path-template.ts";
import { HttpProblem } from "./problem.ts";
import { parseQuery, readQuery } from "./query.ts";
import { elementType, readText } from "./values.ts";
import { createViolations, type FieldViolation } from "./violations.ts";

/** How requests become messages. */
export type RequestOptions = {
  /** Unknown properties are violations instead of being ignored. */
  strict: boolean;
  maxBodyBytes: number;
  registry: Registry;
  /** What is wrong with a message beyond its types; asked when the types are wrong, to tell all at once. */
  validate: (message: Message) => readonly FieldViolation[];
};

/**
 * Makes the request message of an RPC from path, query and body. Throws an HttpProblem: 400 with every violation, or
 * what is wrong with the body as a whole.
 */
export async function readRequest(
  binding: HttpBinding,
  req: HttpRequest,
  path: readonly PathSegment[],
  query: string,
  options: RequestOptions,
): Promise<Message> {
  const message = reflect(binding.rpc.input, create(binding.rpc.input));
  const violations = createViolations();
  const context: ReadContext = { strict: options.strict, violations, registry: options.registry, depth: 0 };
  const isTicket = ([name]: readonly [name: string, value: string]) =>
    name === streamTicket.parameter && binding.rpc.methodKind === "server_streaming";
  const parameters = parseQuery(query).filter((parameter) => !isTicket(parameter));
  if (binding.body === undefined) refuseLargeBody(req, options.maxBodyBytes);
  else readBody(binding.body, message, await readJsonBody(req, options.maxBodyBytes), context);
  // A body that is the whole message leaves nothing to the query.
  if (binding.body !== "message") {
    const bound = new Set<DescField | undefined>(binding.variables.map(({ fields }) => onlyOne(fields)));
    bound.add(binding.body);
    readQuery(message, parameters, (field) => bound.has(field), context);
  }
  for (const { variable, fields } of binding.variables) {
    readVariable(message, fields, variable.fieldPath, captureVariable(variable, path), context);
  }
  if (!violations.isEmpty) throw new HttpProblem(400, violations.messages(options.validate(message.message)));
  return message.message;
}

function readBody(
  body: "message" | DescField,
  message: ReflectMessage,
  json: JsonValue | undefined,
  context: ReadContext,
): void {
  if (json === undefined) return;
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
