import assert from "node:assert/strict";
import { describe, it } from "node:test";
import packageJson from "../../../package.json" with { type: "json" };
import { errorStatus } from "../../../src/http/dialect.ts";
import { readHttpBindings } from "../../../src/http/rest/http-rules.ts";
import { allServices } from "../../e2e/every-call.ts";
import { document, isObject, type Json, type JsonObject, objectAt, objectsOf, operations } from "./operations.ts";
import { createSchemaCheck } from "./schema-check.ts";

/** Yields every object in the document with its path. */
function* objectsIn(json: Json, path = "#"): Generator<[path: string, object: JsonObject]> {
  if (isObject(json)) yield [path, json];
  if (typeof json !== "object" || json === null) return;
  for (const [key, value] of Object.entries(json)) yield* objectsIn(value, `${path}/${key}`);
}

/** Examples of schemas in the document, each with its schema. */
const examples = [...objectsIn(document)].flatMap(([path, object]) =>
  Array.isArray(object.examples) ? object.examples.map((example) => ({ path, schema: object, example })) : [],
);

describe("the OpenAPI document", () => {
  it("is OpenAPI 3.1, with name, version and licence of this package", () => {
    const { name, version, description, license } = packageJson;
    assert.equal(document.openapi, "3.1.0");
    assert.deepEqual(document.info, {
      title: name,
      version,
      description,
      license: { name: license, identifier: license },
    });
    assert.deepEqual(document.servers, [{ url: "./" }]);
  });

  it("has exactly the REST bindings of all services", async () => {
    const bindings = readHttpBindings(await allServices()).map(({ httpMethod, path }) => `${httpMethod} ${path}`);
    const documented = [...operations.values()].map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual(documented.toSorted(), bindings.toSorted());
  });

  it("has a schema for every reference, and a reference to every schema", () => {
    const schemas = Object.keys(objectAt(document, "components", "schemas"));
    const references = new Set(
      [...objectsIn(document)].flatMap(([, { $ref }]) => (typeof $ref === "string" ? [$ref] : [])),
    );
    assert.deepEqual([...references].toSorted(), schemas.map((name) => `#/components/schemas/${name}`).toSorted());
  });

  it("has schemas that ajv compiles in strict mode", () => {
    const check = createSchemaCheck({ closed: false });
    for (const name of Object.keys(objectAt(document, "components", "schemas"))) {
      check({ $ref: `#/components/schemas/${name}` }, null);
    }
  });

  it("declares the variables of each path, and no parameter twice", () => {
    for (const { id, path, parameters } of operations.values()) {
      const inPath = parameters.filter((parameter) => parameter.in === "path");
      assert.deepEqual(
        inPath.map(({ name }) => name),
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
        id,
      );
      assert.ok(inPath.every(({ required }) => required === true));
      const keys = parameters.map((parameter) => `${parameter.in} ${parameter.name}`);
      assert.equal(new Set(keys).size, keys.length, id);
    }
  });

  it("names, describes and tags every operation, and describes every parameter and response", () => {
    const tags = objectsOf(document.tags).map(({ name }) => name);
    for (const { id, object, parameters, responses } of operations.values()) {
      assert.match(id, /^[a-z][A-Za-z0-9]*$/);
      assert.ok(String(object.summary ?? "").length > 0, id);
      assert.ok(
        parameters.every(({ description }) => description),
        id,
      );
      assert.ok(
        Object.values(responses).every(({ description }) => typeof description === "string"),
        id,
      );
      assert.ok(Array.isArray(object.tags) && object.tags.every((tag) => tags.includes(String(tag))), id);
    }
    assert.equal(operations.size, [...objectsIn(document)].filter(([, { operationId }]) => operationId).length);
  });

  it("has examples that their schemas allow", () => {
    const check = createSchemaCheck({ closed: true });
    assert.ok(examples.length > 15);
    for (const { path, schema, example } of examples) assert.equal(check(schema, example), undefined, path);
    for (const [path, object] of objectsIn(document)) {
      if (object.example !== undefined) assert.equal(check(object.schema, object.example), undefined, path);
      if (!isObject(object.examples)) continue;
      for (const { value = null } of objectsOf(Object.values(object.examples))) {
        assert.equal(check(object.schema, value), undefined, path);
      }
    }
  });

  it("has the examples of WAHA's documentation", () => {
    const shown = examples.map(({ example }) => JSON.stringify(example));
    const page = [
      '{"code":"ABCD-ABCD"}',
      '{"phoneNumber":"12132132130"}',
      '{"mimetype":"image/png","data":"base64-encoded-data"}',
      '{"value":"value-that-you-need-to-use-to-generate-qr-code"}',
      '{"id":"11111111111@c.us","pushName":"string"}',
      '{"name":"default","logout":true}',
    ];
    assert.deepEqual(
      page.filter((sample) => !shown.includes(sample)),
      [],
    );
  });

  it("has both media types of pictures, the binary one first", () => {
    for (const id of ["getQrBody", "getQrBody2", "getScreenshot"]) {
      const status = id === "getQrBody2" ? "201" : "200";
      const success = objectAt(operations.get(id)?.responses[status], "content");
      assert.deepEqual(Object.keys(success), ["image/png", "application/json"], id);
    }
  });

  it("requires the key for all calls except the public ones", () => {
    const schemes = objectAt(document, "components", "securitySchemes");
    const { description, ...apiKey } = objectAt(schemes, "apiKey");
    assert.deepEqual(apiKey, { type: "apiKey", in: "header", name: "X-Api-Key" });
    const required = [document.security, ...[...operations.values()].map(({ object }) => object.security ?? [])];
    const names = new Set(required.flatMap(objectsOf).flatMap(Object.keys));
    assert.deepEqual([...names], Object.keys(schemes));
    const open = [...operations.values()].filter(({ needsKey }) => !needsKey).map(({ id }) => id);
    assert.deepEqual(open, ["ping", "checkHealth"]);
  });

  it("marks deprecated calls, and no others", () => {
    const deprecated = [...operations.values()].filter(({ object }) => object.deprecated === true).map(({ id }) => id);
    assert.deepEqual(deprecated, [
      "replyDeprecated",
      "startSessionDeprecated",
      "stopSessionDeprecated",
      "logoutSessionDeprecated",
    ]);
  });

  it("has 201 for POST and 200 for the rest, and only error statuses of the dialect", () => {
    const known = new Set<number>([...Object.values(errorStatus), 412, 413, 415]);
    for (const { id, method, responses } of operations.values()) {
      const [success, ...errors] = Object.keys(responses).filter((status) => status !== "default");
      assert.equal(success, method === "POST" ? "201" : "200", id);
      assert.ok(
        errors.every((status) => known.has(Number(status))),
        id,
      );
    }
  });
});
