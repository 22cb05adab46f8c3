import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, gzip, constants as zlib } from "node:zlib";
import { notFoundMessage } from "../dialect.ts";
import { addVary, type HttpRequest, send } from "../exchange.ts";
import { HttpProblem } from "../problem.ts";
import type { PlainRequest, PlainRoute } from "../rest/transcoder.ts";
import { forwardedPrefix } from "./forwarded-prefix.ts";

/** Place of the dashboard's files. */
export interface DashboardOptions {
  /** Directory that `npm run generate` has made: page.html, and files whose names change with their content. */
  readonly directory: string;
}

const securityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

/** Headers of the page and of its files. */
const safetyHeaders = {
  "Content-Security-Policy": securityPolicy,
  "Cross-Origin-Opener-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

const pageName = "page.html";

const contentTypes: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};

/** A file in every encoding that is smaller than the file itself, smallest first. */
interface Asset {
  readonly contentType: string;
  readonly encodings: readonly { readonly name: string; readonly body: Uint8Array }[];
}

/**
 * Returns the routes of the dashboard: its page at /dashboard and /pair, and the page's files. / redirects to it. The files are read at the
 * first request. Links within the page are relative, so that a proxy can put the server below a path.
 */
export function createDashboardRoutes({ directory }: DashboardOptions): PlainRoute[] {
  let reading: Promise<ReadonlyMap<string, Asset>> | undefined;
  const assets = () => {
    reading ??= readAssets(directory).catch((error: unknown) => {
      // The next request tries again.
      reading = undefined;
      throw error;
    });
    return reading;
  };

  async function sendFile({ req, res }: PlainRequest, name: string, cacheControl: string): Promise<void> {
    const asset = (await assets()).get(name);
    if (asset === undefined) throw new HttpProblem(404, notFoundMessage("GET", req.url ?? ""));
    const { name: encoding, body } = chooseEncoding(req, asset);
    addVary(res, "Accept-Encoding");
    const headers = {
      ...safetyHeaders,
      "Cache-Control": cacheControl,
      ...(encoding !== "identity" && { "Content-Encoding": encoding }),
    };
    send(req, res, { status: 200, contentType: asset.contentType, body, headers });
  }

  function sendPage(request: PlainRequest): void | Promise<void> {
    const { req, res, path } = request;
    // The links of the page are relative to its directory.
    if (path.endsWith("/"))
      return send(req, res, { status: 302, headers: { Location: `../${path.split("/").at(-2)}` } });
    return sendFile(request, pageName, "no-store");
  }

  return [
    {
      method: "GET",
      path: "/",
      handler({ req, res }) {
        addVary(res, "X-Forwarded-Prefix");
        const prefix = forwardedPrefix(req);
        send(req, res, { status: 302, headers: { Location: prefix === "" ? "dashboard" : `${prefix}/dashboard` } });
      },
    },
    { method: "GET", path: "/dashboard", handler: sendPage },
    { method: "GET", path: "/pair", handler: sendPage },
    {
      method: "GET",
      path: "/dashboard/{file}",
      handler(request) {
        const file = request.variables.get("file") ?? "";
        return sendFile(request, file === pageName ? "" : file, "public, max-age=31536000, immutable");
      },
    },
  ];
}

async function readAssets(directory: string): Promise<ReadonlyMap<string, Asset>> {
  const names = await readdir(directory);
  return new Map(await Promise.all(names.map(async (name) => [name, await readAsset(join(directory, name))] as const)));
}

const compress = { br: promisify(brotliCompress), gzip: promisify(gzip) };
/** Higher qualities take 20 times as long for 3 % less. */
const brotliQuality = 9;

async function readAsset(path: string): Promise<Asset> {
  const identity = await readFile(path);
  const [br, gz] = await Promise.all([
    compress.br(identity, { params: { [zlib.BROTLI_PARAM_QUALITY]: brotliQuality } }),
    compress.gzip(identity, { level: 9 }),
  ]);
  const encodings = [
    { name: "br", body: br },
    { name: "gzip", body: gz },
    { name: "identity", body: identity },
  ];
  return {
    contentType: contentTypes[path.split(".").at(-1) ?? ""] ?? "application/octet-stream",
    encodings: encodings.sort((a, b) => a.body.byteLength - b.body.byteLength),
  };
}

/** Returns the smallest encoding that the client takes (RFC 9110, section 12.5.3). */
function chooseEncoding({ headers }: HttpRequest, { encodings }: Asset) {
  const accepted = new Set(acceptedEncodings(String(headers["accept-encoding"] ?? "")));
  const chosen = encodings.find(({ name }) => name === "identity" || accepted.has(name));
  if (chosen === undefined) throw new Error("an asset has no plain form");
  return chosen;
}

function acceptedEncodings(header: string): string[] {
  return header.split(",").flatMap((part) => {
    const [name = "", ...parameters] = part.split(";").map((text) => text.trim().toLowerCase());
    return parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter)) ? [] : [name];
  });
}
