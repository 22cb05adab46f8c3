import type { DescField, DescMethod, JsonObject } from "@bufbuild/protobuf";
import { formType } from "../dialect.ts";
import { nestedMessage } from "../rest/fields.ts";
import type { HttpBinding } from "../rest/http-rules.ts";
import { isPublic, readFieldKeywords, readHeaders } from "./annotations.ts";
import { summaryOf } from "./comment.ts";
import { errorResponses } from "./error-response.ts";
import { type OperationContext, successResponse } from "./response.ts";

/** Returns the Operation Object of a binding. `operationId` is unique in the document. */
export function operationOf(
  binding: HttpBinding,
  operationId: string,
  tag: string,
  context: OperationContext,
): JsonObject {
  const { rpc, body } = binding;
  const text = context.commentOf(rpc);
  const summary = summaryOf(text);
  const parameters = [...fieldParameters(binding, context), ...headerParameters(binding)];
  return {
    tags: [tag],
    summary,
    ...(hasMoreThan(summary, text) && { description: text }),
    operationId,
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && { requestBody: requestBodyOf(binding, body, context) }),
    responses: { ...successResponse(binding, context), ...errorResponses(binding, context.schemas) },
    ...(rpc.deprecated && { deprecated: true }),
    ...securityOf(rpc),
  };
}

/** Returns the security of an RPC, if it differs from that of the document. */
function securityOf(rpc: DescMethod): JsonObject {
  if (isPublic(rpc)) return { security: [] };
  if (rpc.methodKind !== "server_streaming") return {};
  return { security: [{ apiKey: [] }, { bearer: [] }, { ticket: [] }] };
}

function hasMoreThan(summary: string, text: string): boolean {
  return text.replaceAll("`", "").length > summary.length + 1;
}

/** Returns a binding's path in the form of OpenAPI: "{name=things/*}" becomes "{name}". */
export function pathOf({ path }: HttpBinding): string {
  return path.replace(/\{([^}=]+)=[^}]*\}/g, "{$1}");
}

function fieldParameters(binding: HttpBinding, context: OperationContext): JsonObject[] {
  const inPath = binding.variables.flatMap(({ variable, fields }) => {
    const field = fields.at(-1);
    return field ? [parameterOf(variable.fieldPath, "path", field, context)] : [];
  });
  if (binding.body === "message") return inPath;
  const bound = boundFields(binding);
  const free = binding.rpc.input.fields.filter((field) => field !== binding.body && !bound.has(field));
  return [...inPath, ...free.flatMap((field) => queryParameters(field, "", context))];
}

/** Returns the top-level fields that are set from the path. */
function boundFields({ variables }: HttpBinding): ReadonlySet<DescField> {
  return new Set(variables.flatMap(({ fields: [first, ...rest] }) => (first && rest.length === 0 ? [first] : [])));
}

function queryParameters(field: DescField, prefix: string, context: OperationContext): JsonObject[] {
  const name = `${prefix}${field.jsonName}`;
  const nested = nestedMessage(field);
  if (nested !== undefined) return nested.fields.flatMap((inner) => queryParameters(inner, `${name}.`, context));
  const parameter = parameterOf(name, "query", field, context);
  return [field.fieldKind === "map" ? mapParameter(name, parameter) : parameter];
}

function parameterOf(name: string, place: "path" | "query", field: DescField, context: OperationContext): JsonObject {
  const { description = "", deprecated = false, examples = [], ...schema } = context.schemas.field(field, "request");
  const [example] = Array.isArray(examples) ? examples : [];
  return {
    name,
    in: place,
    description,
    ...(place === "path" && { required: true }),
    ...(deprecated && { deprecated }),
    schema,
    ...(example !== undefined && { example }),
  };
}

/** Describes a map, which has one parameter for each entry: an exploded form, in which the name of the map does not occur. */
function mapParameter(name: string, parameter: JsonObject): JsonObject {
  const { schema, description, ...rest } = parameter;
  const values = typeof schema === "object" && schema !== null && "additionalProperties" in schema ? schema : {};
  return {
    ...rest,
    description: `${description} Each pair is a separate parameter: \`${name}.KEY=VALUE\`.`,
    style: "form",
    explode: true,
    schema: {
      type: "object",
      patternProperties: { [`^${name.replaceAll(".", "\\.")}\\.`]: values.additionalProperties ?? {} },
      additionalProperties: false,
    },
  };
}

function headerParameters({ rpc }: HttpBinding): JsonObject[] {
  return readHeaders(rpc).map(({ name, description }) => ({
    name,
    in: "header",
    description,
    schema: { type: "string" },
  }));
}

function requestBodyOf(binding: HttpBinding, body: "message" | DescField, context: OperationContext): JsonObject {
  const { schemas } = context;
  const { input } = binding.rpc;
  const isWhole = body === "message";
  const schema = isWhole ? schemas.message(input, "request", boundFields(binding)) : schemas.field(body, "request");
  // A request without a body is a message without fields.
  const required = isWhole && input.fields.some(isRequired);
  const form =
    isWhole && context.dialect.formRequests.has(input) ? { [formType]: { schema: formSchema(binding, context) } } : {};
  return { ...(required && { required }), content: { "application/json": { schema }, ...form } };
}

/** Describes a urlencoded form: it has the scalar fields that are not set from the path. */
function formSchema(binding: HttpBinding, { schemas }: OperationContext): JsonObject {
  const { input } = binding.rpc;
  const bound = boundFields(binding);
  const fields = input.fields.filter((field) => field.fieldKind === "scalar" && !bound.has(field));
  const required = fields.filter(isRequired).map(({ jsonName }) => jsonName);
  return {
    type: "object",
    ...(required.length > 0 && { required }),
    properties: Object.fromEntries(fields.map((field) => [field.jsonName, schemas.field(field, "request")])),
  };
}

function isRequired(field: DescField): boolean {
  return readFieldKeywords(field).isRequired;
}
