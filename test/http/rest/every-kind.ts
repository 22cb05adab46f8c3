import { create, createFileRegistry, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type DescriptorProtoSchema,
  type FieldDescriptorProto,
  type FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";

type Field = MessageInitShape<typeof FieldDescriptorProtoSchema>;

const imports = [
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
];

const scalars = Object.values(Type).filter(
  (type): type is Type => typeof type === "number" && ![Type.GROUP, Type.MESSAGE, Type.ENUM].includes(type),
);
const types: readonly Pick<FieldDescriptorProto, "type" | "typeName">[] = [
  ...scalars.map((type) => ({ type, typeName: "" })),
  { type: Type.ENUM, typeName: ".test.v1.Color" },
  { type: Type.ENUM, typeName: ".google.protobuf.NullValue" },
  ...["Any", "Duration", "Empty", "FieldMask", "Struct", "Value", "ListValue", "Timestamp"].map(wellKnown),
  ...["Double", "Int64", "UInt32", "Bool", "String", "Bytes"].map((name) => wellKnown(`${name}Value`)),
  { type: Type.MESSAGE, typeName: ".test.v1.Every" },
];

function wellKnown(name: string) {
  return { type: Type.MESSAGE, typeName: `.google.protobuf.${name}` };
}

const mapKeys = scalars.filter((type) => ![Type.DOUBLE, Type.FLOAT, Type.BYTES].includes(type));

/** Numbers fall, so that their order is not that of the declarations. Names in JSON need escapes. */
const field = (name: string, number: number, rest: Field): Field => ({
  name,
  jsonName: name.replace("_", '"'),
  number: 1_000 - number,
  label: Label.OPTIONAL,
  ...rest,
});

const entryName = (name: string) => `${name.replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase())}Entry`;

/** Returns the messages for which the JSON of each kind of field can be checked: one of proto3, one of proto2. */
export function everyKind(): { every: DescMessage; legacy: DescMessage } {
  const fields: Field[] = [];
  const nestedType: MessageInitShape<typeof DescriptorProtoSchema>[] = [];
  types.forEach((type, index) => {
    const at = index * 5;
    fields.push(
      field(`one_${index}`, at, type),
      field(`many_${index}`, at + 1, { ...type, label: Label.REPEATED }),
      field(`choice_${index}`, at + 2, { ...type, oneofIndex: 0 }),
      field(`optional_${index}`, at + 3, { ...type, proto3Optional: true, oneofIndex: index + 1 }),
      field(`map_${index}`, at + 4, {
        type: Type.MESSAGE,
        label: Label.REPEATED,
        typeName: `.test.v1.Every.${entryName(`map_${index}`)}`,
      }),
    );
    nestedType.push({
      name: entryName(`map_${index}`),
      options: { mapEntry: true },
      field: [
        { name: "key", number: 1, label: Label.OPTIONAL, type: mapKeys[index % mapKeys.length] ?? Type.STRING },
        { name: "value", number: 2, label: Label.OPTIONAL, ...type },
      ],
    });
  });
  const oneofDecl = [{ name: "choice" }, ...types.map((_, index) => ({ name: `_optional_${index}` }))];
  const proto3 = create(FileDescriptorProtoSchema, {
    name: "every.proto",
    package: "test.v1",
    syntax: "proto3",
    dependency: imports.map(({ proto }) => proto.name),
    messageType: [{ name: "Every", field: fields, nestedType, oneofDecl }],
    enumType: [
      { name: "Color", value: ["COLOR_UNSPECIFIED", "RED", "BLUE"].map((name, number) => ({ name, number })) },
    ],
  });
  const proto2 = create(FileDescriptorProtoSchema, {
    name: "legacy.proto",
    package: "test.v1",
    syntax: "proto2",
    messageType: [
      {
        name: "Legacy",
        field: [
          field("required", 2, { label: Label.REQUIRED, type: Type.STRING }),
          field("text", 1, { type: Type.STRING, defaultValue: "x" }),
          field("parent", 3, { type: Type.MESSAGE, typeName: ".test.v1.Legacy" }),
        ],
      },
    ],
  });
  const files = [...imports.map(({ proto }) => proto), proto3, proto2];
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: files }));
  const [every, legacy] = [registry.getMessage("test.v1.Every"), registry.getMessage("test.v1.Legacy")];
  if (every === undefined || legacy === undefined) throw new Error("the messages are not defined");
  return { every, legacy };
}
