import { type LookupAddress, lookup as systemLookup } from "node:dns";
import { isIP } from "node:net";
import { type AllowList, isInside } from "./address.ts";

/** Where a request was to go is refused. Says nothing of what was found there. */
export class DestinationNotAllowed extends Error {
  override readonly name = "DestinationNotAllowed";
  readonly code = "ERR_DESTINATION_NOT_ALLOWED";

  constructor() {
    super("destination not allowed");
  }
}

/** All addresses of a host; `node:dns` lookup, or a test's. */
export type Resolve = (host: string, callback: (error: Error | null, addresses: LookupAddress[]) => void) => void;

/** What the guard goes by. */
export interface GuardOptions {
  readonly allow: AllowList;
  readonly resolve?: Resolve;
}

/** Returns the addresses of a host that may be connected to; rejects if there is none. */
export type FindAddresses = (host: string) => Promise<readonly LookupAddress[]>;

const resolveBySystem: Resolve = (host, callback) =>
  systemLookup(host, { all: true }, (error, addresses) => callback(error, addresses));

/** Finds all addresses of a host. */
export const allAddresses =
  (resolve: Resolve = resolveBySystem): FindAddresses =>
  async (host) => {
    const found = await addressesOf(host, resolve);
    if (found.length === 0) throw Object.assign(new Error("no address"), { code: "ENOTFOUND" });
    return found;
  };

/**
 * Finds the addresses of a host on the internet, and those allowed. To be asked for each connection, which then goes to the
 * very addresses checked: a name that resolves to something else by then gains nothing.
 */
export const allowedAddresses =
  ({ allow, resolve = resolveBySystem }: GuardOptions): FindAddresses =>
  async (host) => {
    const found = await addressesOf(host, resolve);
    const fine = found.filter((one) => isAllowed(host, one, allow));
    if (fine.length === 0) throw new DestinationNotAllowed();
    return fine;
  };

const localName = /(^|\.)localhost\.?$/i;

/**
 * Rejects a host that a proxy is not to be asked for: an inner address, or a name with any. A name that is unknown here
 * passes: behind a proxy, often only the proxy can resolve.
 */
export async function checkProxied(hostname: string, guard: GuardOptions): Promise<void> {
  const { allow, resolve = resolveBySystem } = guard;
  const host = withoutBrackets(hostname);
  if (allow.hasHost(host)) return;
  if (localName.test(host)) throw new DestinationNotAllowed();
  const found = await addressesOf(host, resolve).catch(() => []);
  if (!found.every((one) => isAllowed(host, one, allow))) throw new DestinationNotAllowed();
}

/** Returns the host of a URL without the brackets of an IPv6 address. */
export const withoutBrackets = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, "$1");

/** Literals are never looked up, and never allowed as names. */
const isAllowed = (host: string, { address }: LookupAddress, allow: AllowList) =>
  !isInside(address) || allow.hasAddress(address) || (isIP(host) === 0 && allow.hasHost(host));

function addressesOf(host: string, resolve: Resolve): Promise<LookupAddress[]> {
  const family = isIP(host);
  if (family !== 0) return Promise.resolve([{ address: host, family }]);
  const { promise, ...settle } = Promise.withResolvers<LookupAddress[]>();
  resolve(host, (error, found) => (error ? settle.reject(error) : settle.resolve(found)));
  return promise;
}
