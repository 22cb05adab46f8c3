import type { DescField, DescFile, DescMessage, DescService } from "@bufbuild/protobuf";
import type { ReflectMessage } from "@bufbuild/protobuf/reflect";
import { hasCustomJsonRepresentation } from "@bufbuild/protobuf/wkt";

const fieldsByKey = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

/** A field by its JSON name or its name in the proto file, as proto3 JSON takes both. */
export function findField(message: DescMessage, key: string): DescField | undefined {
  let fields = fieldsByKey.get(message);
  if (fields === undefined) {
    fields = new Map([
      ...message.fields.map((field) => [field.name, field] as const),
      ...message.fields.map((field) => [field.jsonName, field] as const),
    ]);
    fieldsByKey.set(message, fields);
  }
  return fields.get(key);
}

/** The message type within a field that has fields to be named by a path; undefined for well-known types and the rest. */
export function nestedMessage(field: DescField): DescMessage | undefined {
  if (field.fieldKind !== "message" || hasCustomJsonRepresentation(field.message)) return undefined;
  return field.message;
}

/** The fields along a dotted path of proto names. Throws an Error that says where the path leads nowhere. */
export function resolveFieldPath(message: DescMessage, path: string): DescField[] {
  const fields: DescField[] = [];
  let at: DescMessage | undefined = message;
  for (const name of path.split(".")) {
    if (at === undefined) throw new Error(`"${path}" goes into ${fields.at(-1)}, which has no fields`);
    const found: DescField | undefined = at.fields.find((field) => field.name === name);
    if (found === undefined) throw new Error(`"${path}": ${at.typeName} has no field "${name}"`);
    fields.push(found);
    at = nestedMessage(found);
  }
  return fields;
}

/** The message in a field, put there empty if there was none. */
export function openMessage(parent: ReflectMessage, field: DescField & { fieldKind: "message" }): ReflectMessage {
  const child = parent.get(field);
  parent.set(field, child);
  return child;
}

/** Returns the proto files of services with all files that they import, each file once and after its imports. */
export function filesOf(services: readonly DescService[]): DescFile[] {
  const files = new Set<DescFile>();
  const add = (file: DescFile): void => {
    if (files.has(file)) return;
    file.dependencies.forEach(add);
    files.add(file);
  };
  for (const { file } of services) add(file);
  return [...files];
}
