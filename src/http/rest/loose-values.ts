import { type DescField, type JsonValue, ScalarType } from "@bufbuild/protobuf";

const booleans: ReadonlyMap<JsonValue, boolean | undefined> = new Map<JsonValue, boolean | undefined>([
  ["true", true],
  ["false", false],
  ["1", true],
  ["0", false],
  [1, true],
  [0, false],
  ["", undefined],
]);

/**
 * Returns a JSON value as the type of its field, where clients without types send another: a number or `false` for a text, "true" for a
 * boolean, one item for a list of texts. Undefined for a value that stands for none. Values that are not understood stay as they are.
 */
export function loosened(field: DescField, json: JsonValue): JsonValue | undefined {
  if (field.fieldKind === "list" && field.scalar === ScalarType.STRING) {
    if (json === "" || json === false) return undefined;
    return Array.isArray(json) ? json.map(textOf) : [textOf(json)];
  }
  if (field.fieldKind !== "scalar") return json;
  if (field.scalar === ScalarType.STRING) return json === false ? undefined : textOf(json);
  if (field.scalar === ScalarType.BOOL && booleans.has(json)) return booleans.get(json);
  return json;
}

/** Returns a number as text, unless it has lost digits. */
const textOf = (json: JsonValue): JsonValue =>
  typeof json === "number" && (Number.isSafeInteger(json) || !Number.isInteger(json)) ? String(json) : json;
