/** Part of `npm run generate`: removes from a bundle's descriptors of messages what a client does not read. */
import { readFile } from "node:fs/promises";
import { clearField, create, fromBinary, isFieldSet, toBinary } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  type EnumDescriptorProto,
  EnumDescriptorProtoSchema,
  EnumValueDescriptorProtoSchema,
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  FieldOptionsSchema,
  FileDescriptorProtoSchema,
  MessageOptionsSchema,
  MethodDescriptorProtoSchema,
  ServiceDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import type { Plugin } from "esbuild";

/** Files that define options only. Nothing else of them is used by a message. */
const optionFiles = /\b(file_google_api_annotations|file_sessiond_api_v1_annotations)\b,?\s*/g;

/** The call in generated code that reads a descriptor: its base64, and the files that it imports. */
const descriptorCall = /fileDesc\("([\w+/]+)"(?:, \[([^\]]*)\])?\)/;

/** Services that the dashboard calls few methods of, by file: the names of those, with which their messages begin. The others are left out. */
const needed: Readonly<Record<string, RegExp>> = {
  "sessiond/v1/message_service.proto": /^(ListOutbox|CancelOutgoing)/,
};

/** Leaves out routes, documentation and other options, which are half of the descriptors. */
export const slimDescriptors: Plugin = {
  name: "slim-descriptors",
  setup({ onLoad }) {
    onLoad({ filter: /\/gen\/.*_pb\.js$/ }, async ({ path }) => {
      const code = await readFile(path, "utf8");
      const contents = code.replace(
        descriptorCall,
        (_call, base64: string, imports = "") =>
          `fileDesc("${withoutOptions(base64)}", [${imports.replaceAll(optionFiles, "")}])`,
      );
      return { contents, loader: "js" };
    });
  },
};

function withoutOptions(base64: string): string {
  const file = fromBinary(FileDescriptorProtoSchema, base64Decode(base64));
  clearField(file, FileDescriptorProtoSchema.field.options);
  const isNeeded = ({ name }: { readonly name: string }) => needed[file.name]?.test(name) ?? true;
  for (const message of file.messageType) {
    // Messages are found by their place, so that they stay in it.
    if (!isNeeded(message)) clearField(message, DescriptorProtoSchema.field.field);
    stripMessage(message);
  }
  for (const enumeration of file.enumType) stripEnum(enumeration);
  for (const service of file.service) {
    clearField(service, ServiceDescriptorProtoSchema.field.options);
    service.method = service.method.filter(isNeeded);
    for (const method of service.method) clearField(method, MethodDescriptorProtoSchema.field.options);
  }
  return base64Encode(toBinary(FileDescriptorProtoSchema, file), "std_raw");
}

/** Keeps that a message is the entry of a map. */
function stripMessage(message: DescriptorProto): void {
  const { options } = message;
  clearField(message, DescriptorProtoSchema.field.options);
  if (options?.mapEntry) message.options = create(MessageOptionsSchema, { mapEntry: true });
  for (const field of message.field) stripField(field);
  for (const nested of message.nestedType) stripMessage(nested);
  for (const enumeration of message.enumType) stripEnum(enumeration);
}

/** Keeps how a repeated field is encoded. */
function stripField(field: FieldDescriptorProto): void {
  const { options } = field;
  clearField(field, FieldDescriptorProtoSchema.field.options);
  if (options && isFieldSet(options, FieldOptionsSchema.field.packed)) {
    field.options = create(FieldOptionsSchema, { packed: options.packed });
  }
}

function stripEnum(enumeration: EnumDescriptorProto): void {
  clearField(enumeration, EnumDescriptorProtoSchema.field.options);
  for (const value of enumeration.value) clearField(value, EnumValueDescriptorProtoSchema.field.options);
}
