import type { HttpRequest } from "../exchange.ts";

const maxLength = 256;
/** Path segments of unreserved characters, none of them "." or "..". */
const prefixPath = /^(?:\/(?!\.{1,2}(?:\/|$))[\w.~-]+)+$/;

/**
 * Returns the path that reverse proxies have taken off a request's URL, as X-Forwarded-Prefix tells it, such as "/wa"; "" if there
 * is none, or none that could stand in a page. Of several proxies the outermost comes first, as Spring has it.
 */
export function forwardedPrefix(req: HttpRequest): string {
  const sent = String(req.headers["x-forwarded-prefix"] ?? "");
  const prefix = sent
    .split(",")
    .map((part) => part.trim().replace(/\/$/, ""))
    .join("");
  return prefix.length <= maxLength && prefixPath.test(prefix) ? prefix : "";
}
