import assert from "node:assert/strict";
import { it } from "node:test";
import { create, createFileRegistry, type DescService, type MessageInitShape, setExtension } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  MethodOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import { http } from "../../../gen/google/api/annotations_pb.js";
import { HttpRuleSchema } from "../../../gen/google/api/http_pb.js";
import { AuthService } from "../../../gen/sessiond/v1/auth_service_pb.js";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { readHttpBindings } from "../../../src/http/rest/http-rules.ts";
import { createRest } from "../../../src/http/rest/transcoder.ts";
import { dialect } from "./server.ts";

type Rule = MessageInitShape<typeof HttpRuleSchema>;
interface Rpc {
  readonly name: string;
  readonly rule?: Rule;
  readonly clientStreaming?: boolean;
}

const { OPTIONAL, REPEATED } = FieldDescriptorProto_Label;
const { STRING, MESSAGE } = FieldDescriptorProto_Type;

/** A service test.v1.Books whose messages have the fields id, tags (repeated) and book (a message with id, shelf). */
function books(...rpcs: Rpc[]): DescService {
  const file = create(FileDescriptorProtoSchema, {
    name: "books.proto",
    package: "test.v1",
    syntax: "proto3",
    messageType: [
      {
        name: "Request",
        field: [
          { name: "id", number: 1, type: STRING, label: OPTIONAL },
          { name: "tags", number: 2, type: STRING, label: REPEATED },
          { name: "book", number: 3, type: MESSAGE, label: OPTIONAL, typeName: ".test.v1.Book" },
        ],
      },
      {
        name: "Book",
        field: [
          { name: "id", number: 1, type: STRING, label: OPTIONAL },
          { name: "shelf", number: 2, type: STRING, label: OPTIONAL },
        ],
      },
    ],
    service: [
      {
        name: "Books",
        method: rpcs.map(({ name, rule, clientStreaming = false }) => {
          const options = create(MethodOptionsSchema);
          if (rule !== undefined) setExtension(options, http, create(HttpRuleSchema, rule));
          return { name, inputType: ".test.v1.Request", outputType: ".test.v1.Book", options, clientStreaming };
        }),
      },
    ],
  });
  const service = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] })).getService("test.v1.Books");
  assert(service);
  return service;
}

const get = (value: string, rest: Rule = {}): Rule => ({ ...rest, pattern: { case: "get", value } });
const post = (value: string, rest: Rule = {}): Rule => ({ ...rest, pattern: { case: "post", value } });

it("the services' own annotations are valid", () => {
  const bindings = readHttpBindings([SessionService, AuthService]);
  const paths = bindings.map(({ httpMethod, path, rpc }) => `${httpMethod} ${path} ${rpc.name}`);
  assert(paths.includes("PUT /api/sessions/{session} UpdateSession"));
  assert(paths.includes("POST /api/sessions/{session} UpdateSession"));
  assert(paths.includes("GET /api/status-stream StatusStream"));
});

it("custom patterns, nested variables and single-field bodies are supported", () => {
  const service = books(
    { name: "Plain" },
    { name: "Purge", rule: { pattern: { case: "custom", value: { kind: "purge", path: "/v1/{book.id}" } } } },
    {
      name: "Put",
      rule: { pattern: { case: "put", value: "/v1/{book.id=books/*}" }, body: "book", responseBody: "shelf" },
    },
  );
  const bindings = readHttpBindings([service]);
  assert.deepEqual(
    bindings.map((one) => [one.httpMethod, one.variables[0]?.fields.map((field) => field.name).join(".")]),
    [
      ["PURGE", "book.id"],
      ["PUT", "book.id"],
    ],
  );
  assert.equal(bindings[1]?.responseField?.name, "shelf");
});

const bad: [sentence: string, rule: Rule, problem: RegExp][] = [
  ["an unknown field in a path", get("/v1/{nope}"), /Books\.Get: "nope": test\.v1\.Request has no field "nope"/],
  ["a path into a scalar", get("/v1/{id.x}"), /"id\.x" goes into field test\.v1\.Request\.id, which has no fields/],
  ["an unknown nested field", get("/v1/{book.x}"), /test\.v1\.Book has no field "x"/],
  ["a repeated field in a path", get("/v1/{tags}"), /"tags" of "\/v1\/\{tags\}" is not one scalar or enum/],
  ["a message in a path", get("/v1/{book}"), /"book" of "\/v1\/\{book\}" is not one scalar or enum/],
  ["a variable twice", get("/v1/{id}/{id}"), /the variable "id" is twice/],
  ["a template that cannot be parsed", get("/v1/{id"), /expected "}" at character 8 of "\/v1\/\{id"/],
  ["an unknown body field", post("/v1", { body: "nope" }), /body: no field "nope"/],
  ["an unknown response_body field", get("/v1", { responseBody: "nope" }), /response_body: no field "nope"/],
  ["a body with GET", get("/v1", { body: "*" }), /GET takes no body/],
  ["no path at all", {}, /no path/],
  ["a custom pattern without a kind", { pattern: { case: "custom", value: { path: "/v1" } } }, /without a kind/],
  [
    "bindings within bindings",
    get("/v1", { additionalBindings: [get("/v2", { additionalBindings: [get("/v3")] })] }),
    /additional_bindings within additional_bindings/,
  ],
];

for (const [sentence, rule, problem] of bad) {
  it(`${sentence} is refused with the RPC's name`, () => {
    const service = books({ name: "Get", rule });
    const error = /^google\.api\.http of test\.v1\.Books\.Get: /;
    assert.throws(
      () => readHttpBindings([service]),
      (thrown: Error) => error.test(thrown.message) && problem.test(thrown.message),
    );
  });
}

it("a client stream cannot be annotated", () => {
  const service = books({ name: "Upload", rule: post("/v1", { body: "*" }), clientStreaming: true });
  assert.throws(() => readHttpBindings([service]), /Books\.Upload: a stream of requests cannot be called by REST/);
});

it("two RPCs with the same route are refused, and both are named", () => {
  const service = books({ name: "One", rule: get("/v1/{id}") }, { name: "Two", rule: get("/v1/{book.id}") });
  assert.throws(
    () => createRest({ services: [service], dialect, routes: (router) => router.service(service, {}) }),
    /test\.v1\.Books\.One \(GET \/v1\/\{id\}\) and test\.v1\.Books\.Two \(GET \/v1\/\{book\.id\}\) have the same route/,
  );
  const extra = [{ method: "GET", path: "/v1/{x}", handler: () => {} }];
  const lonely = books({ name: "One", rule: get("/v1/{id}") });
  assert.throws(
    () => createRest({ services: [lonely], dialect, routes: (router) => router.service(lonely, {}), extra }),
    /Books\.One .* and GET \/v1\/\{x\} have/,
  );
});
