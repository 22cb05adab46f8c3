import { BlockList, isIP } from "node:net";

/** IPv4 blocks outside the internet (IANA IPv4 Special-Purpose Address Registry), and addresses of cloud metadata services. */
const insideV4 = [
  "0.0.0.0/8", // this host, unspecified (RFC 791)
  "10.0.0.0/8", // private (RFC 1918)
  "100.64.0.0/10", // carrier-grade NAT (RFC 6598), with Alibaba's metadata
  "127.0.0.0/8", // loopback
  "168.63.129.16/32", // Azure's host
  "169.254.0.0/16", // link-local, with most clouds' metadata
  "172.16.0.0/12", // private
  "192.0.0.0/24", // protocol assignments, with Oracle's metadata
  "192.0.2.0/24", // documentation (RFC 5737)
  "192.31.196.0/24", // AS112 (RFC 7535)
  "192.52.193.0/24", // automatic multicast tunneling (RFC 7450)
  "192.88.99.0/24", // 6to4 relays (RFC 7526)
  "192.168.0.0/16", // private
  "192.175.48.0/24", // AS112 (RFC 7534)
  "198.18.0.0/15", // benchmarking (RFC 2544)
  "198.51.100.0/24", // documentation
  "203.0.113.0/24", // documentation
  "224.0.0.0/4", // multicast
  "240.0.0.0/4", // reserved, with broadcast
] as const;

/** The IPv6 block of the internet (RFC 4291, section 2.4). NAT64, v4-mapped and v4-compatible addresses are outside it. */
const globalV6 = "2000::/3";
/** Blocks within it that embed other addresses or are not for use (IANA IPv6 Special-Purpose Address Registry). */
const insideV6 = [
  "2001::/23", // protocol assignments: Teredo, benchmarking, ORCHID
  "2001:db8::/32", // documentation (RFC 3849)
  "2002::/16", // 6to4 (RFC 3056): an IPv4 address within
  "2620:4f:8000::/48", // AS112
  "3fff::/20", // documentation (RFC 9637)
] as const;

const cidrForm = /^(?<address>[0-9a-f.:]+)(?:\/(?<prefix>\d{1,3}))?$/i;

const inside = { 4: createBlockList(insideV4), 6: createBlockList(insideV6) };
const global = createBlockList([globalV6]);

/** Returns whether an IP address without brackets is outside the internet. Returns true for texts that are not addresses. */
export function isInside(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return inside[4].check(address, "ipv4");
    case 6:
      // A zone id ("%eth0") names an interface of this host.
      return address.includes("%") || !global.check(address, "ipv6") || inside[6].check(address, "ipv6");
    default:
      return true;
  }
}

const loopback = createBlockList(["127.0.0.0/8", "::1"]);

/** Returns the text of an address for errors: for a private address only its family. Loopback addresses are shown. */
export function describeAddress(address: string): string {
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  if (!isInside(address) || loopback.check(address, family)) return address;
  return family === "ipv6" ? "IPv6" : "IPv4";
}

/** Allowed addresses and hosts. */
export interface AllowList {
  hasAddress(address: string): boolean;
  hasHost(host: string): boolean;
}

/** Parses CIDR blocks, addresses and host names. Throws a TypeError that quotes an invalid entry. */
export function parseAllowList(entries: readonly string[]): AllowList {
  const blocks = entries.filter((entry) => parseBlock(entry) !== undefined);
  const hosts = new Set(entries.filter((entry) => parseBlock(entry) === undefined).map(parseHost));
  const list = createBlockList(blocks);
  return {
    hasAddress(address) {
      const family = isIP(address);
      // BlockList would match v4-mapped addresses against IPv4 blocks.
      return family === 4
        ? list.check(address, "ipv4")
        : family === 6 && !isMapped(address) && list.check(address, "ipv6");
    },
    hasHost: (host) => hosts.has(withoutDot(host.toLowerCase())),
  };
}

const mapped = createBlockList(["::ffff:0:0/96"]);
const isMapped = (address: string) => mapped.check(address, "ipv6");

function parseHost(entry: string): string {
  const host = withoutDot(entry.toLowerCase());
  if (entry.includes("/") || URL.parse(`http://${host}`)?.hostname !== host) {
    throw new TypeError(`"${entry}" is neither an address, a CIDR block nor a host name`);
  }
  return host;
}

const withoutDot = (host: string) => host.replace(/\.$/, "");

function parseBlock(entry: string): { address: string; prefix: number; type: "ipv4" | "ipv6" } | undefined {
  const { address = "", prefix } = cidrForm.exec(entry)?.groups ?? {};
  const family = isIP(address);
  if (family === 0) return undefined;
  const bits = family === 4 ? 32 : 128;
  const length = prefix === undefined ? bits : Number(prefix);
  return length <= bits ? { address, prefix: length, type: family === 4 ? "ipv4" : "ipv6" } : undefined;
}

function createBlockList(blocks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of blocks) {
    const block = parseBlock(entry);
    if (block) list.addSubnet(block.address, block.prefix, block.type);
  }
  return list;
}
