import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import { allowListOf } from "./address.ts";
import { withoutBrackets } from "./ssrf-guard.ts";
import { basicAuthorization } from "./url-login.ts";

/** A variable of the environment. */
export interface Variable {
  readonly name: string;
  readonly value: string;
}

/** Where webhooks go through a proxy, as the environment has it. */
export interface ProxySettings {
  /** The proxy of http URLs. */
  readonly http: Variable | undefined;
  /** The proxy of https URLs. */
  readonly https: Variable | undefined;
  /** Hosts that are reached without one: names, addresses, CIDR blocks, separated by commas or spaces. */
  readonly none: Variable | undefined;
}

/** An HTTP proxy. */
export interface HttpProxy {
  readonly origin: string;
  /** "host:port", for messages. */
  readonly shown: string;
  /** The value of Proxy-Authorization. A secret. */
  readonly authorization: string | undefined;
}

/** Returns the proxy that a URL is to be reached through; undefined: none. */
export type ChooseProxy = (url: URL) => HttpProxy | undefined;

/** Reads the settings; undefined if they name no proxy. Throws a TypeError that names the variable, without a proxy's URL. */
export function proxyRules({ http, https, none }: ProxySettings): ChooseProxy | undefined {
  if (!http && !https) return undefined;
  const proxies = { "http:": http && proxyOf(http), "https:": https && proxyOf(https) };
  const exceptions = none ? exceptionsOf(none) : [];
  return (url) => {
    const proxy = url.protocol === "http:" || url.protocol === "https:" ? proxies[url.protocol] : undefined;
    if (!proxy) return undefined;
    const host = withoutBrackets(url.hostname).replace(/\.$/, "");
    const port = url.port || defaultPort(url.protocol);
    return exceptions.some((excepts) => excepts(host, port)) ? undefined : proxy;
  };
}

const defaultPort = (protocol: string) => (protocol === "https:" ? "443" : "80");

function proxyOf({ name, value }: Variable): HttpProxy {
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

const exceptionsOf = ({ name, value }: Variable): Exception[] =>
  value
    .split(/[,\s]+/)
    .filter((entry) => entry !== "")
    .map((entry) => {
      const exception = exceptionOf(entry);
      if (exception) return exception;
      throw new TypeError(`${name} has "${entry}", which is no host name, address or CIDR block`);
    });

const entryForm = /^(?:\[(?<v6>[0-9a-f:.]+)\]|(?<host>[^:/]+))(?::(?<port>\d{1,5}))?$/i;

/** The host of an entry with or without a port; undefined where it cannot be read. */
function exceptionOf(entry: string): Exception | undefined {
  if (isIP(entry) === 6 || /^[0-9a-f:.]+\/\d+$/i.test(entry)) return addressException(entry);
  const { v6, host = v6, port } = entryForm.exec(entry)?.groups ?? {};
  if (host === undefined) return undefined;
  const matches = isIP(host) !== 0 ? addressException(host) : nameException(host);
  return matches && ((asked, askedPort) => (port === undefined || askedPort === port) && matches(asked, askedPort));
}

function addressException(block: string): Exception | undefined {
  try {
    const list = allowListOf([block]);
    return (host) => list.hasAddress(host);
  } catch {
    return undefined;
  }
}

/** "name" and ".name" are the name and all below it, "*.name" only what is below; "*" stands for any text. */
function nameException(entry: string): Exception | undefined {
  const name = domainToASCII(entry.replace(/^\./, "").replace(/\.$/, "")).toLowerCase();
  if (name === "") return undefined;
  if (!name.includes("*")) return (host) => host === name || host.endsWith(`.${name}`);
  const pattern = new RegExp(`^${name.replaceAll(".", "\\.").replaceAll("*", ".*")}$`);
  return (host) => pattern.test(host);
}
