import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { EndpointHealth } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../gen/sessiond/v1/event_pb.js";
import type { WebhookConfig } from "../../gen/sessiond/v1/session_pb.js";
import { type AttemptOutcome, globalEndpointId, type Verdict, verdictOn, verdictOnProbe } from "../domain/delivery.ts";
import {
  defaultHealthPolicy,
  type HealthPolicy,
  healthAfter,
  healthAfterProbe,
  isProbeDue,
  type MadeAttempt,
} from "../domain/endpoint-health.ts";
import type { Standing } from "../ports/cluster.ts";
import type { WebhookMetrics } from "../ports/metrics.ts";
import type { AttemptReport, Claim, NewEvent, Outbox } from "../ports/outbox.ts";
import { LeaseLost } from "../ports/sessions.ts";
import type { Clock, Logger, Random } from "../ports/system.ts";
import type { WebhookSender } from "../ports/webhook.ts";
import { isThawed } from "./frozen.ts";
import { toWallHealth } from "./shown-time.ts";
import { createDisabledEvent, isDisabling, toAttemptLog } from "./webhook-report.ts";
import { type Attempt, type RequestContext, webhookRequest } from "./webhook-request.ts";

/** Dependencies and limits of a dispatcher. */
export interface DispatcherOptions extends RequestContext {
  readonly outbox: Pick<Outbox, "claims" | "endpoints">;
  readonly sender: WebhookSender;
  readonly clock: Clock;
  readonly random: Pick<Random, "unit" | "ulid">;
  readonly logger: Logger;
  readonly metrics?: WebhookMetrics;
  /** Nothing is sent while the node is frozen: another one may take its sessions. */
  readonly standing?: Standing | undefined;
  /** When endpoints are spared and switched off. */
  readonly health?: HealthPolicy;
  /** Attempts at a time. */
  readonly maxInFlight?: number;
}

const defaultMaxInFlight = 512;
/** Default time that `stop` waits for attempts in flight. */
const defaultStopTimeoutMs = 10_000;
/** The wait before a read or write of the queue that failed is tried again. */
const backendRetryMs = 1000;

/** Carries due deliveries to their endpoints, for as long as it runs. Single use. */
export class WebhookDispatcher {
  readonly #options: DispatcherOptions;
  readonly #maxInFlight: number;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #claiming = new AbortController();
  readonly #sending = new AbortController();
  /** Attempts under way that find out whether an endpoint that is switched off takes deliveries again. */
  readonly #probes = new Map<string, Promise<void>>();
  #claims: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #onRoom: (() => void) | undefined;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#maxInFlight = options.maxInFlight ?? defaultMaxInFlight;
  }

  /** Begins. Idempotent; does nothing once stopped. */
  start(): void {
    if (this.#stopped) return;
    this.#claims ??= this.#claim();
  }

  /**
   * Claims no more and resolves when nothing is in flight; what is not through after `timeoutMs` is cut off and left
   * unsettled, so that it is due again. Idempotent.
   */
  stop(timeoutMs = defaultStopTimeoutMs): Promise<void> {
    this.#stopped ??= this.#stop(timeoutMs);
    return this.#stopped;
  }

  async #stop(timeoutMs: number): Promise<void> {
    this.#claiming.abort();
    const cancel = this.#options.clock.schedule(timeoutMs, () => this.#sending.abort());
    await this.#claims;
    await Promise.all(this.#inFlight);
    cancel();
  }

  async #claim(): Promise<void> {
    const { outbox, logger } = this.#options;
    const { signal } = this.#claiming;
    while (!signal.aborted) {
      try {
        for await (const claim of outbox.claims(signal)) {
          // A claim that came with the stop stays unsettled.
          if (signal.aborted) return;
          this.#carry(claim);
          if (this.#inFlight.size >= this.#maxInFlight) await this.#room();
        }
        return;
      } catch (error) {
        if (signal.aborted) return;
        logger.error({ err: error }, "reading due webhooks failed");
        await this.#pause(backendRetryMs, signal);
      }
    }
  }

  #carry(claim: Claim): void {
    const carried = this.#attempt(claim)
      .catch((error: unknown) => this.#options.logger.error(line(claim, { err: error }), "webhook attempt failed"))
      .finally(() => {
        this.#inFlight.delete(carried);
        this.#onRoom?.();
      });
    this.#inFlight.add(carried);
  }

  #room(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onRoom = resolve;
    return promise;
  }

  async #attempt(claim: Claim): Promise<void> {
    const { health, id } = claim.endpoint;
    if (!health?.disabledAt) return this.#post(claim);
    const name = `${id} ${claim.delivery.event?.session}`;
    const probe = this.#probes.get(name);
    // It may be in use again then.
    if (probe) return probe.then(() => this.#attempt(claim));
    const { clock, health: policy = defaultHealthPolicy } = this.#options;
    if (isProbeDue(health, clock.nowMs(), policy)) {
      const posted = this.#post(claim);
      const ended = posted.catch(() => {}).finally(() => this.#probes.delete(name));
      this.#probes.set(name, ended);
      return posted;
    }
    const reason = `the endpoint is disabled: ${health.disabledReason}`;
    return this.#settle(claim, { type: "give_up", reason }, {});
  }

  /** Posts a delivery: to an endpoint that is switched off, as a probe. */
  async #post(claim: Claim): Promise<void> {
    const { clock, random, logger, metrics } = this.#options;
    const { delivery, endpoint } = claim;
    const { event } = delivery;
    const { config } = endpoint;
    if (!event || !config) {
      return this.#settle(claim, { type: "give_up", reason: "the stored delivery is incomplete" }, {});
    }
    // Left as it is, it is due again here after the stop, or at the new owner.
    if (this.#options.standing?.isFrozen && !(await isThawed(this.#options.standing, this.#claiming.signal))) return;
    const attempt = delivery.attempts + 1;
    const wasDisabled = endpoint.health?.disabledAt !== undefined;
    const startMs = clock.nowMs();
    const startWallMs = clock.wallMs();
    if (delivery.log.length === 0 && event.time) metrics?.started(startWallMs - timestampMs(event.time));
    const trusted = endpoint.id === globalEndpointId;
    const outcome = await this.#send(claim, { id: delivery.id, event, config, nowMs: startWallMs, trusted });
    const endMs = clock.nowMs();
    const durationMs = endMs - startMs;
    logger.debug(line(claim, { attempt, ...outcome, durationMs }), "webhook attempt");
    if (outcome.type === "failed" && this.#sending.signal.aborted) return;
    const made = { outcome, attempt, nowMs: endMs };
    // It may have been switched off, or enabled, meanwhile.
    const disabled = wasDisabled && claim.endpoint.health?.disabledAt ? claim.endpoint.health : undefined;
    const verdict = disabled
      ? verdictOnProbe(outcome, disabled.disabledReason)
      : verdictOn(outcome, attempt, config.retries, random.unit());
    metrics?.attempted(verdict.type === "done" ? "success" : "failure", durationMs);
    const health = disabled ? this.#healthAfterProbe(claim, disabled, made) : await this.#health(claim, event, made);
    const logged = toAttemptLog(outcome, verdict, { startWallMs, durationMs });
    await this.#settle(claim, verdict, { attempt: logged, ...health });
  }

  /** Returns the health of an endpoint after a probe. */
  #healthAfterProbe(claim: Claim, before: EndpointHealth, made: MadeAttempt): Pick<AttemptReport, "health"> {
    const { logger, health: policy = defaultHealthPolicy } = this.#options;
    const after = healthAfterProbe(before, made, policy);
    if (!after) logger.info(line(claim, {}), "webhook.enabled");
    return { health: after ?? null };
  }

  /** Returns the health of an endpoint after an attempt, if it has changed. */
  async #health(claim: Claim, event: Event, made: MadeAttempt): Promise<Pick<AttemptReport, "health" | "events">> {
    const { outbox, clock, random, logger, health: policy = defaultHealthPolicy } = this.#options;
    const after = () => healthAfter(claim.endpoint.health, made, policy);
    if (!isDisabling(claim.endpoint.health, after())) return healthReport(claim.endpoint.health, after());
    const endpoints = await outbox.endpoints(event.session);
    const before = claim.endpoint.health;
    const health = after();
    // Another attempt may have had the same answer meanwhile.
    if (!health || !isDisabling(before, health)) return healthReport(before, health);
    logger.warn(line(claim, { reason: health.disabledReason }), "webhook.disabled");
    const nowMs = clock.wallMs();
    const context = { nowMs, ulid: () => random.ulid(nowMs) };
    const note: NewEvent = createDisabledEvent(event, claim.endpoint, toWallHealth(health, clock), endpoints, context);
    return { health, events: [note] };
  }

  /** A fault of ours counts as a failed attempt: the schedule then bounds how often it shows. */
  async #send(claim: Claim, attempt: Attempt): Promise<AttemptOutcome> {
    try {
      return await this.#options.sender.post(webhookRequest(attempt, this.#options), this.#sending.signal);
    } catch (error) {
      this.#options.logger.error(line(claim, { err: error }), "sending a webhook threw");
      return { type: "failed", error: "internal error" };
    }
  }

  /** Writes the verdict, again and again while the queue cannot take it: another attempt would be a repeat. */
  async #settle(claim: Claim, verdict: Verdict, report: AttemptReport): Promise<void> {
    const { logger, metrics } = this.#options;
    const { signal } = this.#sending;
    do {
      try {
        await write(claim, verdict, report);
        if (verdict.type !== "retry") metrics?.settled(verdict.type === "done" ? "delivered" : "failed");
        // That an endpoint is disabled was said once.
        const level = claim.endpoint.health?.disabledAt ? "debug" : "warn";
        if (verdict.type === "give_up") logger[level](line(claim, { reason: verdict.reason }), "webhook given up");
        return;
      } catch (error) {
        // The new owner settles it.
        if (error instanceof LeaseLost) return;
        logger.error(line(claim, { err: error }), "settling a webhook failed");
        await this.#pause(backendRetryMs, signal);
      }
    } while (!signal.aborted);
  }

  #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.schedule(delayMs, resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    return promise.finally(cancel);
  }
}

function write(claim: Claim, verdict: Verdict, report: AttemptReport): Promise<void> {
  switch (verdict.type) {
    case "done":
      return claim.done(report);
    case "retry":
      return claim.retry(verdict.delayMs, report);
    case "give_up":
      return claim.giveUp(verdict.reason, report);
  }
}

/** An endpoint that is well and stays so is not written. */
const healthReport = (before: EndpointHealth | undefined, after: EndpointHealth | undefined) =>
  before === after ? {} : { health: after ?? null };

/** Returns the fields of a log line about a delivery. */
const line = ({ delivery, endpoint }: Claim, more: object) => ({
  delivery: delivery.id,
  session: delivery.event?.session,
  event: delivery.event?.name,
  endpoint: endpoint.id,
  url: endpoint.config && placeOf(endpoint.config),
  ...more,
});

const places = new WeakMap<WebhookConfig, string>();

/** Where an endpoint is, for the log. A URL's user and query stay out: they may be secrets. */
function placeOf(config: WebhookConfig): string {
  const known = places.get(config);
  if (known !== undefined) return known;
  const url = URL.parse(config.url);
  const place = url ? url.origin + url.pathname : "";
  places.set(config, place);
  return place;
}
