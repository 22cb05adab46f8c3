import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { toOpenApi30 } from "../../../src/http/openapi/document-30.ts";
import { document, isObject, objectAt, operations } from "./operations.ts";

const twin = toOpenApi30(document as JsonObject);

/** Yields all objects in a value except examples, each with its path. */
function* objectsIn(value: JsonValue | undefined, path = ""): Generator<[path: string, object: JsonObject]> {
  if (Array.isArray(value)) for (const [index, item] of value.entries()) yield* objectsIn(item, `${path}/${index}`);
  if (!isObject(value)) return;
  yield [path, value as JsonObject];
  for (const [key, item] of Object.entries(value)) {
    if (key !== "example" && key !== "examples") yield* objectsIn(item as JsonValue, `${path}/${key}`);
  }
}

const schema = (from: JsonObject) =>
  objectAt(toOpenApi30({ components: { schemas: { A: from } } }), "components", "schemas", "A");

const rewritten: readonly [what: string, from: JsonObject, to: JsonObject][] = [
  ["a type or null", { type: ["string", "null"] }, { type: "string", nullable: true }],
  ["a reference or null", { anyOf: [{ $ref: "#/a" }, { type: "null" }] }, { allOf: [{ $ref: "#/a" }], nullable: true }],
  [
    "one of several or null",
    { anyOf: [{ $ref: "#/a" }, { type: "string" }, { type: "null" }] },
    { anyOf: [{ $ref: "#/a" }, { type: "string" }], nullable: true },
  ],
  [
    "several types",
    { type: ["string", "array"], items: { type: "string" } },
    { anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }] },
  ],
  ["a number", { const: 400 }, { type: "integer", enum: [400] }],
  ["a text", { const: "Bad Request" }, { type: "string", enum: ["Bad Request"] }],
  ["bytes", { type: "string", contentEncoding: "base64" }, { type: "string", format: "byte" }],
  ["a reference with a description", { $ref: "#/a", description: "d" }, { description: "d", allOf: [{ $ref: "#/a" }] }],
  ["examples", { type: "string", examples: ["a", "b"] }, { type: "string", example: "a" }],
  [
    "properties named as keywords",
    { type: "object", properties: { const: { type: "string" }, examples: { const: 1 }, content: { type: "string" } } },
    {
      type: "object",
      properties: { const: { type: "string" }, examples: { type: "integer", enum: [1] }, content: { type: "string" } },
    },
  ],
  [
    "a map by a pattern",
    { type: "object", patternProperties: { "^a": { type: "string" } }, additionalProperties: false },
    { type: "object", additionalProperties: { type: "string" } },
  ],
];

describe("the document as OpenAPI 3.0", () => {
  for (const [what, from, to] of rewritten) it(`converts ${what}`, () => assert.deepEqual(schema(from), to));

  it("has no keyword of 3.1 anywhere", () => {
    assert.equal(twin.openapi, "3.0.3");
    assert.deepEqual(Object.keys(objectAt(twin, "info", "license")), ["name"]);
    for (const [path, object] of objectsIn(twin)) {
      assert.equal(Array.isArray(object.type) || object.type === "null", false, path);
      for (const key of ["const", "contentEncoding", "patternProperties", "webhooks"]) {
        assert.equal(Object.hasOwn(object, key) && !path.endsWith("/properties"), false, `${path}/${key}`);
      }
      if (Object.hasOwn(object, "$ref")) assert.deepEqual(Object.keys(object), ["$ref"], path);
      if (Object.hasOwn(object, "examples")) assert.equal(Array.isArray(object.examples), false, path);
      if (object.type === "array") assert.ok(isObject(object.items), path);
    }
  });

  it("has the same operations, and a target for every reference", () => {
    const ids = (of: JsonValue) => [...objectsIn(of)].flatMap(([, { operationId }]) => operationId ?? []);
    assert.deepEqual(ids(twin.paths ?? {}), ids(objectAt(document, "paths") as JsonObject));
    const schemas = objectAt(twin, "components", "schemas");
    for (const [path, { $ref }] of objectsIn(twin)) {
      if (typeof $ref === "string") assert.ok(isObject(schemas[$ref.replace("#/components/schemas/", "")]), path);
    }
  });

  it("has a schema for each body, pictures included", () => {
    for (const [path, { content }] of objectsIn(twin)) {
      for (const [type, media] of Object.entries(isObject(content) && !path.includes("/properties") ? content : {})) {
        assert.ok(isObject(media) && isObject(media.schema), `${path} ${type}`);
      }
    }
  });
});

describe("operation ids", () => {
  it("are identifiers, unique without regard to case", () => {
    const ids = [...operations.values()].map(({ object }) => String(object.operationId));
    const operationCount = Object.values(objectAt(document, "paths")).flatMap((path) =>
      Object.keys(objectAt(path)),
    ).length;
    assert.equal(new Set(ids.map((id) => id.toLowerCase())).size, operationCount);
    for (const id of ids) assert.match(id, /^[a-z][A-Za-z0-9]*$/);
  });
});
