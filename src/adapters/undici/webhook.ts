import { Agent, buildConnector } from "undici";
import type { Clock } from "../../ports/system.ts";
import type { WebhookOutcome, WebhookRequest, WebhookSender } from "../../ports/webhook.ts";
import { exchange } from "./exchange.ts";
import { type GuardOptions, guardedConnector } from "./ssrf-guard.ts";

/** How the sender reaches receivers. */
export interface WebhookSenderOptions {
  readonly clock: Clock;
  /** Connections to one origin at a time; an attempt that waits for one spends its own time. */
  readonly connectionsPerOrigin?: number;
  /** How connections are made: options of undici's connector, or one in its place, which goes with no guard. */
  readonly connect?: buildConnector.BuildOptions | buildConnector.connector;
  /** Keeps requests that are not trusted out of the network inside. */
  readonly guard?: GuardOptions;
}

/** As many as the dispatcher has attempts in flight, so that none waits. */
const defaultConnectionsPerOrigin = 512;

/** A receiver that cannot be connected to within this time is not there. */
const connectTimeoutMs = 10_000;

/** A sender over keep-alive HTTP/1.1 connections, with certificates verified. */
export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  const { clock, guard, connect } = options;
  const closing = new AbortController();
  const build = (more: buildConnector.BuildOptions) => {
    if (typeof connect === "function") return connect;
    // Without the signal a connection in the making would outlive the sender.
    return buildConnector({ timeout: connectTimeoutMs, allowH2: false, ...connect, ...more, signal: closing.signal });
  };
  const open = agentOf(options, build({}));
  // Connections are not shared: what one may reach the other may not.
  const guarded = guard ? agentOf(options, guardedConnector(build, guard)) : open;
  return {
    post: (request, signal) => post(request.trusted ? open : guarded, clock, request, signal),
    async close() {
      closing.abort();
      await Promise.all([open.destroy(), guarded.destroy()]);
    },
  };
}

function agentOf({ connectionsPerOrigin }: WebhookSenderOptions, connect: buildConnector.connector): Agent {
  return new Agent({
    connections: connectionsPerOrigin ?? defaultConnectionsPerOrigin,
    pipelining: 1,
    // One attempt to a connection: over HTTP/2 those to one receiver would share a fate.
    allowH2: false,
    // The attempt's own time bounds the whole.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect,
  });
}

async function post(agent: Agent, clock: Clock, request: WebhookRequest, signal: AbortSignal): Promise<WebhookOutcome> {
  if (signal.aborted) return { type: "failed", error: "aborted" };
  const { outcome, abort } = exchange(agent, request, () => clock.wallMs());
  const cancelTimeout = clock.schedule(request.timeoutMs, () => abort("timed out"));
  const aborts = abortsOn(signal);
  aborts.add(abort);
  try {
    return await outcome;
  } finally {
    cancelTimeout();
    aborts.delete(abort);
  }
}

type Abort = (error: string) => void;

const abortsBySignal = new WeakMap<AbortSignal, Set<Abort>>();

/** What to call when a signal aborts. It has one listener for all: to add and remove one takes longer with each that is there. */
function abortsOn(signal: AbortSignal): Set<Abort> {
  const known = abortsBySignal.get(signal);
  if (known) return known;
  const aborts = new Set<Abort>();
  abortsBySignal.set(signal, aborts);
  signal.addEventListener("abort", () => {
    for (const abort of aborts) abort("aborted");
  });
  return aborts;
}
