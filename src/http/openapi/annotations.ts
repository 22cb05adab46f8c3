import {
  type DescField,
  type DescMessage,
  type DescMethod,
  fromJson,
  getOption,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from "@bufbuild/protobuf";
import * as options from "../../../gen/sessiond/api/v1/annotations_pb.js";
import { errorReasons } from "../dialect.ts";
import { filesOf } from "../rest/fields.ts";
import { rpcName } from "../rest/http-rules.ts";
import { isJsonObject } from "../rest/json-read.ts";

/** A media type of a google.api.HttpBody; `message` is undefined if it is not JSON. */
export interface ProducedType {
  readonly mediaType: string;
  readonly message: DescMessage | undefined;
}

/** Rules for a field's value, as JSON Schema keywords. */
export interface FieldKeywords {
  readonly isRequired: boolean;
  /** Keywords for each item of a list, each value of a map, or the one value. */
  readonly element: JsonObject;
  /** Keywords for the field as a whole. */
  readonly whole: JsonObject;
}

/** Returns the errors of an RPC's options. Throws an Error that names the RPC if the dialect has no such reason. */
export function readErrors(rpc: DescMethod): readonly options.RpcError[] {
  const errors = getOption(rpc, options.error);
  for (const { reason } of errors) {
    if (reason !== "" && errorReasons[reason] === undefined) {
      throw new Error(`${rpcName(rpc)}: option error: dialect.ts has no reason "${reason}"`);
    }
  }
  return errors;
}

/** Returns whether an RPC needs no API key. */
export function isPublic(rpc: DescMethod): boolean {
  return getOption(rpc, options.public_access);
}

/** Returns the request headers that an RPC reads. */
export function readHeaders(rpc: DescMethod): readonly options.RequestHeader[] {
  return getOption(rpc, options.header);
}

/** Returns the media types of an RPC's google.api.HttpBody. Throws an Error that names the RPC if a message is unknown. */
export function readProduced(rpc: DescMethod): readonly ProducedType[] {
  return getOption(rpc, options.produces).map(({ name: mediaType, message: typeName }) => {
    if (typeName === "") return { mediaType, message: undefined };
    const message = filesOf([rpc.parent])
      .flatMap(({ messages }) => messages)
      .find((one) => one.typeName === typeName);
    if (message === undefined) throw new Error(`${rpcName(rpc)}: option produces: no message "${typeName}"`);
    return { mediaType, message };
  });
}

/** Returns the example of a message, if it has one. Throws an Error that names the message if it is not its JSON. */
export function readExample(message: DescMessage): JsonObject | undefined {
  const text = getOption(message, options.example);
  if (text === "") return undefined;
  try {
    const json: JsonValue = JSON.parse(text);
    fromJson(message, json);
    if (isJsonObject(json)) return json;
    throw new Error("not an object");
  } catch (error) {
    throw new Error(`${message.typeName}: option example: ${messageOf(error)}`);
  }
}

/** Returns the rules for a field's value. Throws an Error that names the field if its default or example is not of its type. */
export function readFieldKeywords(field: DescField): FieldKeywords {
  const rules = getOption(field, options.field);
  return {
    isRequired: rules.required,
    element: {
      ...(rules.pattern !== "" && { pattern: rules.pattern }),
      ...(rules.oneOf.length > 0 && { enum: rules.oneOf }),
      ...(rules.minLength !== undefined && { minLength: rules.minLength }),
      ...(rules.maxLength !== undefined && { maxLength: rules.maxLength }),
      ...(rules.minimum !== undefined && { minimum: rules.minimum }),
      ...(rules.maximum !== undefined && { maximum: rules.maximum }),
    },
    whole: {
      ...(rules.default !== undefined && { default: toFieldJson(field, rules.default) }),
      ...(rules.example !== undefined && { examples: [toFieldJson(field, rules.example)] }),
    },
  };
}

const textScalars: ReadonlySet<ScalarType> = new Set([
  ScalarType.STRING,
  ScalarType.BYTES,
  ScalarType.INT64,
  ScalarType.SINT64,
  ScalarType.SFIXED64,
  ScalarType.UINT64,
  ScalarType.FIXED64,
]);

function toFieldJson(field: DescField, text: string): JsonValue {
  const isText = field.fieldKind === "enum" || (field.fieldKind === "scalar" && textScalars.has(field.scalar));
  try {
    const json: JsonValue = isText ? text : JSON.parse(text);
    fromJson(field.parent, { [field.jsonName]: json });
    return json;
  } catch (error) {
    throw new Error(`${field.parent.typeName}.${field.name}: default or example "${text}": ${messageOf(error)}`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
