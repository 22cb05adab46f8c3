import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { CallMetrics, WebhookMetrics } from "../../ports/metrics.ts";

/** One value of a gauge, with the labels it stands under. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What is looked up when the metrics are asked for. */
export interface Gauges {
  /** By status and engine. */
  readonly sessions: readonly Sample[];
  /** By session: seconds since WhatsApp was heard. */
  readonly inboundAges: readonly Sample[];
  /** By state. */
  readonly pendingDeliveries: readonly Sample[];
  /** Devices that are still to be unlinked at WhatsApp. */
  readonly pendingUnlinks: number;
  /** How long the oldest event has waited for its first attempt. */
  readonly oldestPendingMs: number;
}

/** Everything the server counts. */
export interface Metrics extends WebhookMetrics, CallMetrics {
  /** An HTTP request was answered. */
  answered(method: string, status: number, durationMs: number): void;
  /** All of it in Prometheus's text format. */
  render(): Promise<{ contentType: string; body: string }>;
}

const callSeconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30];
const attemptSeconds = [0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const lagSeconds = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 3600];

/** The methods worth telling apart; anybody can make up more. */
const httpMethods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** A registry of its own; `gauges` is asked each time the metrics are. */
export function createMetrics(gauges: () => Promise<Gauges>): Metrics {
  const registers = [new Registry()];
  const [registry = new Registry()] = registers;
  collectDefaultMetrics({ register: registry });
  const counter = (name: string, help: string, ...labelNames: string[]) =>
    new Counter({ name, help, labelNames, registers });
  const gauge = (name: string, help: string, ...labelNames: string[]) =>
    new Gauge({ name, help, labelNames, registers });
  const histogram = (name: string, help: string, buckets: number[], ...labelNames: string[]) =>
    new Histogram({ name, help, buckets, labelNames, registers });

  const attempts = histogram(
    "sessiond_webhook_attempt_seconds",
    "How long webhook attempts took",
    attemptSeconds,
    "result",
  );
  const settled = counter("sessiond_webhook_deliveries_total", "Deliveries that came to their end", "outcome");
  const lag = histogram("sessiond_webhook_lag_seconds", "From an event to the first attempt to deliver it", lagSeconds);
  const rpcs = histogram(
    "sessiond_rpc_seconds",
    "How long RPCs took, over whichever protocol",
    callSeconds,
    "method",
    "code",
  );
  const http = histogram("sessiond_http_seconds", "How long HTTP requests took", callSeconds, "method", "status");
  const sessions = gauge("sessiond_sessions", "Sessions", "status", "engine");
  const inboundAge = gauge(
    "sessiond_session_last_inbound_age_seconds",
    "How long ago anything came in from WhatsApp, for each session that is connected",
    "session",
  );
  const pending = gauge("sessiond_webhook_pending", "Deliveries on their way", "state");
  const unlinks = gauge(
    "sessiond_pending_unlinks",
    "Devices of sessions logged out or deleted that are still to be unlinked at WhatsApp",
  );
  const oldest = gauge(
    "sessiond_webhook_oldest_pending_seconds",
    "How long the oldest event has waited for its first attempt",
  );

  return {
    attempted: (result, durationMs) => attempts.observe({ result }, durationMs / 1000),
    settled: (outcome) => settled.inc({ outcome }),
    started: (lagMs) => lag.observe(Math.max(0, lagMs) / 1000),
    called: (method, code, durationMs) => rpcs.observe({ method, code }, durationMs / 1000),
    answered(method, status, durationMs) {
      http.observe({ method: httpMethods.has(method) ? method : "other", status }, durationMs / 1000);
    },
    async render() {
      const now = await gauges();
      sessions.reset();
      for (const { labels, value } of now.sessions) sessions.set({ ...labels }, value);
      inboundAge.reset();
      for (const { labels, value } of now.inboundAges) inboundAge.set({ ...labels }, value);
      for (const { labels, value } of now.pendingDeliveries) pending.set({ ...labels }, value);
      unlinks.set(now.pendingUnlinks);
      oldest.set(now.oldestPendingMs / 1000);
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}
