import type { HttpRequest } from "../exchange.ts";

/** Relation of a request to the page that sent it. */
export type Sender = "same_origin" | "other_origin" | "unknown";

/**
 * Returns whether a page of this server sent a request. Browsers say so in Sec-Fetch-Site, which pages cannot set. They leave it out
 * over plain HTTP, except on this machine; there a POST whose Origin has the host and port of Host comes from a page of this server.
 * Cookies do not tell: they ignore ports, and SameSite does too.
 */
export function senderOf(req: HttpRequest): Sender {
  const { "sec-fetch-site": site, origin } = req.headers;
  if (site !== undefined) return site === "same-origin" ? "same_origin" : "other_origin";
  if (origin === undefined) return "unknown";
  if (!isOwnOrigin(req, origin)) return "other_origin";
  return req.method === "POST" ? "same_origin" : "unknown";
}

function isOwnOrigin(req: HttpRequest, origin: string): boolean {
  const host = req.headers[":authority"] ?? req.headers.host;
  if (host === undefined) return false;
  const own = URL.parse(`${isSecure(req) ? "https" : "http"}://${host}`)?.origin;
  return own !== undefined && own === URL.parse(origin)?.origin;
}

/** Returns whether the browser speaks TLS: to this server, or by its own account to a proxy in front of it. */
export function isSecure({ socket, headers }: HttpRequest): boolean {
  if ("encrypted" in socket && socket.encrypted) return true;
  const [scheme = ""] = String(headers["x-forwarded-proto"] ?? "").split(",", 1);
  return scheme.trim().toLowerCase() === "https";
}
