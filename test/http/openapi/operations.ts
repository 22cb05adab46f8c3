import openApiDocument from "../../../gen/openapi.json" with { type: "json" };

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Object of the document, such as a schema. */
export interface JsonObject {
  [key: string]: Json;
}

/** Call in the document. */
export interface Operation {
  readonly id: string;
  /** HTTP method in upper case. */
  readonly method: string;
  /** Path with its variables in braces. */
  readonly path: string;
  readonly parameters: readonly JsonObject[];
  readonly requestBody: JsonObject | undefined;
  /** Responses by status, and "default". */
  readonly responses: Readonly<Record<string, JsonObject>>;
  readonly needsKey: boolean;
  readonly object: JsonObject;
}

/** The generated document. */
export const document: JsonObject = structuredClone(openApiDocument) as JsonObject;

/** Returns the object at a path of keys. Throws an Error if it is missing. */
export function objectAt(from: Json | undefined, ...keys: string[]): JsonObject {
  const found = keys.reduce<Json | undefined>((at, key) => (isObject(at) ? at[key] : undefined), from);
  if (!isObject(found)) throw new Error(`no object at ${keys.join(" / ")}`);
  return found;
}

/** Returns whether a value is an object, neither an array nor null. */
export function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** Returns the objects of a list, none if the list is missing. */
export function objectsOf(json: Json | undefined): JsonObject[] {
  return Array.isArray(json) ? json.filter(isObject) : [];
}

/** All operations of the document, by id. */
export const operations: ReadonlyMap<string, Operation> = new Map(
  Object.entries(objectAt(document, "paths")).flatMap(([path, item]) =>
    Object.keys(objectAt(item)).map((method) => {
      const operation = toOperation(method, path, objectAt(item, method));
      return [operation.id, operation] as const;
    }),
  ),
);

function toOperation(method: string, path: string, object: JsonObject): Operation {
  const responses = Object.keys(objectAt(object, "responses")).map((status) => [
    status,
    objectAt(object, "responses", status),
  ]);
  return {
    id: String(object.operationId),
    method: method.toUpperCase(),
    path,
    parameters: objectsOf(object.parameters),
    requestBody: isObject(object.requestBody) ? object.requestBody : undefined,
    responses: Object.fromEntries(responses),
    needsKey: !(Array.isArray(object.security) && object.security.length === 0),
    object,
  };
}
