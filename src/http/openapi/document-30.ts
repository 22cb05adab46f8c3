import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { isJsonObject } from "../rest/json-read.ts";

/**
 * Converts an OpenAPI 3.1 document to OpenAPI 3.0, for code generators that do not support JSON Schema 2020-12: null becomes
 * `nullable`, a constant an enum of one value, a binary body a string. Supports the keywords that this project's document uses.
 */
export function toOpenApi30(document: JsonObject): JsonObject {
  const { openapi: _, info, ...rest } = document;
  return { openapi: "3.0.3", ...(isJsonObject(info) && { info: toInfo(info) }), ...(convert(rest) as JsonObject) };
}

/** Removes the SPDX identifier of the license, which OpenAPI 3.0 does not have. */
function toInfo({ license, ...info }: JsonObject): JsonObject {
  if (!isJsonObject(license)) return info;
  const { identifier: _, ...known } = license;
  return { ...info, license: known };
}

/** Converts all schemas in a part of a document: the values of "schema" and "schemas" at any depth. */
function convert(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(convert);
  if (!isJsonObject(value)) return value;
  return mapValues(value, (item, key) => {
    if (key === "schema" && isJsonObject(item)) return toSchema(item);
    if (key === "schemas" && isJsonObject(item))
      return mapValues(item, (one) => (isJsonObject(one) ? toSchema(one) : one));
    if (key === "content" && isJsonObject(item)) return mapValues(item, toMediaType);
    // An example may contain a key "schema".
    return key === "example" || key === "examples" ? item : convert(item);
  });
}

function toMediaType(value: JsonValue): JsonValue {
  if (!isJsonObject(value)) return value;
  return {
    ...(value.schema === undefined && { schema: { type: "string", format: "binary" } }),
    ...(convert(value) as JsonObject),
  };
}

const schemaMaps = new Set(["properties"]);
const schemaLists = new Set(["anyOf", "allOf", "oneOf"]);

function toSchema(schema: JsonObject): JsonObject {
  const { $ref, type, anyOf, ...rest } = schema;
  // OpenAPI 3.0 ignores all keywords beside a reference.
  if ($ref !== undefined && Object.keys(schema).length > 1) return toSchema({ ...rest, allOf: [{ $ref }] });
  if (Array.isArray(type)) return toSchema(withoutTypeList(type, { ...rest, ...(anyOf !== undefined && { anyOf }) }));
  if (Array.isArray(anyOf) && anyOf.some(isNull))
    return withNull(
      anyOf.filter((one) => !isNull(one)),
      rest,
    );
  const entries = Object.entries(schema).flatMap(([key, value]) => toKeyword(key, value));
  return Object.fromEntries(entries);
}

/** Replaces a list of types: null becomes `nullable`, and each other type an alternative. */
function withoutTypeList(types: readonly JsonValue[], schema: JsonObject): JsonObject {
  const named = types.filter((type) => type !== "null");
  const nullable = named.length < types.length ? { nullable: true } : {};
  const [only, ...more] = named;
  if (only !== undefined && more.length === 0) return { type: only, ...schema, ...nullable };
  const { items, ...rest } = schema;
  const anyOf = named.map((type) => ({ type, ...(type === "array" && { items: items ?? {} }) }));
  return { ...rest, anyOf, ...nullable };
}

function withNull(alternatives: readonly JsonValue[], rest: JsonObject): JsonObject {
  const key = alternatives.length === 1 ? "allOf" : "anyOf";
  return toSchema({ ...rest, [key]: [...alternatives], nullable: true });
}

const isNull = (schema: JsonValue) => isJsonObject(schema) && schema.type === "null";

function toKeyword(key: string, value: JsonValue): [string, JsonValue][] {
  if (key === "const")
    return [
      ["type", typeof value === "number" ? "integer" : typeof value],
      ["enum", [value]],
    ];
  if (key === "contentEncoding") return [["format", "byte"]];
  if (key === "examples") return Array.isArray(value) && value[0] !== undefined ? [["example", value[0]]] : [];
  // OpenAPI 3.0 cannot restrict the keys of a map.
  if (key === "patternProperties" && isJsonObject(value))
    return [["additionalProperties", toSchemaValue(Object.values(value)[0] ?? true)]];
  if (key === "additionalProperties" && value === false) return [];
  if (schemaMaps.has(key) && isJsonObject(value)) return [[key, mapValues(value, toSchemaValue)]];
  if (schemaLists.has(key) && Array.isArray(value)) return [[key, value.map(toSchemaValue)]];
  if (key === "items" || key === "additionalProperties") return [[key, toSchemaValue(value)]];
  return [[key, value]];
}

function toSchemaValue(value: JsonValue): JsonValue {
  return isJsonObject(value) ? toSchema(value) : value;
}

function mapValues(object: JsonObject, change: (value: JsonValue, key: string) => JsonValue): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value, key)]));
}
