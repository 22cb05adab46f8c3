import { type DescEnum, type DescField, type DescMessage, type Registry, ScalarType, toJson } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { hasCustomJsonRepresentation, isWrapperDesc, type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";

/** Writes a value as JSON text. Throws an Error if the value does not have the type that the writer was made for. */
export type WriteValue = (value: unknown) => string;

/** Returns the writer for the values of a scalar or an enum field, also of one that is a list or a map. */
export function scalarWriter(field: DescField): WriteValue {
  if (field.enum !== undefined) return enumWriter(field.enum, field);
  switch (field.scalar ?? ScalarType.STRING) {
    case ScalarType.STRING:
      return textWriter(field);
    case ScalarType.BOOL:
      return boolWriter(field);
    case ScalarType.BYTES:
      return bytesWriter(field);
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return floatWriter(field);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return int32Writer(field);
    default:
      return int64Writer(field);
  }
}

function textWriter(field: DescField): WriteValue {
  return (value) => {
    if (typeof value !== "string") throw invalid(field, value);
    return writeText(value);
  };
}

function boolWriter(field: DescField): WriteValue {
  return (value) => {
    if (typeof value !== "boolean") throw invalid(field, value);
    return value ? "true" : "false";
  };
}

function bytesWriter(field: DescField): WriteValue {
  return (value) => {
    if (!(value instanceof Uint8Array)) throw invalid(field, value);
    return `"${base64Encode(value)}"`;
  };
}

function floatWriter(field: DescField): WriteValue {
  return (value) => {
    if (typeof value !== "number") throw invalid(field, value);
    return Number.isFinite(value) ? JSON.stringify(value) : `"${value}"`;
  };
}

function int32Writer(field: DescField): WriteValue {
  return (value) => {
    if (typeof value !== "number") throw invalid(field, value);
    return JSON.stringify(value);
  };
}

function int64Writer(field: DescField): WriteValue {
  return (value) => {
    if (typeof value === "bigint" || Number.isInteger(value)) return `"${value}"`;
    // The form of a field with the option `jstype = JS_STRING`.
    if (typeof value === "string") return writeText(value);
    throw invalid(field, value);
  };
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

function invalid(field: DescField, value: unknown): Error {
  return new Error(`cannot write ${field} as JSON: it holds a ${typeof value}`);
}

/** Longest text that is checked here for characters to escape. JSON.stringify takes longer for short texts. */
const maxPlainLength = 64;

/** Writes a text as JSON. Malformed Unicode becomes U+FFFD, as in the encodings of the other protocols. */
export function writeText(text: string): string {
  return isPlain(text) ? `"${text}"` : JSON.stringify(text.toWellFormed());
}

/** Returns whether a text is short, and printable ASCII without quotation marks and backslashes, as most texts are. */
function isPlain(text: string): boolean {
  if (text.length > maxPlainLength) return false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return false;
  }
  return true;
}

/** Returns the writer for messages of a type in a field, if their JSON is not an object of their fields; undefined for other types. */
export function wellKnownWriter(field: DescField, message: DescMessage, registry: Registry): WriteValue | undefined {
  // Protobuf-ES stores these two without their message.
  if (message.typeName === "google.protobuf.Struct") return writeStruct;
  const [wrapped] = message.fields;
  if (isWrapperDesc(message) && field.fieldKind === "message" && field.oneof === undefined && wrapped !== undefined) {
    return scalarWriter(wrapped);
  }
  if (message.typeName === TimestampSchema.typeName) return writeTimestamp;
  if (!hasCustomJsonRepresentation(message)) return undefined;
  return (value) => JSON.stringify(toJson(message, value as never, { registry }));
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

const secondsOfDay = 86_400;
/** The last day written, such as "2026-11-26T", by its number since 1970. Most answers show one day many times. */
let lastDay = { number: 0, text: "1970-01-01T" };

/** Writes a google.protobuf.Timestamp. */
function writeTimestamp(value: unknown): string {
  const { seconds, nanos } = value as Timestamp;
  const second = Number(seconds);
  // toJson words the error for a time that is out of range, and writes fractions other than milliseconds.
  if (!(second >= 0 && second < 253_402_300_800 && nanos >= 0 && nanos < 1e9 && nanos % 1e6 === 0)) {
    return JSON.stringify(toJson(TimestampSchema, value as Timestamp));
  }
  const number = Math.floor(second / secondsOfDay);
  if (number !== lastDay.number) {
    lastDay = { number, text: new Date(number * secondsOfDay * 1_000).toISOString().slice(0, 11) };
  }
  const time = second - number * secondsOfDay;
  const hour = Math.floor(time / 3_600);
  const minute = Math.floor(time / 60) % 60;
  const fraction = nanos === 0 ? "" : `.${String(nanos / 1e6).padStart(3, "0")}`;
  return `"${lastDay.text}${twoDigits(hour)}:${twoDigits(minute)}:${twoDigits(time % 60)}${fraction}Z"`;
}

const digitPairs = Array.from({ length: 60 }, (_, value) => String(value).padStart(2, "0"));

const twoDigits = (value: number): string => digitPairs[value] ?? "";
