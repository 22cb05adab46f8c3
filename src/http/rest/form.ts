import type { DescField } from "@bufbuild/protobuf";
import type { ReflectMessage } from "@bufbuild/protobuf/reflect";
import { HttpProblem } from "../problem.ts";
import { findField } from "./fields.ts";
import { noteUnknown, type ReadContext } from "./json-read.ts";
import { parseParameters } from "./query.ts";
import { elementType, readText } from "./values.ts";

const sendJson = "send the body as JSON with the header Content-Type: application/json";

/** Reads a urlencoded form into the scalar fields of a message. Throws an HttpProblem (400) if it is JSON or has nested names. */
export function readForm(message: ReflectMessage, text: string, context: ReadContext): void {
  const form = text.trim();
  // `curl -d` sends JSON with the content type of a form by default.
  if (/^(?:[{["]|%7b|%5b|%22)/i.test(form)) throw new HttpProblem(400, `Body is not a form: ${sendJson}`);
  const seen = new Set<DescField>();
  for (const [name, value] of parseParameters(form, "body")) {
    if (/[[\].]/.test(name))
      throw new HttpProblem(400, `A form cannot hold nested names such as a[b] or a.b: ${sendJson}`);
    const field = findField(message.desc, name);
    if (field === undefined) noteUnknown(context, name);
    else if (seen.has(field)) context.violations.add(field.jsonName, "must be in the form only once");
    else readFormField(message, field, value, context);
    if (field !== undefined) seen.add(field);
  }
}

function readFormField(message: ReflectMessage, field: DescField, text: string, context: ReadContext): void {
  if (field.fieldKind !== "scalar" && field.fieldKind !== "enum") {
    context.violations.add(field.jsonName, `cannot be part of a form: ${sendJson}`);
    return;
  }
  // HTML forms send an empty value for a blank input.
  if (text === "") return;
  const reading = readText(elementType(field), text, context.registry);
  if ("problem" in reading) context.violations.add(field.jsonName, reading.problem);
  else message.set(field, reading.value);
}
