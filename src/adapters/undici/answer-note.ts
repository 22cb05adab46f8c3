import type { IncomingHttpHeaders } from "node:http";
import type { HttpProxy } from "./proxy-rules.ts";

/** Redirecting statuses (RFC 9110, section 15.4). */
const redirects = new Set([300, 301, 302, 303, 307, 308]);
/** Statuses that a proxy may send itself. */
const proxyStatuses = new Set([403, 502, 503, 504]);

/** Longer origins are left out of notes. */
const maxOriginLength = 200;

/** Returns a note that explains a status, without secrets; undefined if none is needed. */
export function explainStatus(
  status: number,
  headers: IncomingHttpHeaders,
  url: string,
  proxy?: HttpProxy,
): string | undefined {
  if (redirects.has(status)) return `redirects are not followed: configure ${describeLocation(headers.location, url)}`;
  if (proxy && proxyStatuses.has(status)) return `through the proxy ${proxy.shown}, which may have answered itself`;
  return undefined;
}

/** Describes a Location by its origin only, since its path, query and login may be secrets of the receiver. */
function describeLocation(location: string | string[] | undefined, from: string): string {
  const to = typeof location === "string" ? URL.parse(location, from) : null;
  if (to?.protocol !== "http:" && to?.protocol !== "https:") return "the final address as the webhook's URL";
  if (to.origin === new URL(from).origin)
    return "the final address, another path of the same host, as the webhook's URL";
  if (to.origin.length > maxOriginLength) return "the final address as the webhook's URL";
  return `the final address, which is at ${to.origin}, as the webhook's URL`;
}
