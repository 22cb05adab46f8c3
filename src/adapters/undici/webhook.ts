import type { AttemptOutcome } from "../../domain/delivery.ts";
import type { Clock } from "../../ports/system.ts";
import type { WebhookRequest, WebhookSender } from "../../ports/webhook.ts";
import { Exchange } from "./exchange.ts";
import { type ExitOptions, openExits } from "./exits.ts";

/** Options for the sender. The wait for one of `connectionsPerOrigin` counts towards an attempt's timeout. */
export type WebhookSenderOptions = Omit<ExitOptions, "connectionsPerOrigin"> & Partial<ExitOptions>;

/** The dispatcher's maximum of attempts in flight, so that none waits. */
const defaultConnectionsPerOrigin = 512;

/** Creates a sender over keep-alive HTTP/1.1 connections that verifies certificates. */
export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  const { clock, proxies } = options;
  const { open, guarded, forwarding, close } = openExits({
    ...options,
    connectionsPerOrigin: options.connectionsPerOrigin ?? defaultConnectionsPerOrigin,
  });

  /** Starts an exchange. A proxy forwards requests to http URLs; those to https URLs go through a tunnel. */
  const begin = (request: WebhookRequest): Exchange => {
    const { lane, admits } = request.trusted ? open : guarded;
    const url = proxies && URL.parse(request.url);
    const proxy = url?.protocol === "http:" ? proxies?.(url) : undefined;
    const exchange = new Exchange(request, {
      lane: proxy ? forwarding.lane : lane,
      proxy,
      nowMs: () => clock.wallMs(),
    });
    if (proxy && url && admits) admits(url.hostname).then(() => exchange.begin(), exchange.fail.bind(exchange));
    else exchange.begin();
    return exchange;
  };
  return {
    post: (request, signal) => post(() => begin(request), clock, request, signal),
    close,
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
