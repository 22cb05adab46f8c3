import type { buildConnector } from "undici";
import type { Clock } from "../../ports/system.ts";
import { directConnector } from "./connector.ts";
import { createLane, type Lane } from "./lane.ts";
import { proxyConnector, tunnelConnector } from "./proxy.ts";
import type { ChooseProxy } from "./proxy-rules.ts";
import {
  allAddresses,
  allowedAddresses,
  checkProxied,
  type FindAddresses,
  type GuardOptions,
  type Resolve,
} from "./ssrf-guard.ts";

/** Options for connections to the internet. */
export interface ExitOptions {
  readonly clock: Clock;
  /** Maximum concurrent connections per origin. */
  readonly connectionsPerOrigin: number;
  /** TLS options, or a connector that replaces all others and has no guard. */
  readonly connect?: buildConnector.BuildOptions | buildConnector.connector;
  /** Keeps untrusted requests out of the internal network. */
  readonly guard?: GuardOptions;
  /** Looks up the hosts of trusted requests. Default: `node:dns` lookup. */
  readonly resolve?: Resolve;
  /** Chooses proxies. Default: none. */
  readonly proxies?: ChooseProxy | undefined;
}

/** Connections of requests with the same permissions. */
export interface Exit {
  readonly connect: buildConnector.connector;
  readonly lane: Lane;
  /** Rejects hosts that may not be reached through a proxy. */
  readonly admits: ((host: string) => Promise<void>) | undefined;
}

/** All ways out. Connections are not shared between them, since they have different permissions. */
export interface Exits {
  /** For requests to URLs that the configuration sets. */
  readonly open: Exit;
  /** For requests to URLs that callers set. */
  readonly guarded: Exit;
  /** To the proxies that forward requests to http URLs. */
  readonly forwarding: Omit<Exit, "admits">;
  /** Ends all connections. */
  close(): Promise<void>;
}

/** Opens the ways out over HTTP/1.1 with verified certificates. */
export function openExits({ clock, guard, connect, resolve, proxies, connectionsPerOrigin }: ExitOptions): Exits {
  const closing = new AbortController();
  // Without the signal a connection attempt would outlive the sender.
  const connecting = { clock, signal: closing.signal, ...(typeof connect === "object" && { tls: connect }) };
  const direct = (find: FindAddresses) => (typeof connect === "function" ? connect : directConnector(find, connecting));
  // A proxy is trusted, since the owner configures it.
  const toProxy = direct(allAddresses(resolve));
  const closers: (() => Promise<void>)[] = [];
  const along = (connector: buildConnector.connector): Omit<Exit, "admits"> => {
    const lane = createLane(connector, connectionsPerOrigin);
    closers.push(lane.close);
    return { connect: connector, lane };
  };
  const exitOf = (find: FindAddresses, admits?: Exit["admits"]): Exit => {
    const tunnels = tunnelConnector(direct(find), admits ?? (async () => {}), {
      ...connecting,
      choose: proxies ?? (() => undefined),
      toProxy,
    });
    closers.push(tunnels.close);
    return { ...along(tunnels.connect), admits };
  };
  const open = exitOf(allAddresses(resolve));
  return {
    open,
    guarded: guard ? exitOf(allowedAddresses(guard), (host) => checkProxied(host, guard)) : open,
    forwarding: along(proxyConnector(toProxy)),
    async close() {
      closing.abort();
      await Promise.all(closers.map((close) => close()));
    },
  };
}
