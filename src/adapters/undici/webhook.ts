import type { buildConnector } from "undici";
import type { AttemptOutcome } from "../../domain/delivery.ts";
import type { Clock } from "../../ports/system.ts";
import type { WebhookRequest, WebhookSender } from "../../ports/webhook.ts";
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

/** Options for the sender. */
export interface WebhookSenderOptions {
  readonly clock: Clock;
  /** Maximum concurrent connections per origin. The wait for one counts towards an attempt's timeout. */
  readonly connectionsPerOrigin?: number;
  /** TLS options, or a connector that replaces all others and has no guard. */
  readonly connect?: buildConnector.BuildOptions | buildConnector.connector;
  /** Keeps untrusted requests out of the internal network. */
  readonly guard?: GuardOptions;
  /** Looks up the hosts of trusted requests. Default: `node:dns` lookup. */
  readonly resolve?: Resolve;
  /** Chooses proxies. Default: none. */
  readonly proxies?: ChooseProxy | undefined;
}

/** The dispatcher's maximum of attempts in flight, so that none waits. */
const defaultConnectionsPerOrigin = 512;

/** Connections of requests with the same permissions. */
interface Exit {
  readonly lane: Lane;
  /** Rejects hosts that may not be reached through a proxy. */
  readonly admits: ((host: string) => Promise<void>) | undefined;
}

/** Creates a sender over keep-alive HTTP/1.1 connections that verifies certificates. */
export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  const { clock, guard, connect, resolve, proxies } = options;
  const closing = new AbortController();
  // Without the signal a connection attempt would outlive the sender.
  const connecting = { clock, signal: closing.signal, ...(typeof connect === "object" && { tls: connect }) };
  const direct = (find: FindAddresses) => (typeof connect === "function" ? connect : directConnector(find, connecting));
  // A proxy is trusted, since the owner configures it.
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
  // Connections are not shared, since the two exits have different permissions.
  const guarded = guard ? exitOf(allowedAddresses(guard), (host) => checkProxied(host, guard)) : open;
  const forwarding = laneOf(proxyConnector(toProxy));

  /** Starts an exchange. A proxy forwards requests to http URLs; those to https URLs go through a tunnel. */
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
): Promise<AttemptOutcome> {
  if (signal.aborted) return { type: "failed", error: "aborted" };
  const exchange = begin();
  const cancelTimeout = clock.schedule(timeoutMs, () => exchange.timeOut());
  const exchanges = exchangesOf(signal);
  exchanges.add(exchange);
  try {
    return await exchange.outcome;
  } finally {
    cancelTimeout();
    exchanges.delete(exchange);
  }
}

const exchangesBySignal = new WeakMap<AbortSignal, Set<Exchange>>();

/** Returns the exchanges to abort with a signal. One listener serves all, since adding one takes time proportional to their number. */
function exchangesOf(signal: AbortSignal): Set<Exchange> {
  const known = exchangesBySignal.get(signal);
  if (known) return known;
  const exchanges = new Set<Exchange>();
  exchangesBySignal.set(signal, exchanges);
  signal.addEventListener("abort", () => {
    for (const exchange of exchanges) exchange.abort("aborted");
  });
  return exchanges;
}
