import {
  type DescEnum,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  type Registry,
  ScalarType,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { base64Decode } from "@bufbuild/protobuf/wire";

/** Type of a single value: of a singular field, a list's item or a map's value. */
export type ElementType =
  | { kind: "scalar"; scalar: ScalarType }
  | { kind: "enum"; enum: DescEnum }
  | { kind: "message"; message: DescMessage };

/** A value in the form that reflection sets, or the reason why it is invalid. */
export type Reading = { value: unknown } | { problem: string };

/** Returns the type of a field's values. */
export function elementType(field: DescField): ElementType {
  if (field.enum !== undefined) return { kind: "enum", enum: field.enum };
  if (field.message !== undefined) return { kind: "message", message: field.message };
  return { kind: "scalar", scalar: field.scalar };
}

const problems = {
  boolean: "must be a boolean value",
  string: "must be a string",
  unicode: "must be well-formed Unicode text",
  number: "must be a number",
  integer: "must be an integer number",
  base64: "must be base64 encoded",
} as const;

const wellKnownProblems: Readonly<Record<string, string>> = {
  "google.protobuf.Timestamp": "must be a valid ISO 8601 date string",
  "google.protobuf.Duration": 'must be a duration in seconds such as "1.5s"',
  "google.protobuf.Struct": "must be an object",
  "google.protobuf.ListValue": "must be an array",
  "google.protobuf.FieldMask": "must be a string",
};

const boolByText: Readonly<Record<string, boolean>> = {
  true: true,
  True: true,
  TRUE: true,
  "1": true,
  false: false,
  False: false,
  FALSE: false,
  "0": false,
};

/** Reads a value from a path or a query. */
export function readText(type: ElementType, text: string, registry: Registry): Reading {
  if (type.kind === "scalar" && type.scalar === ScalarType.BOOL) {
    const value = Object.hasOwn(boolByText, text) ? boolByText[text] : undefined;
    return value === undefined ? { problem: problems.boolean } : { value };
  }
  if (type.kind === "enum" && /^-?\d{1,10}$/.test(text)) return readEnum(type.enum, Number(text));
  return type.kind === "message" ? readWellKnown(type.message, text, registry) : readJsonValue(type, text, registry);
}

/** Reads a scalar, an enum or a well-known type by the proto3 JSON mapping. Rejects NaN and the infinities. */
export function readJsonValue(type: ElementType, json: JsonValue, registry: Registry): Reading {
  if (type.kind === "scalar") return readScalar(type.scalar, json);
  return type.kind === "enum" ? readEnum(type.enum, json) : readWellKnown(type.message, json, registry);
}

function readWellKnown(message: DescMessage, json: JsonValue, registry: Registry): Reading {
  try {
    return { value: reflect(message, fromJson(message, json, { registry })) };
  } catch {
    return { problem: wellKnownProblems[message.typeName] ?? "is not valid" };
  }
}

function readEnum(type: DescEnum, json: JsonValue): Reading {
  const found = type.values.find((value) => value.name === json || value.number === json);
  if (found !== undefined) return { value: found.number };
  const names = type.values.filter((value) => !(value.number === 0 && value.name.endsWith("UNSPECIFIED")));
  return { problem: `must be one of the following values: ${names.map((value) => value.name).join(", ")}` };
}

function readScalar(type: ScalarType, json: JsonValue): Reading {
  switch (type) {
    case ScalarType.STRING:
      if (typeof json !== "string") return { problem: problems.string };
      return json.isWellFormed() ? { value: json } : { problem: problems.unicode };
    case ScalarType.BOOL:
      return typeof json === "boolean" ? { value: json } : { problem: problems.boolean };
    case ScalarType.BYTES:
      return readBytes(json);
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return readFloat(json, type === ScalarType.FLOAT ? 3.4028234663852886e38 : Number.MAX_VALUE);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return readInteger(json, -(2n ** 31n), 2n ** 31n - 1n, Number);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return readInteger(json, 0n, 2n ** 32n - 1n, Number);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return readInteger(json, -(2n ** 63n), 2n ** 63n - 1n, BigInt);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return readInteger(json, 0n, 2n ** 64n - 1n, BigInt);
  }
}

function readBytes(json: JsonValue): Reading {
  if (typeof json !== "string") return { problem: problems.base64 };
  try {
    return { value: base64Decode(json) };
  } catch {
    return { problem: problems.base64 };
  }
}

const numberPattern = /^-?\d{1,400}(?:\.\d{1,400})?(?:[eE][+-]?\d{1,4})?$/;
const integerPattern = /^-?\d{1,20}$/;

function readFloat(json: JsonValue, max: number): Reading {
  const value = typeof json === "string" && numberPattern.test(json) ? Number(json) : json;
  const isNumber = typeof value === "number" && Math.abs(value) <= max;
  return isNumber ? { value } : { problem: problems.number };
}

function readInteger(json: JsonValue, min: bigint, max: bigint, convert: (value: bigint) => unknown): Reading {
  const isNumber = typeof json === "number" && Number.isInteger(json);
  if (!isNumber && !(typeof json === "string" && integerPattern.test(json))) return { problem: problems.integer };
  const value = BigInt(json);
  if (value < min) return { problem: `must not be less than ${min}` };
  if (value > max) return { problem: `must not be greater than ${max}` };
  return { value: convert(value) };
}
