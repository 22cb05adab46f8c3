import { type DescEnum, type DescField, type DescMessage, type JsonObject, ScalarType } from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation } from "@bufbuild/protobuf/wkt";
import type { Dialect } from "../rest/resolve-dialect.ts";
import { type ElementType, elementType } from "../rest/values.ts";
import { readExample, readFieldKeywords } from "./annotations.ts";
import type { CommentReader } from "./comment.ts";

/** Use of a schema: a request may leave out fields that an answer always has. */
export type Direction = "request" | "response";

const wellKnown: Readonly<Record<string, JsonObject>> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$" },
  "google.protobuf.FieldMask": { type: "string" },
  "google.protobuf.Struct": { type: "object" },
  "google.protobuf.ListValue": { type: "array" },
  "google.protobuf.Value": {},
};

/** Sources of schemas. */
export interface SchemaOptions {
  readonly commentOf: CommentReader;
  readonly dialect: Dialect;
  /** The messages that answers begin with. Messages within them have another schema in requests if an answer shows more. */
  readonly answers: readonly DescMessage[];
}

/** Schema, and the definition that it was made for. */
interface Component {
  readonly owner: string;
  readonly without: ReadonlySet<DescField>;
  schema: JsonObject;
}

/** JSON Schemas of the messages that REST reads and writes. Messages and enums become components at their first use. */
export class Schemas {
  readonly #options: SchemaOptions;
  readonly #answered = new Set<DescMessage>();
  readonly #components = new Map<string, Component>();

  constructor(options: SchemaOptions) {
    this.#options = options;
    for (const desc of options.answers) collectMessages(desc, this.#answered);
  }

  /** Returns a reference to the schema of a message, without the fields that a request has in another place. */
  message(desc: DescMessage, direction: Direction, without: ReadonlySet<DescField> = new Set()): JsonObject {
    const isInput = direction === "request" && this.#answered.has(desc) && this.#differs(desc);
    const missing = [...without].map(({ name }) => `without ${name}`);
    const owner = [desc.typeName, isInput ? "as input" : "", ...missing].join(" ");
    const build = () => {
      const fields = desc.fields.filter((field) => !without.has(field)).toSorted((a, b) => a.number - b.number);
      const required = this.#requiredFields(fields, direction);
      const example = readExample(desc);
      const choices = desc.oneofs.map((one) => `One of ${fieldList(one.fields)}.`);
      return {
        type: "object",
        description: [this.#options.commentOf(desc), ...choices].join("\n\n"),
        ...(required.length > 0 && { required }),
        properties: Object.fromEntries(fields.map((one) => [one.jsonName, this.field(one, direction)])),
        ...(example && { examples: [example] }),
      };
    };
    const name = `${shortName(desc)}${isInput ? "Input" : ""}`;
    // Another route of the same RPC, with fewer variables in its path.
    const added = [...(this.#components.get(name)?.without ?? [])].filter((f) => f.parent === desc && !without.has(f));
    const suffix = added.map(({ jsonName }) => `With${jsonName.charAt(0).toUpperCase()}${jsonName.slice(1)}`).join("");
    return this.#refer(name + suffix, owner, build, without);
  }

  /** Returns the schema of a field's value, with its description. */
  field(field: DescField, direction: Direction): JsonObject {
    const schema = this.#container(field, direction);
    return {
      ...(this.#options.dialect.nullWhenUnset.has(field) ? orNull(schema) : schema),
      description: this.#options.commentOf(field),
      ...(field.deprecated && { deprecated: true }),
    };
  }

  /** Returns a reference to a schema made elsewhere. */
  named(name: string, schema: JsonObject): JsonObject {
    return this.#refer(name, JSON.stringify(schema), () => schema);
  }

  /** Returns all components so far, sorted by name. */
  components(): JsonObject {
    const sorted = [...this.#components].sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(sorted.map(([name, { schema }]) => [name, schema]));
  }

  #refer(
    name: string,
    owner: string,
    build: () => JsonObject,
    without: ReadonlySet<DescField> = new Set(),
  ): JsonObject {
    const known = this.#components.get(name);
    if (known !== undefined && known.owner !== owner) {
      throw new Error(`${known.owner} and ${owner} would have the same schema "${name}"`);
    }
    if (known === undefined) {
      // Added before it is built, because it may contain itself.
      const component: Component = { owner, without, schema: {} };
      this.#components.set(name, component);
      component.schema = build();
    }
    return { $ref: `#/components/schemas/${name}` };
  }

  #container(field: DescField, direction: Direction): JsonObject {
    const keywords = readFieldKeywords(field);
    const value = { ...this.#element(elementType(field), direction), ...keywords.element };
    if (field.fieldKind === "list") return { type: "array", items: value, ...keywords.whole };
    if (field.fieldKind === "map") return { type: "object", additionalProperties: value, ...keywords.whole };
    return { ...value, ...keywords.whole };
  }

  #element(type: ElementType, direction: Direction): JsonObject {
    if (type.kind === "scalar") return scalarSchema(type.scalar);
    if (type.kind === "enum") return this.#enumeration(type.enum);
    if (!hasCustomJsonRepresentation(type.message)) return this.message(type.message, direction);
    const schema = wellKnown[type.message.typeName];
    if (schema === undefined) throw new Error(`No schema for ${type.message.typeName}`);
    return { ...schema };
  }

  #enumeration(desc: DescEnum): JsonObject {
    const { commentOf } = this.#options;
    return this.#refer(shortName(desc), desc.typeName, () => {
      const values = desc.values.filter(({ name, number }) => !(number === 0 && name.endsWith("UNSPECIFIED")));
      const lines = values.map((value) => `- \`${value.name}\`: ${commentOf(value)}`);
      return {
        type: "string",
        description: [commentOf(desc), lines.join("\n")].join("\n\n"),
        enum: values.map(({ name }) => name),
      };
    });
  }

  /** Returns the JSON names of the fields that an answer always shows, or that a request must set. */
  #requiredFields(fields: readonly DescField[], direction: Direction): string[] {
    const shown = direction === "request" ? [] : fields.filter((field) => this.#isAlwaysShown(field));
    const required = fields.filter((field) => readFieldKeywords(field).isRequired);
    return [...new Set([...shown, ...required])].map(({ jsonName }) => jsonName);
  }

  /** Returns whether answers show more of a message than a request has to. */
  #differs(desc: DescMessage): boolean {
    const messages = [...collectMessages(desc, new Set())];
    return messages.some(({ fields }) => fields.some((field) => this.#isAlwaysShown(field)));
  }

  #isAlwaysShown(field: DescField): boolean {
    const { nullWhenUnset, shownWhenDefault } = this.#options.dialect;
    return nullWhenUnset.has(field) || shownWhenDefault.has(field);
  }
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
