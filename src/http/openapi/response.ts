import type { JsonObject } from "@bufbuild/protobuf";
import { HttpBodySchema } from "../../../gen/google/api/httpbody_pb.js";
import { picture, successStatus } from "../dialect.ts";
import { type HttpBinding, rpcName } from "../rest/http-rules.ts";
import { isMostlyEmpty } from "../rest/json-write.ts";
import type { Dialect } from "../rest/resolve-dialect.ts";
import { readProduced } from "./annotations.ts";
import type { CommentReader } from "./comment.ts";
import type { Schemas } from "./schema.ts";

/** Sources of an operation's parts. */
export interface OperationContext {
  readonly schemas: Schemas;
  readonly commentOf: CommentReader;
  readonly dialect: Dialect;
}

/** Returns the response of a successful call, by its status. */
export function successResponse(binding: HttpBinding, context: OperationContext): JsonObject {
  const status = successStatus.get(binding.httpMethod) ?? 200;
  const isBody = binding.rpc.output.typeName === HttpBodySchema.typeName;
  return { [status]: isBody ? bodyResponse(binding, context) : messageResponse(binding, context) };
}

function messageResponse({ rpc, responseField }: HttpBinding, context: OperationContext): JsonObject {
  const { schemas, commentOf, dialect } = context;
  const description = commentOf(rpc.output);
  if (responseField === undefined && isMostlyEmpty(rpc.output)) return { description };
  const schema = responseField ? schemas.field(responseField, "response") : schemas.message(rpc.output, "response");
  if (rpc.methodKind === "unary") return { description, content: { "application/json": { schema } } };
  const idField = rpc.output.fields.find((field) => dialect.streamIds.has(field));
  const id = idField === undefined ? "" : ` and its \`${idField.jsonName}\` as id`;
  const stream =
    `Server-sent events, each with one JSON value of this schema as data${id}. ` +
    "An error after the first event is sent as an event `error` with an error body as data; it ends the stream.";
  return { description: `${description}\n\n${stream}`, content: { "text/event-stream": { schema } } };
}

/** Describes a google.api.HttpBody of the media types that the RPC produces. A picture is also available as JSON. */
function bodyResponse({ rpc }: HttpBinding, { schemas }: OperationContext): JsonObject {
  const produced = readProduced(rpc).map(({ mediaType, message }) => ({
    mediaType,
    schema: message && schemas.message(message, "response"),
  }));
  if (produced.length === 0) throw new Error(`${rpcName(rpc)}: it returns HttpBody and has no option produces`);
  const hasPicture = produced.some(({ mediaType }) => picture.contentType.test(mediaType));
  const all = hasPicture ? [{ mediaType: "application/json", schema: pictureSchema(schemas) }, ...produced] : produced;
  // The binary picture is first, because it is sent to clients without an Accept header.
  const content = [...Map.groupBy(all, ({ mediaType }) => mediaType)].sort(([a], [b]) => rank(a) - rank(b));
  return {
    description: hasPicture ? "The picture, or base64 in JSON if `Accept` allows JSON and no picture." : "The content.",
    content: Object.fromEntries(content.map(([mediaType, kinds]) => [mediaType, mediaTypeOf(kinds)])),
  };
}

function rank(mediaType: string): number {
  return picture.contentType.test(mediaType) ? 0 : 1;
}

/** Returns a Media Type Object. Only JSON has a schema. */
function mediaTypeOf(kinds: readonly { readonly schema: JsonObject | undefined }[]): JsonObject {
  const schemas = kinds.flatMap(({ schema }) => schema ?? []);
  const [first] = schemas;
  if (first === undefined) return {};
  return { schema: schemas.length > 1 ? { anyOf: schemas } : first };
}

function pictureSchema(schemas: Schemas): JsonObject {
  const { contentType, base64 } = picture.keys;
  return schemas.named("Picture", {
    type: "object",
    description: "Picture in JSON.",
    required: [contentType, base64],
    properties: {
      [contentType]: { type: "string", description: "Media type of the picture.", pattern: picture.contentType.source },
      [base64]: { type: "string", description: "Bytes of the picture.", contentEncoding: "base64" },
    },
    examples: [{ [contentType]: "image/png", [base64]: "base64-encoded-data" }],
  });
}
