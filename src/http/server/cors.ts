import { cors as connectCors } from "@connectrpc/connect";
import { addVary, type HttpRequest, type HttpResponse, send } from "../exchange.ts";

/** What pages of other origins may do (https://fetch.spec.whatwg.org/#http-cors-protocol). */
export type CorsOptions = {
  /** The origins allowed: "*" for all, or a list such as ["https://example.com"]. */
  origins: "*" | readonly string[];
  methods: readonly string[];
  /** undefined: whatever the page asks for. */
  requestHeaders?: readonly string[] | undefined;
  /** Header names, with commas between them. */
  exposedHeaders: string;
  /** Lets pages send cookies and HTTP authentication; takes a list of origins. */
  credentials: boolean;
  maxAgeSeconds?: number | undefined;
};

/** How long browsers may go by the answer to a preflight; Chromium's own limit. */
const preflightMaxAgeSeconds = 7_200;

/** All origins, without credentials: what WAHA allows. */
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
  ].join(),
  credentials: false,
  maxAgeSeconds: preflightMaxAgeSeconds,
};

/** CORS for all origins without credentials, as WAHA has it, or for some, whose pages may send cookies and HTTP authentication. */
export function corsFor(origins: CorsOptions["origins"]): CorsOptions {
  if (origins === "*" || (origins.length === 1 && origins[0] === "*")) return defaultCors;
  return { ...defaultCors, origins: origins.map(originOf), credentials: true };
}

/**
 * Returns an origin as browsers send it: in lower case, without a default port or a slash at the end. Throws an Error that repeats
 * the text if no browser could send it.
 */
export function originOf(text: string): string {
  const [, scheme = "", authority = ""] = /^([a-z][a-z\d+.-]*):\/\/([^/?#\\@\s*,]+)\/?$/i.exec(text) ?? [];
  const url = authority === "" ? null : URL.parse(`${scheme}://${authority}`);
  if (url === null || url.protocol === "file:") {
    throw new Error(
      `'${text}' is no origin: write a scheme and a host such as "https://app.example", without a path or "*"`,
    );
  }
  // Schemes of apps, such as capacitor://localhost, have no origin for the URL standard; browsers send them all the same.
  return url.origin === "null" ? `${scheme}://${authority}`.toLowerCase() : url.origin;
}

/** Sets the headers of an answer that CORS asks for. Answers OPTIONS itself, and returns true then. */
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
