import { type LookupAddress, lookup as systemLookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import type { buildConnector } from "undici";
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

const resolveBySystem: Resolve = (host, callback) =>
  systemLookup(host, { all: true }, (error, addresses) => callback(error, addresses));

/**
 * A connector, made by `build`, that reaches the internet and what is allowed, and nothing else. The addresses it checks are the very ones it
 * connects to, each time it connects: a name that resolves to something else by then gains nothing.
 */
export function guardedConnector(
  build: (options: { lookup: LookupFunction }) => buildConnector.connector,
  guard: GuardOptions,
): buildConnector.connector {
  const { allow, resolve = resolveBySystem } = guard;
  const isFine = (address: string) => !isInside(address) || allow.hasAddress(address);
  const connect = build({ lookup: guardedLookup(isFine, allow, resolve) });
  return (target, callback) => {
    const host = target.hostname.replace(/^\[(.*)\]$/, "$1");
    // Literals are never looked up.
    if (isIP(host) !== 0 && !isFine(host)) callback(new DestinationNotAllowed(), null);
    else connect(target, callback);
  };
}

function guardedLookup(isFine: (address: string) => boolean, allow: AllowList, resolve: Resolve): LookupFunction {
  return (host, options, callback) => {
    resolve(host, (error, found) => {
      if (error) return callback(error, "", 0);
      const wanted = found.filter(({ family }) => !options.family || family === familyNumber(options.family));
      const fine = allow.hasHost(host) ? wanted : wanted.filter(({ address }) => isFine(address));
      const [first] = fine;
      if (!first) return callback(new DestinationNotAllowed(), "", 0);
      if (options.all) callback(null, fine);
      else callback(null, first.address, first.family);
    });
  };
}

const familyNumber = (family: number | "IPv4" | "IPv6"): number =>
  family === "IPv4" ? 4 : family === "IPv6" ? 6 : family;
