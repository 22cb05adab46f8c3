import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  create,
  createFileRegistry,
  type DescField,
  type DescMessage,
  type DescMethod,
  type MessageInitShape,
  setExtension,
} from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FieldOptionsSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  MessageOptionsSchema,
  MethodOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import { Code } from "../../../gen/google/rpc/code_pb.js";
import {
  error,
  example,
  FieldRulesSchema,
  field as fieldRules,
  MediaTypeSchema,
  produces,
  public_access,
  RpcErrorSchema,
} from "../../../gen/sessiond/api/v1/annotations_pb.js";
import {
  isPublic,
  readErrors,
  readExample,
  readFieldKeywords,
  readProduced,
} from "../../../src/http/openapi/annotations.ts";

interface Init {
  readonly errors?: MessageInitShape<typeof RpcErrorSchema>[];
  readonly produced?: MessageInitShape<typeof MediaTypeSchema>[];
  readonly isPublic?: boolean;
  readonly example?: string;
  readonly rules?: MessageInitShape<typeof FieldRulesSchema>;
  readonly type?: FieldDescriptorProto_Type;
  readonly isList?: boolean;
}

/** Compiles test.v1.Books with an RPC Get, whose request Book has one field `value`, and puts options on them. */
function compile(init: Init): { rpc: DescMethod; message: DescMessage; field: DescField } {
  const rpcOptions = create(MethodOptionsSchema);
  setExtension(rpcOptions, error, init.errors?.map((one) => create(RpcErrorSchema, one)) ?? []);
  setExtension(rpcOptions, produces, init.produced?.map((one) => create(MediaTypeSchema, one)) ?? []);
  setExtension(rpcOptions, public_access, init.isPublic ?? false);
  const messageOptions = create(MessageOptionsSchema);
  setExtension(messageOptions, example, init.example ?? "");
  const fieldOptions = create(FieldOptionsSchema);
  if (init.rules) setExtension(fieldOptions, fieldRules, create(FieldRulesSchema, init.rules));
  const file = create(FileDescriptorProtoSchema, {
    name: "books.proto",
    package: "test.v1",
    syntax: "proto3",
    messageType: [
      {
        name: "Book",
        options: messageOptions,
        field: [
          {
            name: "value",
            jsonName: "value",
            number: 1,
            type: init.type ?? FieldDescriptorProto_Type.STRING,
            label: init.isList ? FieldDescriptorProto_Label.REPEATED : FieldDescriptorProto_Label.OPTIONAL,
            options: fieldOptions,
          },
        ],
      },
    ],
    service: [
      {
        name: "Books",
        method: [{ name: "Get", inputType: ".test.v1.Book", outputType: ".test.v1.Book", options: rpcOptions }],
      },
    ],
  });
  const service = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] })).getService("test.v1.Books");
  const rpc = service?.methods[0];
  const field = rpc?.input.fields[0];
  assert(rpc && field);
  return { rpc, message: rpc.input, field };
}

describe("options of an RPC", () => {
  it("name its errors in order", () => {
    const { rpc } = compile({
      errors: [
        { code: Code.NOT_FOUND, message: "Book not found", when: "No book has this id." },
        { code: Code.ABORTED, reason: "REVISION_CONFLICT", when: "The revision is another." },
      ],
    });
    assert.deepEqual(
      readErrors(rpc).map(({ code, reason, message }) => [code, reason, message]),
      [
        [Code.NOT_FOUND, "", "Book not found"],
        [Code.ABORTED, "REVISION_CONFLICT", ""],
      ],
    );
  });

  it("fail with the RPC's name for a reason that the dialect does not have", () => {
    const { rpc } = compile({ errors: [{ code: Code.ABORTED, reason: "REVISION_CONFLICTS", when: "Never." }] });
    assert.throws(() => readErrors(rpc), /^Error: test\.v1\.Books\.Get: .*"REVISION_CONFLICTS"/);
  });

  it("name media types with the message of those that are JSON", () => {
    const { rpc, message } = compile({
      produced: [{ name: "image/png" }, { name: "application/json", message: "test.v1.Book" }],
    });
    assert.deepEqual(readProduced(rpc), [
      { mediaType: "image/png", message: undefined },
      { mediaType: "application/json", message },
    ]);
  });

  it("fail with the RPC's name for a message that does not exist", () => {
    const { rpc } = compile({ produced: [{ name: "application/json", message: "test.v1.Bok" }] });
    assert.throws(() => readProduced(rpc), /^Error: test\.v1\.Books\.Get: .*"test\.v1\.Bok"/);
  });

  for (const value of [true, false]) {
    it(`make it ${value ? "public" : "need a key"}`, () => {
      assert.equal(isPublic(compile({ isPublic: value }).rpc), value);
    });
  }
});

describe("the example of a message", () => {
  it("is its JSON", () => {
    assert.deepEqual(readExample(compile({ example: '{"value": "a"}' }).message), { value: "a" });
    assert.equal(readExample(compile({}).message), undefined);
  });

  for (const text of ['{"valu": "a"}', '{"value": 1}', "[]", '"a"', "{", '{"value": "a"} {}']) {
    it(`cannot be ${text}`, () => {
      const { message } = compile({ example: text });
      assert.throws(() => readExample(message), /^Error: test\.v1\.Book: option example: /);
    });
  }
});

describe("the rules of a field", () => {
  const { STRING, UINT32, UINT64, DOUBLE, BOOL } = FieldDescriptorProto_Type;

  it("become keywords of JSON Schema, apart for each item and for the whole list", () => {
    const rules = { required: true, oneOf: ["a", "b"], maxLength: 1, default: '["a"]', example: '["a", "b"]' };
    assert.deepEqual(readFieldKeywords(compile({ isList: true, rules }).field), {
      isRequired: true,
      element: { enum: ["a", "b"], maxLength: 1 },
      whole: { default: ["a"], examples: [["a", "b"]] },
    });
  });

  const values: readonly (readonly [name: string, type: FieldDescriptorProto_Type, text: string, json: unknown])[] = [
    ["a string", STRING, "true", "true"],
    ["an empty string", STRING, "", ""],
    ["an integer", UINT32, "50", 50],
    ["a 64-bit integer", UINT64, "50", "50"],
    ["a number", DOUBLE, "0.5", 0.5],
    ["a boolean", BOOL, "false", false],
  ];
  for (const [name, type, text, json] of values) {
    it(`take the default of ${name} from text`, () => {
      assert.deepEqual(readFieldKeywords(compile({ type, rules: { default: text } }).field).whole, { default: json });
    });
  }

  const wrong: readonly (readonly [type: FieldDescriptorProto_Type, text: string])[] = [
    [UINT32, "-1"],
    [UINT32, "many"],
    [UINT64, "x"],
    [BOOL, "yes"],
    [DOUBLE, ""],
  ];
  for (const [type, text] of wrong) {
    it(`fail with the field's name for ${JSON.stringify(text)} as ${FieldDescriptorProto_Type[type]}`, () => {
      for (const rules of [{ default: text }, { example: text }]) {
        const { field } = compile({ type, rules });
        assert.throws(() => readFieldKeywords(field), /^Error: test\.v1\.Book\.value: default or example /);
      }
    });
  }
});
