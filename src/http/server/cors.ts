import { cors as connectCors } from "@connectrpc/connect";
import { addVary, type HttpRequest, type HttpResponse, send } from "../exchange.ts";

/** Permissions of pages from other origins (https://fetch.spec.whatwg.org/#http-cors-protocol). */
export interface CorsOptions {
  /** Allowed origins: "*" for all, or a list such as ["https://example.com"]. */
  readonly origins: "*" | readonly string[];
  readonly methods: readonly string[];
  /** Allowed request headers; undefined for all that the page asks for. */
  readonly requestHeaders?: readonly string[] | undefined;
  /** Names of the response headers that pages can read, separated by commas. */
  readonly exposedHeaders: string;
  /** True if pages may send cookies and HTTP authentication. Requires a list of origins. */
  readonly credentials: boolean;
  readonly maxAgeSeconds?: number | undefined;
}

/** How long browsers may cache the answer to a preflight. Chromium caches for at most this long. */
const preflightMaxAgeSeconds = 7_200;

/** All origins without credentials, as in WAHA. */
export const defaultCors: CorsOptions = {
  origins: "*",
  methods: ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"],
  exposedHeaders: [
    ...connectCors.exposedHeaders,
    "X-Request-Id",
    "ETag",
    "Retry-After",
    "Idempotency-Replayed",
    "Sessiond-Warning",
    "Next-Page-Token",
    "Total-Size",
  ].join(),
  credentials: false,
  maxAgeSeconds: preflightMaxAgeSeconds,
};

/** Returns the options for some origins: with credentials for a list, without for "*", as in WAHA. */
export function corsFor(origins: CorsOptions["origins"]): CorsOptions {
  if (origins === "*" || (origins.length === 1 && origins[0] === "*")) return defaultCors;
  return { ...defaultCors, origins: origins.map(parseOrigin), credentials: true };
}

/**
 * Returns an origin as browsers send it: in lower case, without a default port or a final slash. Throws an Error that quotes the
 * text if it is not an origin.
 */
export function parseOrigin(text: string): string {
  const [, scheme = "", authority = ""] = /^([a-z][a-z\d+.-]*):\/\/([^/?#\\@\s*,]+)\/?$/i.exec(text) ?? [];
  const url = authority === "" ? null : URL.parse(`${scheme}://${authority}`);
  if (url === null || url.protocol === "file:") {
    throw new Error(
      `'${text}' is no origin: write a scheme and a host such as "https://app.example", without a path or "*"`,
    );
  }
  // The URL standard defines no origin for app schemes such as capacitor://localhost, but web views send one.
  return url.origin === "null" ? `${scheme}://${authority}`.toLowerCase() : url.origin;
}

/** Sets the CORS headers of an answer. Answers OPTIONS requests itself and returns true for them. */
export function applyCors(req: HttpRequest, res: HttpResponse, options: CorsOptions): boolean {
  if (options.origins === "*") {
    res.setHeader("Access-Control-Allow-Origin", "*");
  } else {
    addVary(res, "Origin");
    const { origin } = req.headers;
    if (typeof origin === "string" && options.origins.includes(origin)) {
      res.setHeader("Access-Control-Allow-Origin", origin);
      if (options.credentials) res.setHeader("Access-Control-Allow-Credentials", "true");
    }
  }
  if (req.method !== "OPTIONS") {
    res.setHeader("Access-Control-Expose-Headers", options.exposedHeaders);
    return false;
  }
  answerPreflight(req, res, options);
  return true;
}

function answerPreflight(req: HttpRequest, res: HttpResponse, options: CorsOptions): void {
  const asked = req.headers["access-control-request-headers"];
  const allowed = options.requestHeaders?.join(",") ?? asked;
  const headers: Record<string, string> = { "Access-Control-Allow-Methods": options.methods.join(",") };
  if (allowed !== undefined) headers["Access-Control-Allow-Headers"] = allowed;
  if (options.requestHeaders === undefined) addVary(res, "Access-Control-Request-Headers");
  if (options.maxAgeSeconds !== undefined) headers["Access-Control-Max-Age"] = String(options.maxAgeSeconds);
  send(req, res, { status: 204, headers });
}
