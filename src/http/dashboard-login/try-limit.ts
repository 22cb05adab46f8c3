import { isIPv6 } from "node:net";

const maxFailures = 5;
const periodMs = 60_000;
/** Limit of remembered addresses. One more makes the server forget the address that failed first. */
const maxAddresses = 10_000;

/** Counts failed logins by address: at most 5 a minute. */
export class TryLimit {
  readonly #nowMs: () => number;
  /** Times of the latest failures, by network, in the order of their latest failure. */
  readonly #failures = new Map<string, readonly number[]>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Returns the time in milliseconds until this address may try again; 0 if it may now. */
  delayMs(address: string): number {
    const failures = this.#recent(networkOf(address));
    const [first = 0] = failures;
    return failures.length < maxFailures ? 0 : first + periodMs - this.#nowMs();
  }

  /** Counts a failure. */
  fail(address: string): void {
    const network = networkOf(address);
    const failures = [...this.#recent(network), this.#nowMs()];
    this.#failures.delete(network);
    this.#failures.set(network, failures);
    this.#forget();
  }

  #recent(network: string): readonly number[] {
    return (this.#failures.get(network) ?? []).filter((atMs) => this.#nowMs() - atMs < periodMs);
  }

  #forget(): void {
    for (const [network, failures] of this.#failures) {
      const isRecent = this.#nowMs() - (failures.at(-1) ?? 0) < periodMs;
      if (isRecent && this.#failures.size <= maxAddresses) return;
      this.#failures.delete(network);
    }
  }
}

/** Returns an IPv4 address, or the /64 network of an IPv6 address: that is what one customer gets. */
function networkOf(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [bare = ""] = address.split("%", 1);
  if (!isIPv6(bare)) return address;
  const [head = "", tail] = bare.split("::", 2);
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - after.length);
  const all = [...groups, ...Array<string>(zeros).fill("0"), ...after];
  return all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}
