import type { HttpRequest } from "../exchange.ts";

const maxLength = 256;
/** Matches path segments of unreserved characters (RFC 3986) other than "." and "..". */
const prefixPath = /^(?:\/(?!\.{1,2}(?:\/|$))[\w.~-]+)+$/;

/**
 * Returns the path that reverse proxies have removed from a request's URL, such as "/wa", from X-Forwarded-Prefix. Returns "" if the
 * header is missing or unsafe to put into a page. Several prefixes are joined, the outermost proxy's first, as in Spring.
 */
export function forwardedPrefix(req: HttpRequest): string {
  const sent = String(req.headers["x-forwarded-prefix"] ?? "");
  const prefix = sent
    .split(",")
    .map((part) => part.trim().replace(/\/$/, ""))
    .join("");
  return prefix.length <= maxLength && prefixPath.test(prefix) ? prefix : "";
}
