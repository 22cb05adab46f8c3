import type { DescMessage, DescService, JsonObject } from "@bufbuild/protobuf";
import { HttpBodySchema } from "../../../gen/google/api/httpbody_pb.js";
import { streamTicket } from "../dialect.ts";
import { type HttpBinding, readHttpBindings } from "../rest/http-rules.ts";
import { resolveDialect } from "../rest/resolve-dialect.ts";
import { readProduced } from "./annotations.ts";
import type { CommentReader } from "./comment.ts";
import { operationOf, pathOf } from "./operation.ts";
import { Schemas } from "./schema.ts";

/** What a document tells of. */
export type DocumentOptions = {
  /** Title, version and the like: OpenAPI's Info Object. */
  info: JsonObject;
  /** Their google.api.http annotations are the operations. */
  services: readonly DescService[];
  commentOf: CommentReader;
};

/** The OpenAPI 3.1 document of what REST answers. Throws an Error that names what it cannot describe. */
export function createDocument({ info, services, commentOf }: DocumentOptions): JsonObject {
  const annotated = services.filter((service) => readHttpBindings([service]).length > 0);
  const bindings = readHttpBindings(annotated);
  const dialect = resolveDialect(services);
  const schemas = new Schemas({ commentOf, dialect, answers: bindings.flatMap(answersOf) });
  const paths: Record<string, JsonObject> = {};
  for (const binding of bindings) {
    const path = pathOf(binding);
    const id = operationId(binding, bindings);
    const operation = operationOf(binding, id, tagOf(binding.rpc.parent), { schemas, commentOf, dialect });
    paths[path] = { ...paths[path], [binding.httpMethod.toLowerCase()]: operation };
  }
  return {
    openapi: "3.1.0",
    info,
    // Relative to where the document was found: a proxy may put the server below a path.
    servers: [{ url: "./" }],
    security: [{ apiKey: [] }, { bearer: [] }],
    tags: annotated.map((service) => ({ name: tagOf(service), description: commentOf(service) })),
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: "apiKey", in: "header", name: "X-Api-Key", description: "The server's key, if it has one." },
        bearer: { type: "http", scheme: "bearer", description: "The same key." },
        ticket: {
          type: "apiKey",
          in: "query",
          name: streamTicket.parameter,
          description: "A ticket in place of the key, for streams.",
        },
      },
      schemas: schemas.components(),
    },
  };
}

/** Returns the messages that the JSON of an RPC's answer begins with. */
function answersOf({ rpc }: HttpBinding): DescMessage[] {
  if (rpc.output.typeName !== HttpBodySchema.typeName) return [rpc.output];
  return readProduced(rpc).flatMap(({ message }) => message ?? []);
}

/** "SessionService" is Session. */
function tagOf({ name }: DescService): string {
  return name.replace(/Service$/, "");
}

/** The RPC's name; its second binding has a 2 at the end, and so on. */
function operationId(binding: HttpBinding, all: readonly HttpBinding[]): string {
  const place = all.filter(({ rpc }) => rpc === binding.rpc).indexOf(binding) + 1;
  return `${binding.rpc.localName}${place > 1 ? place : ""}`;
}
