import { type DescEnum, type DescField, type DescMessage, type JsonObject, ScalarType } from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation } from "@bufbuild/protobuf/wkt";
import { nullWhenUnset, shownWhenDefault } from "../dialect.ts";
import { type ElementType, elementType } from "../rest/values.ts";
import { readExample, readFieldKeywords } from "./annotations.ts";
import type { CommentReader } from "./comment.ts";

/** Requests may leave out what answers always show. */
export type Direction = "request" | "response";

/** JSON Schemas of what REST reads and writes. Messages and enums are components, made when they are first met. */
export type Schemas = {
  /** A reference to the schema of a message, without the fields that a request has elsewhere. */
  message(desc: DescMessage, direction: Direction, without?: ReadonlySet<DescField>): JsonObject;
  /** The schema of a field's value, with its description. */
  field(field: DescField, direction: Direction): JsonObject;
  /** A reference to a schema made elsewhere. */
  named(name: string, schema: JsonObject): JsonObject;
  /** All components so far, by name. */
  components(): JsonObject;
};

const wellKnown: Readonly<Record<string, JsonObject>> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$" },
  "google.protobuf.FieldMask": { type: "string" },
  "google.protobuf.Struct": { type: "object" },
  "google.protobuf.ListValue": { type: "array" },
  "google.protobuf.Value": {},
};

/** No schema yet. `answers` are the messages that responses begin with: those within them differ from the requests'. */
export function createSchemas(commentOf: CommentReader, answers: readonly DescMessage[]): Schemas {
  const components = new Map<string, { owner: string; schema: JsonObject }>();
  const answered = new Set<DescMessage>();
  for (const desc of answers) collectMessages(desc, answered);

  function refer(name: string, owner: string, build: () => JsonObject): JsonObject {
    const known = components.get(name);
    if (known !== undefined && known.owner !== owner) {
      throw new Error(`${known.owner} and ${owner} would have the same schema "${name}"`);
    }
    if (known === undefined) {
      // There before it is built: it may contain itself.
      const component = { owner, schema: {} };
      components.set(name, component);
      component.schema = build();
    }
    return { $ref: `#/components/schemas/${name}` };
  }

  function message(desc: DescMessage, direction: Direction, without: ReadonlySet<DescField> = new Set()): JsonObject {
    const isInput = direction === "request" && answered.has(desc) && differs(desc);
    const owner = [desc.typeName, isInput ? "as input" : "", ...[...without].map(({ name }) => `without ${name}`)].join(
      " ",
    );
    return refer(`${shortName(desc)}${isInput ? "Input" : ""}`, owner, () => {
      const fields = desc.fields.filter((field) => !without.has(field)).toSorted((a, b) => a.number - b.number);
      const required = requiredFields(fields, direction);
      const example = readExample(desc);
      return {
        type: "object",
        description: [commentOf(desc), ...desc.oneofs.map((one) => `One of ${fieldList(one.fields)}.`)].join("\n\n"),
        ...(required.length > 0 && { required }),
        properties: Object.fromEntries(fields.map((one) => [one.jsonName, field(one, direction)])),
        ...(example && { examples: [example] }),
      };
    });
  }

  function field(field: DescField, direction: Direction): JsonObject {
    const schema = container(field, direction);
    return {
      ...(nullWhenUnset.has(fullName(field)) ? orNull(schema) : schema),
      description: commentOf(field),
      ...(field.deprecated && { deprecated: true }),
    };
  }

  function container(field: DescField, direction: Direction): JsonObject {
    const keywords = readFieldKeywords(field);
    const value = { ...element(elementType(field), direction), ...keywords.element };
    if (field.fieldKind === "list") return { type: "array", items: value, ...keywords.whole };
    if (field.fieldKind === "map") return { type: "object", additionalProperties: value, ...keywords.whole };
    return { ...value, ...keywords.whole };
  }

  function element(type: ElementType, direction: Direction): JsonObject {
    if (type.kind === "scalar") return scalarSchema(type.scalar);
    if (type.kind === "enum") return enumeration(type.enum);
    if (!hasCustomJsonRepresentation(type.message)) return message(type.message, direction);
    const schema = wellKnown[type.message.typeName];
    if (schema === undefined) throw new Error(`No schema for ${type.message.typeName}`);
    return { ...schema };
  }

  function enumeration(desc: DescEnum): JsonObject {
    return refer(shortName(desc), desc.typeName, () => {
      const values = desc.values.filter(({ name, number }) => !(number === 0 && name.endsWith("UNSPECIFIED")));
      const lines = values.map((value) => `- \`${value.name}\`: ${commentOf(value)}`);
      return {
        type: "string",
        description: [commentOf(desc), lines.join("\n")].join("\n\n"),
        enum: values.map(({ name }) => name),
      };
    });
  }

  return {
    message,
    field,
    named: (name, schema) => refer(name, JSON.stringify(schema), () => schema),
    components() {
      const sorted = [...components].sort(([a], [b]) => (a < b ? -1 : 1));
      return Object.fromEntries(sorted.map(([name, { schema }]) => [name, schema]));
    },
  };
}

function fullName(field: DescField): string {
  return `${field.parent.typeName}.${field.name}`;
}

function isAlwaysShown(field: DescField): boolean {
  return nullWhenUnset.has(fullName(field)) || shownWhenDefault.has(fullName(field));
}

/** Returns the JSON names of the fields that an answer always shows, or that a request must set. */
function requiredFields(fields: readonly DescField[], direction: Direction): string[] {
  const shown = direction === "request" ? [] : fields.filter(isAlwaysShown);
  const required = fields.filter((field) => readFieldKeywords(field).isRequired);
  return [...new Set([...shown, ...required])].map(({ jsonName }) => jsonName);
}

/** A type's name without its package: "sessiond.v1.Session.Status" is SessionStatus. */
function shortName(desc: DescMessage | DescEnum): string {
  return desc.typeName.slice(desc.file.proto.package.length).replaceAll(".", "");
}

function fieldList(fields: readonly DescField[]): string {
  return fields.map((field) => `\`${field.jsonName}\``).join(", ");
}

function collectMessages(desc: DescMessage, found: Set<DescMessage>): Set<DescMessage> {
  if (found.has(desc)) return found;
  found.add(desc);
  for (const { message } of desc.fields) if (message !== undefined) collectMessages(message, found);
  return found;
}

/** Whether answers show more of a message than a request has to. */
function differs(desc: DescMessage): boolean {
  return [...collectMessages(desc, new Set())].some((message) => message.fields.some(isAlwaysShown));
}

function orNull(schema: JsonObject): JsonObject {
  if (typeof schema.type === "string") return { ...schema, type: [schema.type, "null"] };
  return { anyOf: [schema, { type: "null" }] };
}

function scalarSchema(scalar: ScalarType): JsonObject {
  switch (scalar) {
    case ScalarType.STRING:
      return { type: "string" };
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.BYTES:
      return { type: "string", contentEncoding: "base64" };
    case ScalarType.DOUBLE:
      return { type: "number", format: "double" };
    case ScalarType.FLOAT:
      return { type: "number", format: "float" };
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return { type: "integer", format: "int32" };
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return { type: "integer", minimum: 0, maximum: 2 ** 32 - 1 };
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return { type: "string", pattern: "^-?[0-9]{1,19}$" };
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return { type: "string", pattern: "^[0-9]{1,20}$" };
  }
}
