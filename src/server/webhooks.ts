import packageJson from "../../package.json" with { type: "json" };
import { nodeSigner } from "../adapters/node/signer.ts";
import { createLazySender } from "../adapters/undici/lazy-sender.ts";
import { keepRetention } from "../app/retention-keeper.ts";
import { WebhookDispatcher } from "../app/webhook-dispatcher.ts";
import type { Config } from "../config/config.ts";
import type { WebhookMetrics } from "../ports/metrics.ts";
import type { AccessRules } from "./access-rules.ts";
import type { Engines } from "./engines.ts";
import type { Tools } from "./overrides.ts";
import type { Store } from "./store.ts";

/** Delivery of webhooks that has not begun. */
export interface Webhooks {
  start(): void;
  /** Ends delivery; attempts in flight have `graceMs` to finish. Idempotent. */
  stop(graceMs: number): Promise<void>;
}

/** Creates the delivery of the store's pending webhooks. */
export async function createWebhooks(
  { backend }: Store,
  rules: AccessRules,
  engines: Engines,
  metrics: WebhookMetrics,
  { clock, random, logger }: Tools,
): Promise<Webhooks> {
  const { webhookProxies: proxies, webhookAllowList: allow } = rules;
  const sender = createLazySender({ clock, proxies, ...(allow && { guard: { allow } }) });
  const environment = { version: packageJson.version, tier: "PLUS", browser: (await engines.browser()) ?? null };
  const standing = backend.cluster?.standing;
  const sending = { outbox: backend.outbox, sender, clock, random, logger, metrics, standing };
  const dispatcher = new WebhookDispatcher({ ...sending, signer: nodeSigner, environment });
  let stopped: Promise<void> | undefined;
  return {
    start: () => dispatcher.start(),
    stop: (graceMs) => (stopped ??= dispatcher.stop(graceMs).then(() => sender.close())),
  };
}

/** Trims the logs of events and deliveries in the background. Returns the function that stops it. */
export function startRetention({ backend, lastWrittenMs }: Store, { webhooks }: Config, { clock, logger }: Tools) {
  const stopping = new AbortController();
  const { retention } = webhooks;
  const stopped = keepRetention({ upkeep: backend.upkeep, retention, clock, logger, lastWrittenMs }, stopping.signal);
  return () => {
    stopping.abort();
    return stopped;
  };
}
