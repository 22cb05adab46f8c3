import type { DescField, DescFile, DescMessage, DescService } from "@bufbuild/protobuf";
import type { ReflectMessage } from "@bufbuild/protobuf/reflect";
import { hasCustomJsonRepresentation } from "@bufbuild/protobuf/wkt";

const fieldsByKey = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

/** Returns a field by its JSON name or its proto name, since proto3 JSON accepts both. */
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

/** Returns the message type of a field whose own fields a path can name; undefined for scalars, lists, maps and well-known types. */
export function nestedMessage(field: DescField): DescMessage | undefined {
  if (field.fieldKind !== "message" || hasCustomJsonRepresentation(field.message)) return undefined;
  return field.message;
}

/** Returns the fields along a dotted path of proto names. Throws an Error that names the part that does not exist. */
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

/** Returns the message in a field. Sets the field to an empty message if it is unset. */
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
