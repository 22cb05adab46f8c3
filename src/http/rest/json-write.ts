import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type Message,
  type Registry,
  ScalarType,
  toJson,
} from "@bufbuild/protobuf";
import { scalarZeroValue } from "@bufbuild/protobuf/reflect";
import { Edition, hasCustomJsonRepresentation, FeatureSet_FieldPresence as Presence } from "@bufbuild/protobuf/wkt";
import { scalarWriter, type WriteValue, wellKnownWriter, writeText } from "./json-value.ts";
import type { Dialect } from "./resolve-dialect.ts";

// Each message type is turned into functions once; an answer is then written straight from its message to text. The text is that of
// protobuf's toJson with the fields that the dialect shows although they are unset, in the order of field numbers.

/** Writes a message, or a part of it, as JSON text in the REST dialect. Throws an Error if the message holds an invalid value. */
export type WriteJson = (message: Message) => string;

/** Writers for all message types, made when they are first asked for. */
export interface JsonWriters {
  /** Returns the writer for messages of a type. */
  ofMessage(desc: DescMessage): WriteJson;
  /** Returns the writer for one field of a message. It writes an unset message as null, another unset field as its default. */
  ofField(field: DescField): WriteJson;
}

/** Returns whether responses of a type may be empty, and are then sent without a body: all fields are optional. */
export const isMostlyEmpty = ({ fields }: DescMessage): boolean => fields.every(({ proto }) => proto.proto3Optional);

/** Creates the writers for a dialect. The registry resolves the types in google.protobuf.Any. */
export function createJsonWriters({ registry, dialect }: { registry: Registry; dialect: Dialect }): JsonWriters {
  const writers = new Map<DescMessage, WriteJson>();

  function ofMessage(desc: DescMessage): WriteJson {
    const known = writers.get(desc);
    if (known !== undefined) return known;
    if (hasCustomJsonRepresentation(desc)) return (message) => JSON.stringify(toJson(desc, message, { registry }));
    const members: WriteJson[] = [];
    const write = objectWriter(desc, members);
    // Entered before its fields have their writers, since a message type may contain itself.
    writers.set(desc, write);
    for (const field of byNumber(desc)) members.push(memberWriter(field));
    return write;
  }

  /** Returns the writer of a field with its key; it writes "" for a field that is left out. */
  function memberWriter(field: DescField): WriteJson {
    const key = `${JSON.stringify(field.jsonName)}:`;
    const shown = shownWhenUnset(field, dialect);
    return fieldWriter(field, shown === undefined ? "" : key + shown, key);
  }

  /** Returns the writer of a field's value after `prefix`. It writes an unset field as `unset`. */
  function fieldWriter(field: DescField, unset: string, prefix: string): WriteJson {
    const name = field.localName;
    const write = elementWriter(field);
    if (field.fieldKind === "list") {
      const writeItems = listWriter(write, unset, prefix);
      return (message) => writeItems(propertiesOf(message)[name] as readonly unknown[]);
    }
    if (field.fieldKind === "map") return (message) => writeMap(propertiesOf(message)[name], write, unset, prefix);
    if (field.oneof !== undefined) {
      const oneof = field.oneof.localName;
      return (message) => {
        const chosen = propertiesOf(message)[oneof] as { case: unknown; value: unknown };
        return chosen.case === name ? prefix + write(chosen.value) : unset;
      };
    }
    if (field.presence === Presence.IMPLICIT) return implicitWriter(field, unset, prefix, write);
    const isRequired = field.presence === Presence.LEGACY_REQUIRED;
    // Messages inherit the defaults of fields from their prototype, except in proto3.
    const mayInherit = field.parent.file.edition !== Edition.EDITION_PROTO3;
    return (message) => {
      const value = mayInherit && !Object.hasOwn(message, name) ? undefined : propertiesOf(message)[name];
      if (value !== undefined) return prefix + write(value);
      if (isRequired) throw new Error(`cannot write ${field} as JSON: it is required and unset`);
      return unset;
    };
  }

  function elementWriter(field: DescField): WriteValue {
    const { message } = field;
    if (message === undefined) return scalarWriter(field);
    return wellKnownWriter(field, message, registry) ?? (ofMessage(message) as WriteValue);
  }

  return {
    ofMessage,
    ofField: (field) => fieldWriter(field, field.fieldKind === "message" ? "null" : defaultOf(field, dialect), ""),
  };
}

/** Shorter texts are written about as fast as they are found. */
const minRememberedLength = 256;

function objectWriter(desc: DescMessage, members: readonly WriteJson[]): WriteJson {
  // Texts of frozen messages, which are frozen throughout and written again and again.
  const texts = new WeakMap<Message, string>();
  return (message) => {
    const isFrozen = Object.isFrozen(message);
    const known = isFrozen ? texts.get(message) : undefined;
    if (known !== undefined) return known;
    if (message.$typeName !== desc.typeName) throw new Error(`cannot write ${message.$typeName} as ${desc.typeName}`);
    let text = "";
    for (const write of members) {
      const member = write(message);
      if (member !== "") text += text === "" ? `{${member}` : `,${member}`;
    }
    text = text === "" ? "{}" : `${text}}`;
    if (isFrozen && text.length >= minRememberedLength) texts.set(message, text);
    return text;
  };
}

/** Longer lists are not remembered. */
const maxRememberedLength = 65_536;

function listWriter(write: WriteValue, unset: string, prefix: string): (items: readonly unknown[]) => string {
  // The last list of frozen messages: lists are asked for again and again while nothing changes.
  let last: readonly unknown[] = [];
  let lastText = "";
  return (items) => {
    if (items.length === 0) return unset;
    if (items.length === last.length && items.every((item, index) => item === last[index])) return lastText;
    const text = writeList(items, write, prefix);
    if (
      text.length <= maxRememberedLength &&
      items.every((item) => typeof item === "object" && Object.isFrozen(item))
    ) {
      last = [...items];
      lastText = text;
    }
    return text;
  };
}

function writeList(items: readonly unknown[], write: WriteValue, prefix: string): string {
  let text = `${prefix}[`;
  for (let index = 0; index < items.length; index += 1)
    text += index === 0 ? write(items[0]) : `,${write(items[index])}`;
  return `${text}]`;
}

function writeMap(value: unknown, write: WriteValue, unset: string, prefix: string): string {
  const entries = value as Readonly<Record<string, unknown>>;
  let text = "";
  for (const key of Object.keys(entries)) {
    const entry = `${writeText(key)}:${write(entries[key])}`;
    text += text === "" ? `${prefix}{${entry}` : `,${entry}`;
  }
  return text === "" ? unset : `${text}}`;
}

const byNumber = ({ fields }: DescMessage): DescField[] => fields.toSorted((a, b) => a.number - b.number);

const propertiesOf = (message: Message) => message as unknown as Readonly<Record<string, unknown>>;

/** Returns the writer of a field that is unset if it has its type's zero value. */
function implicitWriter(field: DescField, unset: string, prefix: string, write: WriteValue): WriteJson {
  const name = field.localName;
  if (field.fieldKind === "scalar" && field.scalar === ScalarType.BYTES) {
    return (message) => {
      const value = propertiesOf(message)[name];
      return value instanceof Uint8Array && value.byteLength === 0 ? unset : prefix + write(value);
    };
  }
  if (field.fieldKind === "scalar" && [ScalarType.DOUBLE, ScalarType.FLOAT].includes(field.scalar)) {
    return (message) => {
      const value = propertiesOf(message)[name];
      // -0 is written.
      return Object.is(value, 0) ? unset : prefix + write(value);
    };
  }
  const zero = field.fieldKind === "scalar" ? scalarZeroValue(field.scalar, field.longAsString) : zeroOf(field.enum);
  return (message) => {
    const value = propertiesOf(message)[name];
    return value === zero ? unset : prefix + write(value);
  };
}

const zeroOf = (desc: DescEnum | undefined): unknown => desc?.values[0]?.number;

/** Returns the text that the dialect shows for an unset field; undefined if it leaves the field out. */
function shownWhenUnset(field: DescField, dialect: Dialect): string | undefined {
  if (dialect.nullWhenUnset.has(field)) return "null";
  return dialect.shownWhenDefault.has(field) ? defaultOf(field, dialect) : undefined;
}

function defaultOf(field: DescField, dialect: Dialect): string {
  switch (field.fieldKind) {
    case "list":
      return "[]";
    case "map":
      return "{}";
    case "message":
      return emptyMessage(field.message, dialect);
    case "enum":
      return JSON.stringify(field.enum.values[0]?.name ?? 0);
    case "scalar":
      return defaultScalar(field.scalar);
  }
}

/** Returns the text of a message with nothing set. */
function emptyMessage(desc: DescMessage, dialect: Dialect): string {
  if (hasCustomJsonRepresentation(desc)) return "{}";
  const members = byNumber(desc).flatMap((field) => {
    const shown = shownWhenUnset(field, dialect);
    return shown === undefined ? [] : [`${JSON.stringify(field.jsonName)}:${shown}`];
  });
  return `{${members.join(",")}}`;
}

function defaultScalar(scalar: ScalarType): string {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return '""';
    case ScalarType.BOOL:
      return "false";
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return '"0"';
    default:
      return "0";
  }
}
