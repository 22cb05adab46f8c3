import type { DescField, DescMessage } from "@bufbuild/protobuf";
import type { ReflectMessage } from "@bufbuild/protobuf/reflect";
import { hasCustomJsonRepresentation } from "@bufbuild/protobuf/wkt";
import { HttpProblem } from "../problem.ts";
import { findField, nestedMessage, openMessage } from "./fields.ts";
import { noteUnknown, type ReadContext, setMapEntry } from "./json-read.ts";
import { elementType, readText } from "./values.ts";

/** Parses and decodes a query string or a urlencoded body. Throws an HttpProblem (400) for malformed percent-encoding. */
export function parseParameters(text: string, place: "query" | "body"): [name: string, value: string][] {
  try {
    return text
      .split("&")
      .filter((part) => part !== "")
      .map((part) => {
        const equals = part.indexOf("=");
        return equals === -1 ? [decode(part), ""] : [decode(part.slice(0, equals)), decode(part.slice(equals + 1))];
      });
  } catch {
    throw new HttpProblem(400, `Malformed percent-encoding in the ${place}`);
  }
}

/**
 * Reads query parameters into a message: nested fields by their dotted path, lists by repeated parameters, map entries as
 * `field.KEY=value`, where KEY may contain dots. Skips fields for which `isBound`: the path or the body fills them.
 */
export function readQuery(
  message: ReflectMessage,
  parameters: readonly (readonly [name: string, value: string])[],
  isBound: (field: DescField) => boolean,
  context: ReadContext,
): void {
  for (const [name, value] of parameters) {
    const first = findField(message.desc, name.split(".", 1)[0] ?? "");
    if (first !== undefined && isBound(first)) continue;
    if (!readParameter(message, name, value, context)) noteUnknown(context, name);
  }
}

interface Target {
  readonly parents: (DescField & { fieldKind: "message" })[];
  readonly field: DescField;
  readonly key: string | undefined;
}

/** Returns the field that a parameter names, with `key` for a map; undefined if there is none that text can fill. */
function resolve(message: DescMessage, name: string): Target | undefined {
  const parents: Target["parents"] = [];
  let at: DescMessage | undefined = message;
  for (let rest: string | undefined = name; at !== undefined && rest !== undefined; ) {
    const [head, tail] = cut(rest);
    const field: DescField | undefined = findField(at, head);
    if (field === undefined) return undefined;
    if (field.fieldKind === "map") return tail === undefined ? undefined : { parents, field, key: tail };
    if (tail === undefined) return { parents, field, key: undefined };
    if (field.fieldKind !== "message") return undefined;
    parents.push(field);
    at = nestedMessage(field);
    rest = tail;
  }
  return undefined;
}

/** Reads a parameter into its field. Returns false if there is none. */
function readParameter(message: ReflectMessage, name: string, text: string, context: ReadContext): boolean {
  const target = resolve(message.desc, name);
  if (target === undefined) return false;
  const { field, key } = target;
  const type = elementType(field);
  if (type.kind === "message" && !hasCustomJsonRepresentation(type.message)) return false;
  const reading = readText(type, text, context.registry);
  if ("problem" in reading) {
    context.violations.add(name, reading.problem);
    return true;
  }
  const at = target.parents.reduce(openMessage, message);
  if (field.fieldKind === "map") {
    const path = name.slice(0, name.length - 1 - (key ?? "").length);
    setMapEntry(at.get(field), field, key ?? "", reading.value, path, context);
  } else if (field.fieldKind === "list") {
    at.get(field).add(reading.value);
  } else {
    at.set(field, reading.value);
  }
  return true;
}

function cut(name: string): [head: string, tail: string | undefined] {
  const dot = name.indexOf(".");
  return dot === -1 ? [name, undefined] : [name.slice(0, dot), name.slice(dot + 1)];
}

function decode(text: string): string {
  return decodeURIComponent(text.replaceAll("+", " "));
}
