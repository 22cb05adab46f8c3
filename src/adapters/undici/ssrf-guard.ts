import { type LookupAddress, lookup as systemLookup } from "node:dns";
import { isIP } from "node:net";
import { type AllowList, isInside } from "./address.ts";

/** The destination of a request is refused. The message reveals nothing about it. */
export class DestinationNotAllowed extends Error {
  override readonly name = "DestinationNotAllowed";
  readonly code = "ERR_DESTINATION_NOT_ALLOWED";

  constructor() {
    super("destination not allowed");
  }
}

/** Looks up all addresses of a host: `node:dns` lookup, or a test's function. */
export type Resolve = (host: string, callback: (error: Error | null, addresses: LookupAddress[]) => void) => void;

/** Options for the guard. */
export interface GuardOptions {
  readonly allow: AllowList;
  readonly resolve?: Resolve;
}

/** Returns the permitted addresses of a host. Rejects if there are none. */
export type FindAddresses = (host: string) => Promise<readonly LookupAddress[]>;

const resolveBySystem: Resolve = (host, callback) =>
  systemLookup(host, { all: true }, (error, addresses) => callback(error, addresses));

/** Returns a function that finds all addresses of a host. */
export const allAddresses =
  (resolve: Resolve = resolveBySystem): FindAddresses =>
  async (host) => {
    const found = await lookUpAddresses(host, resolve);
    if (found.length === 0) throw Object.assign(new Error("no address"), { code: "ENOTFOUND" });
    return found;
  };

/**
 * Returns a function that finds the addresses of a host that are on the internet or allowed. Each connection uses exactly the
 * addresses checked, so that a name cannot resolve to others afterwards (DNS rebinding).
 */
export const allowedAddresses =
  ({ allow, resolve = resolveBySystem }: GuardOptions): FindAddresses =>
  async (host) => {
    const found = await lookUpAddresses(host, resolve);
    const allowed = found.filter((one) => isAllowed(host, one, allow));
    if (allowed.length === 0) throw new DestinationNotAllowed();
    return allowed;
  };

const localName = /(^|\.)localhost\.?$/i;

/**
 * Rejects a host that may not be reached through a proxy: a private address, or a name that has one. Accepts a name that cannot be
 * resolved here, since behind a proxy often only the proxy can resolve names.
 */
export async function checkProxied(hostname: string, guard: GuardOptions): Promise<void> {
  const { allow, resolve = resolveBySystem } = guard;
  const host = withoutBrackets(hostname);
  if (allow.hasHost(host)) return;
  if (localName.test(host)) throw new DestinationNotAllowed();
  const found = await lookUpAddresses(host, resolve).catch(() => []);
  if (!found.every((one) => isAllowed(host, one, allow))) throw new DestinationNotAllowed();
}

/** Returns the host of a URL without the brackets of an IPv6 address. */
export const withoutBrackets = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, "$1");

/** Returns whether an address is permitted. An address literal is not looked up and never matches an allowed name. */
const isAllowed = (host: string, { address }: LookupAddress, allow: AllowList) =>
  !isInside(address) || allow.hasAddress(address) || (isIP(host) === 0 && allow.hasHost(host));

function lookUpAddresses(host: string, resolve: Resolve): Promise<LookupAddress[]> {
  const family = isIP(host);
  if (family !== 0) return Promise.resolve([{ address: host, family }]);
  const { promise, ...lookup } = Promise.withResolvers<LookupAddress[]>();
  resolve(host, (error, found) => (error ? lookup.reject(error) : lookup.resolve(found)));
  return promise;
}
