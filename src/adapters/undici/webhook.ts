import type { buildConnector } from "undici";
import type { Clock } from "../../ports/system.ts";
import type { WebhookOutcome, WebhookRequest, WebhookSender } from "../../ports/webhook.ts";
import { directConnector } from "./connector.ts";
import { Exchange } from "./exchange.ts";
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

/** How the sender reaches receivers. */
export interface WebhookSenderOptions {
  readonly clock: Clock;
  /** Connections to one origin at a time; an attempt that waits for one spends its own time. */
  readonly connectionsPerOrigin?: number;
  /** TLS options of connections, or a connector in place of all others, which goes with no guard. */
  readonly connect?: buildConnector.BuildOptions | buildConnector.connector;
  /** Keeps requests that are not trusted out of the network inside. */
  readonly guard?: GuardOptions;
  /** Finds the addresses of hosts that are not guarded. Default: `node:dns` lookup. */
  readonly resolve?: Resolve;
  /** Chooses proxies. Default: none. */
  readonly proxies?: ChooseProxy | undefined;
}

/** As many as the dispatcher has attempts in flight, so that none waits. */
const defaultConnectionsPerOrigin = 512;

/** A way out for requests that may reach the same. */
interface Exit {
  readonly lane: Lane;
  /** Rejects hosts that no proxy is to be asked for. */
  readonly admits: ((host: string) => Promise<void>) | undefined;
}

/** Returns a sender over keep-alive HTTP/1.1 connections, with certificates verified. */
export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  const { clock, guard, connect, resolve, proxies } = options;
  const closing = new AbortController();
  // Without the signal a connection in the making would outlive the sender.
  const connecting = { clock, signal: closing.signal, ...(typeof connect === "object" && { tls: connect }) };
  const direct = (find: FindAddresses) => (typeof connect === "function" ? connect : directConnector(find, connecting));
  // A proxy is the owner's own, wherever it is.
  const toProxy = direct(allAddresses(resolve));
  const closers: (() => Promise<void>)[] = [];
  const laneOf = (connector: buildConnector.connector): Lane => {
    const lane = createLane(connector, options.connectionsPerOrigin ?? defaultConnectionsPerOrigin);
    closers.push(lane.close);
    return lane;
  };
  const exitOf = (find: FindAddresses, admits?: Exit["admits"]): Exit => {
    const tunnels = tunnelConnector(direct(find), admits ?? (async () => {}), {
      ...connecting,
      choose: proxies ?? (() => undefined),
      toProxy,
    });
    closers.push(tunnels.close);
    return { lane: laneOf(tunnels.connect), admits };
  };
  const open = exitOf(allAddresses(resolve));
  // Connections are not shared: what one may reach the other may not.
  const guarded = guard ? exitOf(allowedAddresses(guard), (host) => checkProxied(host, guard)) : open;
  const forwarding = laneOf(proxyConnector(toProxy));

  /** The exchange for a request, begun. Requests to http URLs are handed to the proxy, those to https URLs go through a tunnel. */
  const begin = (request: WebhookRequest): Exchange => {
    const { lane, admits } = request.trusted ? open : guarded;
    const url = proxies && URL.parse(request.url);
    const proxy = url?.protocol === "http:" ? proxies?.(url) : undefined;
    const exchange = new Exchange(request, { lane: proxy ? forwarding : lane, proxy, nowMs: () => clock.wallMs() });
    if (proxy && url && admits) admits(url.hostname).then(() => exchange.begin(), exchange.fail.bind(exchange));
    else exchange.begin();
    return exchange;
  };
  return {
    post: (request, signal) => post(() => begin(request), clock, request, signal),
    async close() {
      closing.abort();
      await Promise.all(closers.map((close) => close()));
    },
  };
}

async function post(
  begin: () => Exchange,
  clock: Clock,
  { timeoutMs }: WebhookRequest,
  signal: AbortSignal,
): Promise<WebhookOutcome> {
  if (signal.aborted) return { type: "failed", error: "aborted" };
  const exchange = begin();
  const cancelTimeout = clock.schedule(timeoutMs, () => exchange.timeOut());
  const aborts = abortsOn(signal);
  aborts.add(exchange);
  try {
    return await exchange.outcome;
  } finally {
    cancelTimeout();
    aborts.delete(exchange);
  }
}

const abortsBySignal = new WeakMap<AbortSignal, Set<Exchange>>();

/** What to abort when a signal aborts. It has one listener for all: to add and remove one takes longer with each that is there. */
function abortsOn(signal: AbortSignal): Set<Exchange> {
  const known = abortsBySignal.get(signal);
  if (known) return known;
  const aborts = new Set<Exchange>();
  abortsBySignal.set(signal, aborts);
  signal.addEventListener("abort", () => {
    for (const exchange of aborts) exchange.abort("aborted");
  });
  return aborts;
}
