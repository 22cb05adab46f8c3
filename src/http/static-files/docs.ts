import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DescService, JsonObject } from "@bufbuild/protobuf";
import { errorBody, notFoundMessage } from "../dialect.ts";
import { addVary, jsonAnswer, send } from "../exchange.ts";
import { descriptorSetOf } from "../openapi/descriptor-set.ts";
import { toOpenApi30 } from "../openapi/document-30.ts";
import { HttpProblem } from "../problem.ts";
import type { PlainRequest, PlainRoute } from "../rest/transcoder.ts";
import { basicChallenge, createLoginVerifier, type Login } from "./basic-auth.ts";
import { forwardedPrefix } from "./forwarded-prefix.ts";

/** Content of the documentation, and the login for it. */
export interface DocsOptions {
  /** Loads the OpenAPI 3.1 document. Called when a client first asks for it, since parsing it takes time and memory. */
  readonly document: () => Promise<JsonObject>;
  /** Services whose protos are served. */
  readonly services: readonly DescService[];
  /** Directory with the files of swagger-ui-dist. */
  readonly assetDirectory: string;
  /** Required login. undefined: the documentation is public. */
  readonly login?: Login | undefined;
  /** True if Swagger UI is at /, too. Default true. */
  readonly isAtRoot?: boolean | undefined;
}

/** File of the documentation, ready to be sent. */
interface Asset {
  readonly contentType: string;
  readonly body: Uint8Array;
  readonly etag: string;
}

const uiDirectory = join(import.meta.dirname, "ui");

/** Files that the page of Swagger UI loads, by name. Those marked `isOwn` are not part of swagger-ui-dist. */
const assets: Readonly<Record<string, { contentType: string; isOwn?: boolean }>> = {
  "swagger-ui-bundle.js": { contentType: "text/javascript; charset=utf-8" },
  "initializer.js": { contentType: "text/javascript; charset=utf-8", isOwn: true },
  "swagger-ui.css": { contentType: "text/css; charset=utf-8" },
  "index.css": { contentType: "text/css; charset=utf-8" },
  "favicon-32x32.png": { contentType: "image/png" },
};

/** Content-Security-Policy of the page. Swagger UI sets inline styles, and shows fetched pictures as blobs. */
const securityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/**
 * Returns the routes of the documentation: the document at /openapi.json and, as OpenAPI 3.0, at /openapi-3.0.json, the protos at
 * /descriptor.binpb, and Swagger UI at /docs. Links begin with X-Forwarded-Prefix, for a proxy that removes it from the path.
 */
export function createDocsRoutes(options: DocsOptions): PlainRoute[] {
  const { document, services, assetDirectory, login, isAtRoot = true } = options;
  const isAllowed = login === undefined ? () => true : createLoginVerifier(login);
  const read = (name: string, isOwn: boolean | undefined) => readFile(join(isOwn ? uiDirectory : assetDirectory, name));
  const html = once(async () => (await read("page.html", true)).toString());
  const page = async (prefix: string) =>
    toAsset("text/html; charset=utf-8", Buffer.from(withBase(await html(), prefix)));
  const json = (value: JsonObject, prefix: string) =>
    toAsset("application/json; charset=utf-8", Buffer.from(JSON.stringify(withServer(value, prefix))));
  const document30 = once(async () => toOpenApi30(await document()));
  const unprefixed = once(async () => json(await document(), ""));
  const descriptors = once(async () => toAsset("application/x-protobuf", descriptorSetOf(services)));
  const files = new Map(
    Object.entries(assets).map(([name, { contentType, isOwn }]) => [
      name,
      once(async () => toAsset(contentType, await read(name, isOwn))),
    ]),
  );

  const route = (
    path: string,
    find: (request: PlainRequest) => ((prefix: string) => Promise<Asset>) | undefined,
  ): PlainRoute => ({
    method: "GET",
    path,
    async handler(request) {
      const { req, res } = request;
      if (!isAllowed(req.headers.authorization)) {
        send(req, res, jsonAnswer(401, errorBody(401, ""), { "WWW-Authenticate": basicChallenge }));
        return;
      }
      const asset = find(request);
      if (asset === undefined) throw new HttpProblem(404, notFoundMessage("GET", req.url ?? ""));
      // The links of the page are relative to its directory.
      if (request.path.length > 1 && request.path.endsWith("/")) {
        send(req, res, { status: 302, headers: { Location: `../${request.path.split("/").at(-2)}` } });
      } else {
        addVary(res, "X-Forwarded-Prefix");
        sendAsset(request, await asset(forwardedPrefix(req)));
      }
    },
  });

  return [
    ...(isAtRoot ? [route("/", () => page)] : []),
    route("/docs", () => page),
    route("/docs/{file}", ({ variables }) => files.get((variables.get("file") ?? "").toLowerCase())),
    route("/openapi.json", () => async (prefix) => (prefix === "" ? unprefixed() : json(await document(), prefix))),
    route("/openapi-3.0.json", () => async (prefix) => json(await document30(), prefix)),
    route("/descriptor.binpb", () => descriptors),
  ];
}

/** Returns the page with links that begin with the prefix. */
function withBase(html: string, prefix: string): string {
  return prefix === "" ? html : html.replace("<head>", `<head>\n    <base href="${prefix}/">`);
}

function withServer(document: JsonObject, prefix: string): JsonObject {
  return prefix === "" ? document : { ...document, servers: [{ url: prefix }] };
}

function sendAsset({ req, res }: PlainRequest, { contentType, body, etag }: Asset): void {
  const headers: Readonly<Record<string, string>> = {
    ETag: etag,
    // The browser stores the file and revalidates it for every use.
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": securityPolicy,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
  };
  const known = (req.headers["if-none-match"] ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  if (known.includes(etag) || known.includes("*")) {
    res.statusCode = 304;
    for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
    res.end();
    return;
  }
  send(req, res, { status: 200, contentType, body, headers });
}

function toAsset(contentType: string, body: Uint8Array): Asset {
  return { contentType, body, etag: `"${createHash("sha256").update(body).digest("base64url").slice(0, 27)}"` };
}

/** Returns a function that makes a value at its first call. After a failure the next call tries again. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}
