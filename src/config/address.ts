import { isIP } from "node:net";
import { isLoopback } from "./access.ts";
import type { Reader } from "./environment.ts";

/** Returns the port to listen on. Warns about the address of a Kubernetes service in its place. */
export function portOf(read: Reader): number {
  const [port, wahaPort] = (["PORT", "WHATSAPP_API_PORT"] as const).map((name) => {
    const value = read.get(name);
    if (value === undefined && read.has(name)) {
      read.warn(name, "is the address of a Kubernetes service and not a port, so it is ignored");
    }
    return value;
  });
  return port ?? wahaPort ?? 3000;
}

/** Returns the address to listen on: all addresses with an API key, else this machine's own. */
export const hostOf = (read: Reader, apiKey: string | undefined): string =>
  read.get("SESSIOND_HOST") ?? (apiKey === undefined ? "127.0.0.1" : "0.0.0.0");

/**
 * Returns the host name for URLs; undefined for the server's address. WHATSAPP_API_HOSTNAME binds nothing in WAHA either, so a value
 * that looks meant for binding gets a warning.
 */
export function publicHostOf(read: Reader, host: string): string | undefined {
  const name = "WHATSAPP_API_HOSTNAME";
  const hostname = read
    .get(name)
    ?.replace(/^\w+:\/\//, "")
    .replace(/\/.*$/, "");
  if (hostname !== "0.0.0.0" && hostname !== "::") return hostname;
  if (isLoopback(host)) {
    const remedy = `the server listens on ${host}. Set SESSIOND_HOST=${hostname}`;
    read.warn(name, `is the name for URLs and binds nothing: ${remedy}`);
  }
  return undefined;
}

/** Returns the URL of a server. A public host may include a port, such as that of a reverse proxy. */
export function urlOf(scheme: string, host: string, port: number): string {
  if (isIP(host) === 6) return `${scheme}://[${host}]:${port}`;
  return /:\d+$/.test(host) ? `${scheme}://${host}` : `${scheme}://${host}:${port}`;
}
