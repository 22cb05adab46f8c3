import { create } from "@bufbuild/protobuf";
import { SessionConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { configViolations } from "../domain/config-violations.ts";
import { sessionNameViolations } from "../domain/session-name.ts";
import { ConfigError, itemsOf, type Kind, list, trimmed, wholeNumber } from "./kinds.ts";

/** Returns whether a text looks like a SHA-512 hash, which a key may do as well. */
export const isBareHash = (text: string) => /^[0-9a-f]{128}$/i.test(text);

const maxPort = 65_535;

/** Kubernetes sets variables like PORT to "tcp://…" for a service of that name. */
const isServiceAddress = (value: string) => /^\s*(tcp|udp|sctp):\/\//i.test(value);

/** A port; undefined for the address of a Kubernetes service. */
export const port: Kind<number | undefined> = {
  accepts: `port, 0 to ${maxPort}`,
  show: String,
  parse(value, name) {
    if (isServiceAddress(value)) return undefined;
    if (!/^\d{1,5}$/.test(value.trim())) {
      throw new ConfigError(`${name} must be a port: a whole number from 0 to ${maxPort}`);
    }
    return wholeNumber(0, maxPort).parse(value, name);
  },
};

/** An address or a host name to listen on. */
export const listenAddress: Kind<string> = {
  ...trimmed,
  accepts: "address or host name",
  parse(value, name) {
    const host = value.trim();
    if (!/[\s/]|^[^:]+:\d+$/.test(host)) return host;
    throw new ConfigError(`${name} must be an address or a host name, without http:// and without a port`);
  },
};

/** The beginning of a hash of any other kind than SHA-512. */
const otherHash = /^(?:(?:sha|md)-?\d{1,3}\s*[:=]|\{\w+\}|\$(?:2[abxy]?|[156]|y|argon2\w*|scrypt|pbkdf2[\w-]*)\$)/i;

/** An API key: the key itself, "sha512:" and its hash, or 128 hexadecimal digits, which may be either. */
export const apiKey: Kind<string> = {
  ...trimmed,
  accepts: "the key, or `sha512:` and its hash",
  parse(text, name) {
    // HTTP takes no space at either end of a header.
    const key = text.trim();
    const [, digits] = /^sha-?512\s*:(.*)$/is.exec(key) ?? [];
    if (digits !== undefined) {
      const hash = digits.replace(/\s+/g, "");
      if (isBareHash(hash)) return `sha512:${hash}`;
      throw new ConfigError(`${name} must be the key itself, or sha512: and 128 hexadecimal digits`);
    }
    if (!otherHash.test(key)) return sendable(key, name);
    throw new ConfigError(`${name} is a hash that cannot be checked here: set the key itself, or sha512: and its hash`);
  },
};

/** An API key that cannot be a hash. */
export const plainApiKey: Kind<string> = {
  ...trimmed,
  accepts: "the key",
  parse(text, name) {
    const key = text.trim();
    if (!/^sha-?512\s*:/i.test(key)) return sendable(key, name);
    throw new ConfigError(`${name} must be the key itself: its hash belongs in WAHA_API_KEY`);
  },
};

/** Throws if the key has a character that no header can carry (RFC 9110, section 5.5): every request would be refused. */
function sendable(key: string, name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are meant.
  if (!/[\x00-\x08\x0a-\x1f\x7f]/.test(key)) return key;
  throw new ConfigError(`${name} has a line break or another control character in it, which no request can carry`);
}

/** Names of sessions, by the rules of the API. */
export const sessionNames: Kind<readonly string[]> = {
  ...list(),
  parse(value, name) {
    const names = list().parse(value, name);
    const [violation] = names.flatMap((session, index) => sessionNameViolations(session, `item ${index + 1}`));
    if (violation) throw new ConfigError(`${name}: ${violation.field} ${violation.description}`);
    return names;
  },
};

/** A session's proxy, by the rules of the API. */
export const sessionProxy: Kind<string> = {
  ...trimmed,
  accepts: "`host:port` or `socks5://host:port`",
  parse: (value, name) => checkedProxy(value.trim(), name),
};

/** Several of them. Each place counts, so none may be empty. */
export const sessionProxies: Kind<readonly string[]> = {
  ...list(),
  parse(value, name) {
    const items = itemsOf(value, ",");
    const empty = items.indexOf("");
    if (empty >= 0) throw new ConfigError(`${name} has an empty item: number ${empty + 1} of ${items.length}`);
    return items.map((item, index) => checkedProxy(item, `${name}: item ${index + 1}`));
  },
};

/** The server is not repeated in the error, since it may hold a password. */
function checkedProxy(server: string, place: string): string {
  const [violation] = configViolations(create(SessionConfigSchema, { proxy: { server } }));
  if (violation) throw new ConfigError(`${place} ${violation.description}`);
  return server;
}

/** Text pairs `Name:Value`, for headers. */
export const headers: Kind<readonly { readonly name: string; readonly value: string }[]> = {
  accepts: "`Name:Value;Name:Value`",
  show: (pairs) => pairs.map(({ name, value }) => `${name}:${value}`).join(";"),
  parse: (value, name) =>
    list(";")
      .parse(value, name)
      .map((pair) => {
        const colon = pair.indexOf(":");
        if (colon < 1) throw new ConfigError(`${name} must read Name:Value;Name:Value`);
        return { name: pair.slice(0, colon).trim(), value: pair.slice(colon + 1).trim() };
      }),
};

/** Each part is an unsigned 32-bit number in WhatsApp's protocol. */
const isVersion = (version: string) =>
  /^\d{1,10}\.\d{1,10}\.\d{1,10}$/.test(version) && version.split(".").every((part) => Number(part) < 2 ** 32);

/** NOWEB's client version, or the place where it is looked up. */
export const nowebVersion: Kind<string> = {
  ...trimmed,
  accepts: "`2.3000.1043857760`, `auto-web` or `auto-baileys`",
  parse(value, name) {
    const version = value.trim().toLowerCase();
    if (version === "auto-web" || version === "auto-baileys") return version;
    if (isVersion(version)) return version.split(".").map(Number).join(".");
    throw new ConfigError(`${name} must be auto-web, auto-baileys or a version like 2.3000.1043857760`);
  },
};

/** Arguments of a browser: each begins with "--", and its spaces are its own, with quotes or without. */
export const browserArguments: Kind<readonly string[]> = {
  accepts: "arguments, separated by spaces",
  show: (args) => args.join(" "),
  parse: (value) =>
    value
      .trim()
      .split(/\s+(?=["']?--)/)
      .filter((arg) => arg !== "")
      .map((arg) => arg.replace(/^(["'])(.*)\1$/, "$2").replace(/^(--[\w-]+=)(["'])(.*)\2$/, "$1$3")),
};
