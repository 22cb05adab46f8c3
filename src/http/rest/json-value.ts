import { type DescEnum, type DescField, type DescMessage, type Registry, ScalarType, toJson } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { hasCustomJsonRepresentation, isWrapperDesc } from "@bufbuild/protobuf/wkt";

/** Writes a value as JSON text. Throws an Error if the value does not have the type that the writer was made for. */
export type WriteValue = (value: unknown) => string;

/** Returns the writer for the values of a scalar or an enum field, also one of a list or a map. */
export function scalarWriter(field: DescField): WriteValue {
  if (field.enum !== undefined) return enumWriter(field.enum, field);
  const { isValid, write } = scalarRules[field.scalar ?? ScalarType.STRING];
  return (value) => {
    if (!isValid(value)) throw invalid(field, value);
    return write(value);
  };
}

/** Returns the writer for messages of a type in a field, if their JSON is not an object of their fields; undefined for other types. */
export function wellKnownWriter(field: DescField, message: DescMessage, registry: Registry): WriteValue | undefined {
  // Protobuf-ES stores these two without their message.
  if (message.typeName === "google.protobuf.Struct") return writeStruct;
  const [wrapped] = message.fields;
  if (isWrapperDesc(message) && field.fieldKind === "message" && field.oneof === undefined && wrapped !== undefined) {
    return scalarWriter(wrapped);
  }
  if (!hasCustomJsonRepresentation(message)) return undefined;
  return (value) => JSON.stringify(toJson(message, value as never, { registry }));
}

interface ScalarRule {
  readonly isValid: (value: unknown) => boolean;
  readonly write: WriteValue;
}

const text: ScalarRule = { isValid: (value) => typeof value === "string", write: writeText };
const bool: ScalarRule = { isValid: (value) => typeof value === "boolean", write: String };
const int32: ScalarRule = { isValid: (value) => typeof value === "number", write: JSON.stringify };
const float: ScalarRule = {
  isValid: (value) => typeof value === "number",
  write: (value) => (Number.isFinite(value) ? JSON.stringify(value) : `"${value}"`),
};
const int64: ScalarRule = {
  isValid: (value) => typeof value === "bigint" || typeof value === "string" || Number.isInteger(value),
  write: (value) => (typeof value === "string" ? JSON.stringify(value) : `"${value}"`),
};
const bytes: ScalarRule = {
  isValid: (value) => value instanceof Uint8Array,
  write: (value) => `"${base64Encode(value as Uint8Array)}"`,
};

const scalarRules: Readonly<Record<ScalarType, ScalarRule>> = {
  [ScalarType.STRING]: text,
  [ScalarType.BOOL]: bool,
  [ScalarType.BYTES]: bytes,
  [ScalarType.DOUBLE]: float,
  [ScalarType.FLOAT]: float,
  [ScalarType.INT32]: int32,
  [ScalarType.SINT32]: int32,
  [ScalarType.SFIXED32]: int32,
  [ScalarType.UINT32]: int32,
  [ScalarType.FIXED32]: int32,
  [ScalarType.INT64]: int64,
  [ScalarType.SINT64]: int64,
  [ScalarType.SFIXED64]: int64,
  [ScalarType.UINT64]: int64,
  [ScalarType.FIXED64]: int64,
};

/** Writes a text as JSON. Malformed Unicode becomes U+FFFD, as in the encodings of the other protocols. */
export function writeText(value: unknown): string {
  return JSON.stringify(String(value).toWellFormed());
}

function enumWriter(desc: DescEnum, field: DescField): WriteValue {
  const isNull = desc.typeName === "google.protobuf.NullValue";
  const names = new Map<unknown, string>(
    desc.values.map((value) => [value.number, isNull ? "null" : JSON.stringify(value.jsonName)]),
  );
  return (value) => {
    const name = names.get(value);
    if (name !== undefined) return name;
    if (typeof value !== "number") throw invalid(field, value);
    return isNull ? "null" : JSON.stringify(value);
  };
}

/** Writes a google.protobuf.Struct, which a field holds as a JSON object. */
function writeStruct(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (item === undefined) throw new Error("google.protobuf.Value must have a value");
    if (typeof item === "number" && !Number.isFinite(item)) {
      throw new Error("google.protobuf.Value cannot be NaN or Infinity");
    }
    return item;
  });
}

function invalid(field: DescField, value: unknown): Error {
  return new Error(`cannot write ${field} as JSON: it holds a ${typeof value}`);
}
