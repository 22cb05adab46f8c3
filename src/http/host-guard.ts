import type { HttpRequest } from "./exchange.ts";

/** Whom a server on loopback answers. */
export type HostGuardOptions = {
  /** Host names besides this machine's own, with or without a port, which does not count. */
  hosts: readonly string[];
  /** Origins whose pages may call, besides those at an allowed host; such as "https://example.com". */
  origins: readonly string[];
};

/** What is wrong with where a request was sent, or with the page it comes from; undefined: nothing. */
export type HostGuard = (req: HttpRequest) => string | undefined;

/**
 * Keeps the pages of a browser on this machine away from a server that takes no key: a page can have its own name resolve to
 * 127.0.0.1 (DNS rebinding), which shows in Host, and can post forms anywhere, which shows in Origin.
 */
export function createHostGuard({ hosts, origins }: HostGuardOptions): HostGuard {
  const named = new Set(hosts.map((host) => hostnameOf(`http://${host}`)));
  const isAllowed = (hostname: string | undefined) =>
    hostname !== undefined && (isLoopback(hostname) || named.has(hostname));

  return ({ headers }) => {
    // HTTP/2 has :authority and may have Host as well (RFC 9113, section 8.3.1).
    const sent = [headers[":authority"], headers.host].filter((host) => host !== undefined).map(String);
    const foreign = sent.find((host) => !isAllowed(hostnameOf(`http://${host}`)));
    if (foreign !== undefined || sent.length === 0) return refusal("Host", foreign ?? "");
    const { origin } = headers;
    if (origin === undefined || origins.includes(origin) || isAllowed(hostnameOf(origin))) return undefined;
    return refusal("Origin", origin);
  };
}

const refusal = (header: string, value: string) =>
  `${header} '${value}' is not allowed: without an API key only this machine's own names are`;

/** The host of what is a scheme and an authority and nothing more, in its canonical form; undefined for anything else. */
function hostnameOf(origin: string): string | undefined {
  const url = /^https?:\/\/[^/?#\\@\s]+$/i.test(origin) ? URL.parse(origin) : null;
  return url?.hostname.replace(/\.$/, "");
}

/** RFC 6761, section 6.3, for the names. */
const isLoopback = (hostname: string) =>
  /^(?:(?:.+\.)?localhost|127\.\d+\.\d+\.\d+|\[::1\]|\[::ffff:7f[\da-f]{2}:[\da-f]{1,4}\])$/.test(hostname);
