import { type DescField, type DescMessage, type Message, type Registry, ScalarType, toJson } from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation, FeatureSet_FieldPresence as Presence } from "@bufbuild/protobuf/wkt";
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
    const write = valueWriter(field);
    const name = field.localName;
    if (field.oneof !== undefined) {
      const oneof = field.oneof.localName;
      return (message) => {
        const chosen = propertiesOf(message)[oneof] as { case: unknown; value: unknown };
        return chosen.case === name ? prefix + write(chosen.value) : unset;
      };
    }
    if (field.fieldKind === "list" || field.fieldKind === "map" || field.presence === Presence.IMPLICIT) {
      const isDefault = defaultTest(field);
      return (message) => {
        const value = propertiesOf(message)[name];
        return isDefault(value) ? unset : prefix + write(value);
      };
    }
    const isRequired = field.presence === Presence.LEGACY_REQUIRED;
    return (message) => {
      // A default of proto2 is a property of the prototype.
      const value = Object.hasOwn(message, name) ? propertiesOf(message)[name] : undefined;
      if (value === undefined && isRequired) throw new Error(`cannot write ${field} as JSON: it is required and unset`);
      return value === undefined ? unset : prefix + write(value);
    };
  }

  function valueWriter(field: DescField): WriteValue {
    const write = elementWriter(field);
    if (field.fieldKind === "list") return (value) => writeList(value as readonly unknown[], write);
    if (field.fieldKind === "map") return (value) => writeMap(value as Readonly<Record<string, unknown>>, write);
    return write;
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

function objectWriter(desc: DescMessage, members: readonly WriteJson[]): WriteJson {
  return (message) => {
    if (message.$typeName !== desc.typeName) throw new Error(`cannot write ${message.$typeName} as ${desc.typeName}`);
    let text = "";
    for (const write of members) {
      const member = write(message);
      if (member !== "") text += text === "" ? `{${member}` : `,${member}`;
    }
    return text === "" ? "{}" : `${text}}`;
  };
}

function writeList(items: readonly unknown[], write: WriteValue): string {
  let text = "[";
  for (const [index, item] of items.entries()) text += index === 0 ? write(item) : `,${write(item)}`;
  return `${text}]`;
}

function writeMap(entries: Readonly<Record<string, unknown>>, write: WriteValue): string {
  let text = "{";
  for (const key of Object.keys(entries)) {
    const member = `${writeText(key)}:${write(entries[key])}`;
    text += text === "{" ? member : `,${member}`;
  }
  return `${text}}`;
}

const byNumber = ({ fields }: DescMessage): DescField[] => fields.toSorted((a, b) => a.number - b.number);

const propertiesOf = (message: Message) => message as unknown as Readonly<Record<string, unknown>>;

/** Returns whether a field without presence, a list or a map has the value that is not written. */
function defaultTest(field: DescField): (value: unknown) => boolean {
  switch (field.fieldKind) {
    case "list":
      return (value) => (value as readonly unknown[]).length === 0;
    case "map":
      return (value) => Object.keys(value as object).length === 0;
    case "enum":
      return (value) => value === field.enum.values[0]?.number;
    case "message":
      return (value) => value === undefined;
    case "scalar":
      return defaultScalarTest(field.scalar);
  }
}

function defaultScalarTest(scalar: ScalarType): (value: unknown) => boolean {
  switch (scalar) {
    case ScalarType.STRING:
      return (value) => value === "";
    case ScalarType.BOOL:
      return (value) => value === false;
    case ScalarType.BYTES:
      return (value) => value instanceof Uint8Array && value.byteLength === 0;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      // Writes -0.
      return (value) => Object.is(value, 0);
    default:
      return (value) => value === 0 || value === 0n || value === "0";
  }
}

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
