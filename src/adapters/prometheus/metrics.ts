import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { CallMetrics, WebhookMetrics } from "../../ports/metrics.ts";
import { Durations } from "./durations.ts";
import { createNodeInstruments, type NodeFacts } from "./node-instruments.ts";

/** Value of a gauge with its labels. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Values read at each scrape. */
export interface Gauges {
  /** Number of sessions by status and engine. */
  readonly sessions: readonly Sample[];
  /** Seconds since the last input from WhatsApp, by session. */
  readonly inboundAges: readonly Sample[];
  /** Number of pending deliveries by state. */
  readonly pendingDeliveries: readonly Sample[];
  /** Number of devices that remain to be unlinked at WhatsApp. */
  readonly pendingUnlinks: number;
  /** Wait of the oldest event for its first attempt. */
  readonly oldestPendingMs: number;
  /** Left out by a server that is alone. */
  readonly node?: NodeFacts | undefined;
}

/** Metrics of the server. */
export interface Metrics extends WebhookMetrics, CallMetrics {
  /** Records an answered HTTP request. */
  answered(method: string, status: number, durationMs: number): void;
  /** Returns all metrics in Prometheus's text format. */
  render(): Promise<{ contentType: string; body: string }>;
}

const callSeconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30];
const attemptSeconds = [0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const lagSeconds = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 3600];

/** HTTP methods with a label of their own. Clients can invent others. */
const httpMethods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** Creates metrics in a registry of their own. Calls `gauges` at each scrape. */
export function createMetrics(gauges: () => Promise<Gauges>): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const webhooks = createWebhookInstruments([registry]);
  const calls = createCallInstruments([registry]);
  const states = createStateInstruments([registry]);
  return {
    attempted: (result, durationMs) => webhooks.attempts.observe({ result }, durationMs / 1000),
    settled: (outcome) => webhooks.settled.inc({ outcome }),
    started: (lagMs) => webhooks.lag.observe(Math.max(0, lagMs) / 1000),
    called: (method, code, durationMs) => calls.rpcs.record(method, code, durationMs / 1000),
    answered(method, status, durationMs) {
      calls.http.record(httpMethods.has(method) ? method : "other", status, durationMs / 1000);
    },
    async render() {
      states.update(await gauges());
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}

function createCallInstruments(registers: Registry[]) {
  return {
    rpcs: new Durations({
      name: "sessiond_rpc_seconds",
      help: "Duration of RPCs over all protocols",
      buckets: callSeconds,
      labelNames: ["method", "code"],
      registers,
    }),
    http: new Durations({
      name: "sessiond_http_seconds",
      help: "Duration of HTTP requests",
      buckets: callSeconds,
      labelNames: ["method", "status"],
      registers,
    }),
  };
}

function createWebhookInstruments(registers: Registry[]) {
  return {
    attempts: new Histogram({
      name: "sessiond_webhook_attempt_seconds",
      help: "Duration of webhook attempts",
      buckets: attemptSeconds,
      labelNames: ["result"],
      registers,
    }),
    settled: new Counter({
      name: "sessiond_webhook_deliveries_total",
      help: "Settled deliveries",
      labelNames: ["outcome"],
      registers,
    }),
    lag: new Histogram({
      name: "sessiond_webhook_lag_seconds",
      help: "Time from an event to the first attempt to deliver it",
      buckets: lagSeconds,
      registers,
    }),
  };
}

/** Creates the gauges, whose values are read at each scrape. */
function createStateInstruments(registers: Registry[]) {
  const gauge = (name: string, help: string, ...labelNames: string[]) =>
    new Gauge({ name, help, labelNames, registers });
  const sessions = gauge("sessiond_sessions", "Sessions", "status", "engine");
  const inboundAge = gauge(
    "sessiond_session_last_inbound_age_seconds",
    "Time since the last input from WhatsApp, for each connected session",
    "session",
  );
  const pending = gauge("sessiond_webhook_pending", "Pending deliveries", "state");
  const unlinks = gauge(
    "sessiond_pending_unlinks",
    "Devices of sessions logged out or deleted that remain to be unlinked at WhatsApp",
  );
  let node: ReturnType<typeof createNodeInstruments> | undefined;
  const oldest = gauge("sessiond_webhook_oldest_pending_seconds", "Wait of the oldest event for its first attempt");
  return {
    update(now: Gauges): void {
      sessions.reset();
      for (const { labels, value } of now.sessions) sessions.set({ ...labels }, value);
      inboundAge.reset();
      for (const { labels, value } of now.inboundAges) inboundAge.set({ ...labels }, value);
      for (const { labels, value } of now.pendingDeliveries) pending.set({ ...labels }, value);
      unlinks.set(now.pendingUnlinks);
      oldest.set(now.oldestPendingMs / 1000);
      if (!now.node) return;
      node ??= createNodeInstruments(registers);
      node.update(now.node);
    },
  };
}
