import {
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  type Message,
  type Registry,
  ScalarType,
  toJson,
} from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation } from "@bufbuild/protobuf/wkt";
import { isJsonObject } from "./json-read.ts";
import type { Dialect } from "./resolve-dialect.ts";

/** Context for writing messages as JSON. */
export interface WriteContext {
  readonly registry: Registry;
  readonly dialect: Dialect;
}

/** Converts a message to proto3 JSON in the REST dialect: keys in the order of field numbers, some fields shown although unset. */
export function toRestJson(desc: DescMessage, message: Message, context: WriteContext): JsonValue {
  return dress(desc, toJson(desc, message, { registry: context.registry }), context.dialect);
}

/** Returns whether responses of a type may be empty, and are then sent without a body: all fields are optional. */
export const isMostlyEmpty = ({ fields }: DescMessage): boolean => fields.every(({ proto }) => proto.proto3Optional);

/** Converts one field of a message to JSON. Unset messages are null, other unset fields have their default. */
export function fieldToRestJson(field: DescField, message: Message, context: WriteContext): JsonValue {
  const json = toJson(field.parent, message, { registry: context.registry });
  const value = isJsonObject(json) ? json[field.jsonName] : undefined;
  if (value !== undefined) return dressField(field, value, context.dialect);
  return field.fieldKind === "message" ? null : defaultJson(field, context.dialect);
}

/** Adds the fields to a message's JSON that the dialect shows and toJson omits. */
function dress(desc: DescMessage, json: JsonValue, dialect: Dialect): JsonValue {
  if (!isJsonObject(json) || hasCustomJsonRepresentation(desc)) return json;
  const entries: [string, JsonValue][] = [];
  for (const field of desc.fields.toSorted((a, b) => a.number - b.number)) {
    const value = Object.hasOwn(json, field.jsonName) ? json[field.jsonName] : undefined;
    if (value !== undefined) entries.push([field.jsonName, dressField(field, value, dialect)]);
    else if (dialect.nullWhenUnset.has(field)) entries.push([field.jsonName, null]);
    else if (dialect.shownWhenDefault.has(field)) entries.push([field.jsonName, defaultJson(field, dialect)]);
  }
  return Object.fromEntries(entries);
}

function dressField(field: DescField, json: JsonValue, dialect: Dialect): JsonValue {
  const { message } = field;
  if (message === undefined) return json;
  if (field.fieldKind === "list" && Array.isArray(json)) return json.map((item) => dress(message, item, dialect));
  if (field.fieldKind === "map" && isJsonObject(json)) {
    return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, dress(message, item, dialect)]));
  }
  return dress(message, json, dialect);
}

function defaultJson(field: DescField, dialect: Dialect): JsonValue {
  switch (field.fieldKind) {
    case "list":
      return [];
    case "map":
      return {};
    case "message":
      return dress(field.message, {} satisfies JsonObject, dialect);
    case "enum":
      return field.enum.values[0]?.name ?? 0;
    case "scalar":
      return defaultScalar(field.scalar);
  }
}

function defaultScalar(scalar: ScalarType): JsonValue {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return "";
    case ScalarType.BOOL:
      return false;
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return "0";
    default:
      return 0;
  }
}
