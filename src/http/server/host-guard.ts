import { isIPv6 } from "node:net";
import type { HttpRequest } from "../exchange.ts";

/** Whom a server on loopback answers. */
export type HostGuardOptions = {
  /** Host names besides this machine's own, as `hostPattern` takes them. */
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
  const patterns = hosts.map(hostPattern);
  const named = new Set(patterns.map(({ hostname }) => hostname));
  const domains = patterns.filter(({ hasSubdomains }) => hasSubdomains).map(({ hostname }) => `.${hostname}`);
  const isAllowed = (hostname: string | undefined) =>
    hostname !== undefined &&
    (isLoopback(hostname) || named.has(hostname) || domains.some((domain) => hostname.endsWith(domain)));

  return ({ headers }) => {
    // HTTP/2 has :authority and may have Host as well (RFC 9113, section 8.3.1).
    const sent = [headers[":authority"], headers.host].filter((host) => host !== undefined).map(String);
    const foreign = sent.find((host) => !isAllowed(hostnameOf(`http://${host}`)));
    if (foreign !== undefined || sent.length === 0) return refusal("Host", foreign ?? "", hostRemedy);
    const { origin } = headers;
    if (origin === undefined || origins.includes(origin) || isAllowed(hostnameOf(origin))) return undefined;
    return refusal("Origin", origin, originRemedy);
  };
}

const hostRemedy = "add the name to SESSIOND_ALLOWED_HOSTS, or set WAHA_API_KEY";
const originRemedy =
  "add the origin to SESSIOND_CORS_ORIGIN or its host to SESSIOND_ALLOWED_HOSTS, or set WAHA_API_KEY";

const refusal = (header: string, value: string, remedy: string) =>
  `${header} '${value}' is not allowed: without an API key only this machine's own names are; ${remedy}`;

/** A host that is allowed. */
export type HostPattern = {
  /** In the form that URLs have it. */
  hostname: string;
  /** Whether the names below it are allowed as well. */
  hasSubdomains: boolean;
};

/**
 * Reads "example.com", or ".example.com" for that name and all names below it; a port is taken and does not count. Throws an Error
 * that repeats the text if no Host header could match.
 */
export function hostPattern(text: string): HostPattern {
  const hasSubdomains = text.startsWith(".");
  const name = hasSubdomains ? text.slice(1) : text;
  const hostname = hostnameOf(`http://${isIPv6(name) ? `[${name}]` : name}`);
  const isAddress = hostname !== undefined && /^\[|^[\d.]+$/.test(hostname);
  if (hostname === undefined || !isHostname(hostname) || (hasSubdomains && isAddress)) {
    throw new Error(
      `'${text}' is no host name: write "name.example", or ".name.example" for that name and all names below it`,
    );
  }
  return { hostname, hasSubdomains };
}

/** The host of what is a scheme and an authority and nothing more, in its canonical form; undefined for anything else. */
function hostnameOf(origin: string): string | undefined {
  const url = /^https?:\/\/[^/?#\\@\s]+$/i.test(origin) ? URL.parse(origin) : null;
  return url?.hostname.replace(/\.$/, "");
}

/** An address in brackets, or labels of letters, digits, hyphens and underscores: URLs allow more, such as "*". */
const isHostname = (hostname: string) => /^(?:\[[\da-f:.]+\]|(?:[\w-]{1,63}\.)*[\w-]{1,63})$/.test(hostname);

/** RFC 6761, section 6.3, for the names. */
const isLoopback = (hostname: string) =>
  /^(?:(?:.+\.)?localhost|127\.\d+\.\d+\.\d+|\[::1\]|\[::ffff:7f[\da-f]{2}:[\da-f]{1,4}\])$/.test(hostname);
