import { isIPv6 } from "node:net";
import type { HttpRequest } from "../exchange.ts";

/** Options for the host guard of a server on loopback. */
export interface HostGuardOptions {
  /** Allowed host names besides this machine's own, in the form of `hostPattern`. */
  readonly hosts: readonly string[];
  /** Allowed origins besides those at an allowed host, such as "https://example.com". */
  readonly origins: readonly string[];
}

/** Returns why a request is refused by its Host or Origin; undefined if it is allowed. */
export type HostGuard = (req: HttpRequest) => string | undefined;

/**
 * Creates a guard that keeps web pages away from a server that needs no API key. A page can resolve its own name to 127.0.0.1 (DNS
 * rebinding), which Host reveals, and can post forms to any address, which Origin reveals.
 */
export function createHostGuard({ hosts, origins }: HostGuardOptions): HostGuard {
  const patterns = hosts.map(hostPattern);
  const named = new Set(patterns.map(({ hostname }) => hostname));
  const domains = patterns.filter(({ hasSubdomains }) => hasSubdomains).map(({ hostname }) => `.${hostname}`);
  const isAllowed = (hostname: string | undefined) =>
    hostname !== undefined &&
    (isLoopback(hostname) || named.has(hostname) || domains.some((domain) => hostname.endsWith(domain)));

  return ({ headers }) => {
    // HTTP/2 sends :authority and may send Host as well (RFC 9113, section 8.3.1).
    const sent = [headers[":authority"], headers.host].filter((host) => host !== undefined).map(String);
    const foreign = sent.find((host) => !isAllowed(parseHostname(`http://${host}`)));
    if (foreign !== undefined || sent.length === 0) return refusal("Host", foreign ?? "", hostRemedy);
    const { origin } = headers;
    if (origin === undefined || origins.includes(origin) || isAllowed(parseHostname(origin))) return undefined;
    return refusal("Origin", origin, originRemedy);
  };
}

const hostRemedy = "add the name to SESSIOND_ALLOWED_HOSTS, or set WAHA_API_KEY";
const originRemedy =
  "add the origin to SESSIOND_CORS_ORIGIN or its host to SESSIOND_ALLOWED_HOSTS, or set WAHA_API_KEY";

const refusal = (header: string, value: string, remedy: string) =>
  `${header} '${value}' is not allowed: without an API key only this machine's own names are; ${remedy}`;

/** An allowed host. */
export interface HostPattern {
  /** Host name in the canonical form of URLs. */
  readonly hostname: string;
  /** True if its subdomains are allowed as well. */
  readonly hasSubdomains: boolean;
}

/**
 * Parses "example.com", or ".example.com" for that name and its subdomains. Ignores a port. Throws an Error that quotes the text if
 * it is not a host name.
 */
export function hostPattern(text: string): HostPattern {
  const hasSubdomains = text.startsWith(".");
  const name = hasSubdomains ? text.slice(1) : text;
  const hostname = parseHostname(`http://${isIPv6(name) ? `[${name}]` : name}`);
  const isAddress = hostname !== undefined && /^\[|^[\d.]+$/.test(hostname);
  if (hostname === undefined || !isHostname(hostname) || (hasSubdomains && isAddress)) {
    throw new Error(
      `'${text}' is no host name: write "name.example", or ".name.example" for that name and all names below it`,
    );
  }
  return { hostname, hasSubdomains };
}

/** Returns the canonical host of a URL that has only a scheme and an authority; undefined for other texts. */
function parseHostname(origin: string): string | undefined {
  const url = /^https?:\/\/[^/?#\\@\s]+$/i.test(origin) ? URL.parse(origin) : null;
  return url?.hostname.replace(/\.$/, "");
}

/** Accepts an address in brackets, or labels of letters, digits, hyphens and underscores. URLs would allow more, such as "*". */
const isHostname = (hostname: string) => /^(?:\[[\da-f:.]+\]|(?:[\w-]{1,63}\.)*[\w-]{1,63})$/.test(hostname);

/** Returns whether a host is this machine. The names are those of RFC 6761, section 6.3. */
const isLoopback = (hostname: string) =>
  /^(?:(?:.+\.)?localhost|127\.\d+\.\d+\.\d+|\[::1\]|\[::ffff:7f[\da-f]{2}:[\da-f]{1,4}\])$/.test(hostname);
