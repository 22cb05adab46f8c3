import type { JsonObject, JsonValue } from "@bufbuild/protobuf";

/** Keys and indices from the root of a JSON value to a part of it. */
export type JsonPath = readonly (string | number)[];

/** A part of a configuration that differs between two versions. undefined: the version does not have it. */
export interface JsonChange {
  /** Such as "webhooks.0.url". */
  readonly path: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** Returns a part of a JSON value; undefined if there is none. */
export function valueAt(json: JsonValue | undefined, path: JsonPath): JsonValue | undefined {
  const [key, ...rest] = path;
  if (key === undefined || json === undefined) return json;
  if (Array.isArray(json)) return typeof key === "number" ? valueAt(json[key], rest) : undefined;
  if (typeof json !== "object" || json === null || !Object.hasOwn(json, key)) return undefined;
  return valueAt(json[key], rest);
}

/** Returns a copy with another value at a path. undefined removes it, and the objects that are then empty. */
export function withValue(json: JsonObject, path: JsonPath, value: JsonValue | undefined): JsonObject {
  const changed = replaceAt(json, path, value);
  return isObject(changed) ? changed : {};
}

function replaceAt(json: JsonValue | undefined, path: JsonPath, value: JsonValue | undefined): JsonValue | undefined {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (typeof key === "number") return replaceItem(Array.isArray(json) ? json : [], key, rest, value);
  const members = Object.entries(isObject(json) ? json : {}).filter(([name]) => name !== key);
  const member = replaceAt(valueAt(json, [key]), rest, value);
  if (member !== undefined) members.push([key, member]);
  return members.length === 0 ? undefined : Object.fromEntries(members);
}

function replaceItem(
  items: readonly JsonValue[],
  index: number,
  rest: JsonPath,
  value: JsonValue | undefined,
): JsonValue {
  if (rest.length === 0 && value === undefined) return items.filter((_, place) => place !== index);
  const copy = [...items];
  copy[index] = replaceAt(items[index], rest, value) ?? {};
  return copy;
}

const isObject = (json: JsonValue | undefined): json is JsonObject =>
  typeof json === "object" && json !== null && !Array.isArray(json);

/** Returns the parts that differ. */
export function changesBetween(before: JsonValue, after: JsonValue): JsonChange[] {
  const [old, now] = [new Map(leavesOf(before, "")), new Map(leavesOf(after, ""))];
  const paths = [...new Set([...old.keys(), ...now.keys()])].filter((path) => old.get(path) !== now.get(path));
  return paths.map((path) => ({ path, before: old.get(path), after: now.get(path) }));
}

function leavesOf(json: JsonValue, path: string): [string, string][] {
  if (typeof json !== "object" || json === null) return [[path, String(json)]];
  return Object.entries(json).flatMap(([key, value]) => leavesOf(value, path === "" ? key : `${path}.${key}`));
}
