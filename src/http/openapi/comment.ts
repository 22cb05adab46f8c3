import type { AnyDesc, DescFile, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { errorReasons } from "../dialect.ts";
import { isJsonObject } from "../rest/json-read.ts";

// Comments in proto files are written for people; by these conventions they also say what types cannot:
// - of an RPC, a sentence that begins with an error code or reason is one of its errors: NOT_FOUND "No such thing" if there is none;
//   what is quoted, if anything, is its message;
// - "Never needs a key." makes it free of authentication;
// - metadata `name` is a header that the call understands;
// - on a message or a field, lines that begin with "@schema" add JSON Schema keywords: @schema {"maximum": 100};
// - on an RPC that returns google.api.HttpBody, each "@produces" line is a media type, with its schema if it is JSON.
// Tags stand last; the JSON of one may go over several lines.

/** A comment of a proto file, taken apart. */
export type Comment = {
  /** Markdown, in sentences. */
  text: string;
  /** JSON Schema keywords to add to what the type gives. */
  schema: JsonObject;
  produces: readonly Produced[];
};

/** One media type of a google.api.HttpBody. */
export type Produced = { mediaType: string; schema: JsonObject | undefined };

/** What stands before a definition in its proto file. */
export type CommentReader = (desc: Exclude<AnyDesc, DescFile>) => Comment;

/** What the comment of an RPC says. */
export type RpcComment = {
  summary: string;
  /** undefined where the summary says it all. */
  description: string | undefined;
  errors: readonly RpcError[];
  isPublic: boolean;
};

/** An error that an RPC can end with. */
export type RpcError = {
  /** Its code (NOT_FOUND) or reason. */
  name: string;
  /** What it says, for example. */
  message: string | undefined;
  when: string;
};

/** Takes a leading comment apart. Throws an Error that names `where` if a tag is not understood. */
export function parseComment(leading: string, where: string): Comment {
  const lines = leading.split("\n").map((line) => line.trim());
  const [prose = "", ...tags] = ["", ...lines].join("\n").split(/\n(?=@)/);
  const comment = { text: proseOf(prose), schema: {} as JsonObject, produces: [] as Produced[] };
  for (const tag of tags) {
    const [, name, mediaType, json = ""] = /^@(\w+)\s+(\w+\/[\w.+-]+)?\s*([\s\S]*)$/.exec(tag) ?? [];
    const schema = json === "" ? undefined : parseJsonObject(json, where);
    if (name === "schema" && mediaType === undefined && schema) comment.schema = mergeSchemas(comment.schema, schema);
    else if (name === "produces" && mediaType !== undefined) comment.produces.push({ mediaType, schema });
    else throw new Error(`${where}: not understood: ${tag}`);
  }
  return comment;
}

const errorNames: ReadonlySet<string> = new Set([
  ...Object.values(Code).flatMap((code) => (typeof code === "number" ? [errorName(code)] : [])),
  ...Object.keys(errorReasons),
]);

/** A code as proto files and gRPC name it: NOT_FOUND. */
export function errorName(code: Code): string {
  return Code[code].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}

/** Takes the text of an RPC's comment apart. */
export function readRpcComment(text: string): RpcComment {
  const sentences = sentencesOf(text);
  const errors = sentences.map(errorIn);
  const said = sentences.filter((_, index) => errors[index] === undefined);
  const [summary = ""] = said;
  return {
    // Markdown is for descriptions.
    summary: summary.replace(/\.$/, "").replaceAll("`", ""),
    description: said.length > 1 ? said.join(" ") : undefined,
    errors: errors.filter((error) => error !== undefined),
    isPublic: sentences.includes("Never needs a key."),
  };
}

/** The headers that a text names as metadata, each with the sentence that does. */
export function headersIn(text: string): { name: string; description: string }[] {
  return sentencesOf(text).flatMap((description) =>
    [...description.matchAll(/\bheader `([a-z][a-z0-9-]*)`/gi)].map(([, name = ""]) => ({ name, description })),
  );
}

/** Two sets of keywords in one: objects are merged, `required` adds up, and of the rest those of `added` win. */
export function mergeSchemas(schema: JsonObject, added: JsonObject): JsonObject {
  const merged = Object.entries(added).map(([key, value]): [string, JsonValue] => {
    const present = schema[key];
    if (isJsonObject(present) && isJsonObject(value)) return [key, mergeSchemas(present, value)];
    if (key === "required" && Array.isArray(present) && Array.isArray(value)) {
      return [key, [...new Set([...present, ...value])]];
    }
    return [key, value];
  });
  return { ...schema, ...Object.fromEntries(merged) };
}

function proseOf(text: string): string {
  return text
    .split("\n")
    .filter((line) => !line.startsWith("buf:lint:ignore"))
    .join("\n")
    .trim()
    .replace(/(?<!\n)\n(?!\n)/g, " ")
    .replace(/`([a-z]+(?:_[a-z]+)+)`/g, (_, name: string) => `\`${camelCase(name)}\``)
    .replace(/\b(m)etadata `/gi, (_, m: string) => (m === "M" ? "Header `" : "header `"));
}

function parseJsonObject(text: string, where: string): JsonObject {
  try {
    const json: JsonValue = JSON.parse(text);
    if (isJsonObject(json)) return json;
  } catch {
    // Said below.
  }
  throw new Error(`${where}: not a JSON object: ${text}`);
}

/** What stands in quotes ends no sentence. */
function sentencesOf(text: string): string[] {
  const found = text.match(/(?:"[^"]*"|[\s\S])+?(?:[.!?](?=\s+["`A-Z])|$)/g) ?? [];
  return found.map((sentence) => sentence.trim());
}

function errorIn(sentence: string): RpcError | undefined {
  const [, name = "", message, when = ""] = /^(\w*)(?: "([^"]*)")?\s*([\s\S]*)$/.exec(sentence) ?? [];
  return errorNames.has(name) ? { name, message, when: capitalized(when) } : undefined;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
