import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import { parseAllowList } from "./address.ts";
import { withoutBrackets } from "./ssrf-guard.ts";
import { basicAuthorization } from "./url-login.ts";

/** An environment variable. */
export interface Variable {
  readonly name: string;
  readonly value: string;
}

/** Proxy variables of the environment, for webhooks. */
export interface ProxySettings {
  /** Proxy for http URLs. */
  readonly http: Variable | undefined;
  /** Proxy for https URLs. */
  readonly https: Variable | undefined;
  /** Hosts reached directly: names, addresses and CIDR blocks, separated by commas or spaces. */
  readonly none: Variable | undefined;
}

/** An HTTP proxy. */
export interface HttpProxy {
  readonly origin: string;
  /** "host:port", for messages. */
  readonly shown: string;
  /** Value of Proxy-Authorization. A secret. */
  readonly authorization: string | undefined;
}

/** Returns the proxy for a URL; undefined to connect directly. */
export type ChooseProxy = (url: URL) => HttpProxy | undefined;

/** Parses the settings; undefined if they set no proxy. Throws a TypeError that names the variable but not the proxy's URL. */
export function parseProxyRules({ http, https, none }: ProxySettings): ChooseProxy | undefined {
  if (!http && !https) return undefined;
  const proxies = { "http:": http && parseProxy(http), "https:": https && parseProxy(https) };
  const exceptions = none ? parseExceptions(none) : [];
  return (url) => {
    const proxy = url.protocol === "http:" || url.protocol === "https:" ? proxies[url.protocol] : undefined;
    if (!proxy) return undefined;
    const host = withoutBrackets(url.hostname).replace(/\.$/, "");
    const port = url.port || defaultPort(url.protocol);
    return exceptions.some((excepts) => excepts(host, port)) ? undefined : proxy;
  };
}

const defaultPort = (protocol: string) => (protocol === "https:" ? "443" : "80");

function parseProxy({ name, value }: Variable): HttpProxy {
  const text = value.trim();
  const url = URL.parse(text.includes("://") ? text : `http://${text}`);
  if (!url || !["http:", "https:"].includes(url.protocol)) {
    throw new TypeError(
      `${name} must be the URL of an HTTP proxy, http://host:port or https://host:port, with user:password@ before the host if the proxy asks for them`,
    );
  }
  return {
    origin: url.origin,
    shown: `${url.hostname}:${url.port || defaultPort(url.protocol)}`,
    authorization: basicAuthorization(url),
  };
}

type Exception = (host: string, port: string) => boolean;

const parseExceptions = ({ name, value }: Variable): Exception[] =>
  value
    .split(/[,\s]+/)
    .filter((entry) => entry !== "")
    .map((entry) => {
      const exception = parseException(entry);
      if (exception) return exception;
      throw new TypeError(`${name} has "${entry}", which is no host name, address or CIDR block`);
    });

const entryForm = /^(?:\[(?<v6>[0-9a-f:.]+)\]|(?<host>[^:/]+))(?::(?<port>\d{1,5}))?$/i;

/** Parses an exception with or without a port; undefined if it is invalid. */
function parseException(entry: string): Exception | undefined {
  if (isIP(entry) === 6 || /^[0-9a-f:.]+\/\d+$/i.test(entry)) return addressException(entry);
  const { v6, host = v6, port } = entryForm.exec(entry)?.groups ?? {};
  if (host === undefined) return undefined;
  const matches = isIP(host) !== 0 ? addressException(host) : nameException(host);
  return matches && ((asked, askedPort) => (port === undefined || askedPort === port) && matches(asked, askedPort));
}

function addressException(block: string): Exception | undefined {
  try {
    const list = parseAllowList([block]);
    return (host) => list.hasAddress(host);
  } catch {
    return undefined;
  }
}

/** Matches "name" and ".name" against the name and its subdomains, "*.name" against subdomains only; "*" matches any text. */
function nameException(entry: string): Exception | undefined {
  const name = domainToASCII(entry.replace(/^\./, "").replace(/\.$/, "")).toLowerCase();
  if (name === "") return undefined;
  if (!name.includes("*")) return (host) => host === name || host.endsWith(`.${name}`);
  const pattern = new RegExp(`^${name.replaceAll(".", "\\.").replaceAll("*", ".*")}$`);
  return (host) => pattern.test(host);
}
