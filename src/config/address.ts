import { isIP } from "node:net";
import { isLoopback } from "./access.ts";
import { ConfigError, type Reader } from "./environment.ts";

const defaultPort = 3000;
const maxPort = 65_535;

/** The address to listen on: the network's with a key, else this machine's own. */
export function hostOf(read: Reader, apiKey: string | undefined): string {
  const host = read.trimmed("SESSIOND_HOST");
  if (host !== undefined && /[\s/]|^[^:]+:\d+$/.test(host)) {
    throw new ConfigError("SESSIOND_HOST must be an address or a host name, without http:// and without a port");
  }
  return host ?? (apiKey === undefined ? "127.0.0.1" : "0.0.0.0");
}

/**
 * The name for URLs under which the server is reached; undefined: its address. WAHA's variable binds nothing, so one that looks meant
 * for that is told of.
 */
export function publicHostOf(read: Reader, host: string): string | undefined {
  const name = "WHATSAPP_API_HOSTNAME";
  const given = read.trimmed(name);
  if (given === undefined) return undefined;
  const hostname = given.replace(/^\w+:\/\//, "").replace(/\/.*$/, "");
  if (hostname !== "0.0.0.0" && hostname !== "::") return hostname;
  if (isLoopback(host)) {
    read.warn(
      name,
      `is the name for URLs and binds nothing: the server listens on ${host}. Set SESSIOND_HOST=${hostname}`,
    );
  }
  return undefined;
}

/** The port to listen on. Kubernetes sets such variables too, to "tcp://…", for a service of that name: those are passed over. */
export function portOf(read: Reader): number {
  const [port, wahaPort] = ["PORT", "WHATSAPP_API_PORT"].map((name) => portIn(read, name));
  return port ?? wahaPort ?? defaultPort;
}

function portIn(read: Reader, name: string): number | undefined {
  const value = read.trimmed(name);
  if (value === undefined) return undefined;
  if (/^(tcp|udp|sctp):\/\//i.test(value)) {
    read.warn(name, "is the address of a Kubernetes service and no port: it is ignored");
    return undefined;
  }
  if (!/^\d{1,5}$/.test(value)) throw new ConfigError(`${name} must be a port: a whole number from 0 to ${maxPort}`);
  return read.integer(name, 0, maxPort);
}

/** The URL of a server. A public host may bring a port of its own, as that of a reverse proxy. */
export function urlOf(scheme: string, host: string, port: number): string {
  if (isIP(host) === 6) return `${scheme}://[${host}]:${port}`;
  return /:\d+$/.test(host) ? `${scheme}://${host}` : `${scheme}://${host}:${port}`;
}
