import type { DescField, JsonObject, JsonValue, Registry } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { hasCustomJsonRepresentation } from "@bufbuild/protobuf/wkt";
import { findField } from "./fields.ts";
import { type ElementType, elementType, readJsonValue, readText } from "./values.ts";
import type { Violations } from "./violations.ts";

/** How a request is read. */
export interface ReadContext {
  /** Unknown names are violations instead of being ignored. */
  readonly strict: boolean;
  readonly violations: Violations;
  /** The first unknown names that were ignored, as dotted paths. */
  readonly ignored: string[];
  readonly registry: Registry;
  /** How deep in the JSON the reader is. */
  readonly depth: number;
}

/** How many ignored names a request remembers. */
const maxIgnored = 20;

/** Notes a property, query parameter or form field that stands for no field. */
export function noteUnknown({ strict, violations, ignored }: ReadContext, path: string): void {
  if (strict) violations.addUnknown(path);
  else if (ignored.length < maxIgnored) ignored.push(path);
}

// proto3 JSON parsers stop at 100, too.
const maxDepth = 100;

/**
 * Reads a JSON object into a message, all that can be read of it. `path` is the dotted path of the object, "" for the
 * whole; null stands for an unset field.
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

/** Reads a JSON value into a field of a message. `path` is the field's own. */
export function readJsonField(
  message: ReflectMessage,
  field: DescField,
  json: JsonValue,
  path: string,
  context: ReadContext,
): void {
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

/** Returns the object a field is to be read from; an empty array counts as one, being what PHP writes for it. */
function objectIn(json: JsonValue): JsonObject | undefined {
  if (Array.isArray(json) && json.length === 0) return {};
  return isJsonObject(json) ? json : undefined;
}

/** Whether a JSON value is an object, neither an array nor null. */
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
    // The places of the others count: validation names items by their index.
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
  const object = objectIn(json);
  if (object === undefined) {
    context.violations.add(path, "must be an object");
    return;
  }
  const map = message.get(field);
  for (const [key, item] of Object.entries(object)) {
    setMapEntry(map, field, key, readElement(elementType(field), item, `${path}.${key}`, context), path, context);
  }
}

/** Puts an entry into a map whose key came as text. An undefined value is left out. */
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
    const object = objectIn(json);
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

/** google.protobuf.Value and NullValue have a null of their own. */
function takesNull(field: DescField): boolean {
  return field.message?.typeName === "google.protobuf.Value" || field.enum?.typeName === "google.protobuf.NullValue";
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
