import type { DescMessage, DescService, JsonObject } from "@bufbuild/protobuf";
import { HttpBodySchema } from "../../../gen/google/api/httpbody_pb.js";
import { streamTicket } from "../dialect.ts";
import { type HttpBinding, readHttpBindings } from "../rest/http-rules.ts";
import { resolveDialect } from "../rest/resolve-dialect.ts";
import { readProduced } from "./annotations.ts";
import type { CommentReader } from "./comment.ts";
import { operationOf, pathOf } from "./operation.ts";
import { Schemas } from "./schema.ts";

/** Content of a document. */
export interface DocumentOptions {
  /** OpenAPI's Info Object: title, version and so on. */
  readonly info: JsonObject;
  /** Services whose google.api.http annotations become operations. */
  readonly services: readonly DescService[];
  readonly commentOf: CommentReader;
}

/** Returns the OpenAPI 3.1 document of the REST API. Throws an Error that names the definition that it cannot describe. */
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
    // Relative to the document's URL, because a proxy may serve it below a path.
    servers: [{ url: "./" }],
    security: [{ apiKey: [] }, { bearer: [] }],
    tags: annotated.map((service) => ({ name: tagOf(service), description: commentOf(service) })),
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: "apiKey", in: "header", name: "X-Api-Key", description: "API key, if the server has one." },
        bearer: { type: "http", scheme: "bearer", description: "The same API key." },
        ticket: {
          type: "apiKey",
          in: "query",
          name: streamTicket.parameter,
          description: "Ticket that replaces the API key, for streams.",
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

/** Returns the tag of a service: "Session" for SessionService. */
function tagOf({ name }: DescService): string {
  return name.replace(/Service$/, "");
}

/** Returns the RPC's name, with a number at the end from its second binding on. */
function operationId(binding: HttpBinding, all: readonly HttpBinding[]): string {
  const place = all.filter(({ rpc }) => rpc === binding.rpc).indexOf(binding) + 1;
  return `${binding.rpc.localName}${place > 1 ? place : ""}`;
}
