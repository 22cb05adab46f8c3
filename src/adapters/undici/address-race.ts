import type { LookupAddress } from "node:dns";
import type { Socket } from "node:net";
import type { Clock } from "../../ports/system.ts";
import { NoAddressConnected } from "./failure.ts";

/** A connection attempt to one address. */
export interface Connecting {
  /** Resolves once connected. Stays pending after `cancel`. */
  readonly socket: Promise<Socket>;
  cancel(): void;
}

/** Delay until the next address is tried, unless the one before fails earlier (RFC 8305, section 8). */
const staggerMs = 250;

/**
 * Connects to the first of a host's addresses that answers. Attempts overlap, so that each has its full timeout. Rejects with the
 * errors of all.
 */
export function connectToFirst(
  addresses: readonly LookupAddress[],
  open: (address: LookupAddress) => Connecting,
  clock: Pick<Clock, "schedule">,
): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const waiting = alternateFamilies(addresses);
  const attempts = new Set<Connecting>();
  const failures: { address: string; error: unknown }[] = [];
  let cancelStagger = () => {};

  const next = () => {
    cancelStagger();
    const address = waiting.shift();
    if (!address) return;
    const attempt = open(address);
    attempts.add(attempt);
    attempt.socket.then(
      (socket) => {
        attempts.delete(attempt);
        waiting.length = 0;
        cancelStagger();
        for (const other of attempts) other.cancel();
        resolve(socket);
      },
      (error: unknown) => {
        attempts.delete(attempt);
        failures.push({ address: address.address, error });
        if (waiting.length > 0) next();
        else if (attempts.size === 0) reject(failures.length === 1 ? error : new NoAddressConnected(failures));
      },
    );
    if (waiting.length > 0) cancelStagger = clock.schedule(staggerMs, next);
  };

  next();
  return promise;
}

/** Alternates the two address families, starting with that of the first address (RFC 8305, section 4). */
function alternateFamilies(addresses: readonly LookupAddress[]): LookupAddress[] {
  const first = addresses.filter(({ family }) => family === addresses[0]?.family);
  const second = addresses.filter(({ family }) => family !== addresses[0]?.family);
  return first.flatMap((address, n) => [address, ...second.slice(n, n + 1)]).concat(second.slice(first.length));
}
