import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { document, isObject, type Json, type JsonObject, objectAt } from "./operations.ts";

/** What is wrong with a value, by a schema of the document; undefined: nothing. */
export type SchemaCheck = (schema: Json | undefined, value: Json) => string | undefined;

/**
 * Checks values by schemas of the document, in ajv's strict mode: an unknown keyword is an error. `closed`: properties that
 * the document does not name are wrong.
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

/** References within the document as references to its components alone, the rest of it being no JSON Schema. */
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
