import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { document, isObject, type Json, type JsonObject, objectAt } from "./operations.ts";

/** Returns the faults of a value by a schema of the document; undefined if there are none. */
export type SchemaCheck = (schema: Json | undefined, value: Json) => string | undefined;

/**
 * Returns a check of values by schemas of the document, in ajv's strict mode: an unknown keyword is an error. With `closed`,
 * properties that are not in the document are faults.
 */
export function createSchemaCheck({ closed }: { closed: boolean }): SchemaCheck {
  const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true });
  formats.default(ajv);
  const adapt = (schema: Json) => (closed ? close(toDefs(schema)) : toDefs(schema));
  ajv.addSchema({ $id: "document", $defs: adapt(objectAt(document, "components", "schemas")) });
  return (schema = {}, value) => {
    const validate = ajv.compile(objectAt(adapt(schema)));
    return validate(value) ? undefined : ajv.errorsText(validate.errors, { dataVar: "" });
  };
}

/** Rewrites references to refer to the components alone, because the rest of the document is not JSON Schema. */
function toDefs(schema: Json): Json {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/components/schemas/', '"document#/$defs/'));
}

function close(json: Json): Json {
  if (Array.isArray(json)) return json.map(close);
  if (!isObject(json)) return json;
  const inner: JsonObject = Object.fromEntries(Object.entries(json).map(([key, value]) => [key, close(value)]));
  const isOpen = json.type === "object" && isObject(json.properties) && json.additionalProperties === undefined;
  return isOpen ? { ...inner, additionalProperties: false } : inner;
}
