import type { DescField, JsonObject, JsonValue, Registry } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { hasCustomJsonRepresentation } from "@bufbuild/protobuf/wkt";
import { findField } from "./fields.ts";
import { loosened } from "./loose-values.ts";
import { type ElementType, elementType, readJsonValue, readText } from "./values.ts";
import type { Violations } from "./violations.ts";

/** State shared while a request is read. */
export interface ReadContext {
  /** True if unknown names are violations instead of being ignored. */
  readonly strict: boolean;
  /** True if values of another type are accepted where their meaning is plain. */
  readonly loose?: boolean;
  readonly violations: Violations;
  /** Ignored unknown names as dotted paths, at most 20. */
  readonly ignored: string[];
  readonly registry: Registry;
  /** Nesting depth of the JSON object being read. */
  readonly depth: number;
}

const maxIgnored = 20;

/** Records a property, query parameter or form field that names no field. */
export function noteUnknown({ strict, violations, ignored }: ReadContext, path: string): void {
  if (strict) violations.addUnknown(path);
  else if (ignored.length < maxIgnored) ignored.push(path);
}

// The limit of proto3 JSON parsers.
const maxDepth = 100;

/**
 * Reads a JSON object into a message and collects violations instead of stopping at the first. `path` is the object's dotted path, ""
 * for the root. Treats null as unset.
 */
export function readJsonObject(message: ReflectMessage, json: JsonObject, path: string, context: ReadContext): void {
  for (const key of Object.keys(json)) {
    const value = json[key];
    const field = findField(message.desc, key);
    if (field === undefined) {
      noteUnknown(context, join(path, key));
    } else if (value !== undefined && (value !== null || takesNull(field))) {
      readJsonField(message, field, value, join(path, field.jsonName), context);
    }
  }
}

/** Reads a JSON value into a field of a message. `path` is the field's dotted path. */
export function readJsonField(
  message: ReflectMessage,
  field: DescField,
  sent: JsonValue,
  path: string,
  context: ReadContext,
): void {
  const json = context.loose ? loosened(field, sent) : sent;
  if (json === undefined) return;
  const other = field.oneof === undefined ? undefined : message.oneofCase(field.oneof);
  if (other !== undefined && other !== field) {
    context.violations.add(path, `must not be set together with ${other.jsonName}`);
    return;
  }
  if (field.fieldKind === "list") {
    readList(message, field, json, path, context);
  } else if (field.fieldKind === "map") {
    readMap(message, field, json, path, context);
  } else {
    const value = readElement(elementType(field), json, path, context);
    if (value !== undefined) message.set(field, value);
  }
}

/** Returns a value as an object. Accepts an empty array, which is how PHP encodes an empty object. */
function toObject(json: JsonValue): JsonObject | undefined {
  if (Array.isArray(json) && json.length === 0) return {};
  return isJsonObject(json) ? json : undefined;
}

/** Returns whether a JSON value is an object, not an array or null. */
export function isJsonObject(json: JsonValue | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function readList(
  message: ReflectMessage,
  field: DescField & { fieldKind: "list" },
  json: JsonValue,
  path: string,
  context: ReadContext,
): void {
  if (!Array.isArray(json)) {
    context.violations.add(path, "must be an array");
    return;
  }
  const list = message.get(field);
  list.clear();
  const type = elementType(field);
  json.forEach((item, index) => {
    const value = readElement(type, item, `${path}.${index}`, context);
    if (value !== undefined) list.add(value);
    // A placeholder preserves the index of later items, which validation messages name.
    else if (type.kind === "message") list.add(reflect(type.message));
  });
}

function readMap(
  message: ReflectMessage,
  field: DescField & { fieldKind: "map" },
  json: JsonValue,
  path: string,
  context: ReadContext,
): void {
  const object = toObject(json);
  if (object === undefined) {
    context.violations.add(path, "must be an object");
    return;
  }
  const map = message.get(field);
  for (const [key, item] of Object.entries(object)) {
    setMapEntry(map, field, key, readElement(elementType(field), item, `${path}.${key}`, context), path, context);
  }
}

/** Adds an entry to a map and converts its key from text. Skips an undefined value. */
export function setMapEntry(
  map: { set(key: unknown, value: unknown): unknown },
  field: DescField & { fieldKind: "map" },
  key: string,
  value: unknown,
  path: string,
  context: ReadContext,
): void {
  const reading = readText({ kind: "scalar", scalar: field.mapKey }, key, context.registry);
  if ("problem" in reading) context.violations.add(`${path}.${key}`, `has a key that ${reading.problem}`);
  else if (value !== undefined) map.set(reading.value, value);
}

function readElement(type: ElementType, json: JsonValue, path: string, context: ReadContext): unknown {
  if (type.kind === "message" && !hasCustomJsonRepresentation(type.message)) {
    const object = toObject(json);
    if (object === undefined) {
      context.violations.add(path, "must be an object");
      return undefined;
    }
    if (context.depth >= maxDepth) {
      context.violations.add(path, "is nested too deeply");
      return undefined;
    }
    const message = reflect(type.message);
    readJsonObject(message, object, path, { ...context, depth: context.depth + 1 });
    return message;
  }
  const reading = readJsonValue(type, json, context.registry);
  if ("value" in reading) return reading.value;
  context.violations.add(path, reading.problem);
  return undefined;
}

/** Returns whether null is a value of a field: google.protobuf.Value and NullValue. */
function takesNull(field: DescField): boolean {
  return field.message?.typeName === "google.protobuf.Value" || field.enum?.typeName === "google.protobuf.NullValue";
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
