import { type AttemptOutcome, type Verdict, verdictOn } from "../domain/delivery.ts";
import { type Backend, type Claim, LeaseLost } from "../ports/backend.ts";
import type { Clock, Logger, Random } from "../ports/system.ts";
import type { WebhookSender } from "../ports/webhook.ts";
import { type Attempt, type RequestContext, webhookRequest } from "./webhook-request.ts";

/** What a dispatcher works with. */
export interface DispatcherOptions extends RequestContext {
  readonly backend: Pick<Backend, "claims">;
  readonly sender: WebhookSender;
  readonly clock: Clock;
  readonly random: Pick<Random, "unit">;
  readonly logger: Logger;
  /** Attempts at a time. */
  readonly maxInFlight?: number;
}

const defaultMaxInFlight = 64;
/** How long `stop` waits for attempts in flight, unless told otherwise. */
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
    const { backend, logger } = this.#options;
    const { signal } = this.#claiming;
    while (!signal.aborted) {
      try {
        for await (const claim of backend.claims(signal)) {
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
      .catch((error: unknown) => this.#options.logger.error({ err: error, ...names(claim) }, "webhook attempt failed"))
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
    const { clock, random, logger } = this.#options;
    const { delivery, endpoint } = claim;
    if (!delivery.event || !endpoint.config) {
      return this.#settle(claim, { type: "give_up", reason: "the stored delivery is incomplete" });
    }
    const attempt = delivery.attempts + 1;
    const startMs = clock.nowMs();
    const outcome = await this.#send(claim, {
      id: delivery.id,
      event: delivery.event,
      config: endpoint.config,
      nowMs: startMs,
    });
    logger.debug({ ...names(claim), attempt, ...outcome, durationMs: clock.nowMs() - startMs }, "webhook attempt");
    if (outcome.type === "failed" && this.#sending.signal.aborted) return;
    await this.#settle(claim, verdictOn(outcome, attempt, endpoint.config.retries, random.unit()));
  }

  /** A fault of ours counts as a failed attempt: the schedule then bounds how often it shows. */
  async #send(claim: Claim, attempt: Attempt): Promise<AttemptOutcome> {
    try {
      return await this.#options.sender.post(webhookRequest(attempt, this.#options), this.#sending.signal);
    } catch (error) {
      this.#options.logger.error({ err: error, ...names(claim) }, "sending a webhook threw");
      return { type: "failed", error: "internal error" };
    }
  }

  /** Writes the verdict, again and again while the queue cannot take it: another attempt would be a repeat. */
  async #settle(claim: Claim, verdict: Verdict): Promise<void> {
    const { logger } = this.#options;
    const { signal } = this.#sending;
    do {
      try {
        await write(claim, verdict);
        if (verdict.type === "give_up") logger.warn({ ...names(claim), reason: verdict.reason }, "webhook given up");
        return;
      } catch (error) {
        // Whoever took over settles what is left.
        if (error instanceof LeaseLost) return;
        logger.error({ err: error, ...names(claim) }, "settling a webhook failed");
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

function write(claim: Claim, verdict: Verdict): Promise<void> {
  switch (verdict.type) {
    case "done":
      return claim.done();
    case "retry":
      return claim.retry(verdict.delayMs);
    case "give_up":
      return claim.giveUp(verdict.reason);
  }
}

/** What a log line calls a delivery. A URL's user and query stay out: they may be secrets. */
function names({ delivery, endpoint }: Claim) {
  const url = URL.parse(endpoint.config?.url ?? "");
  return {
    delivery: delivery.id,
    session: delivery.event?.session,
    event: delivery.event?.name,
    endpoint: endpoint.id,
    url: url ? url.origin + url.pathname : undefined,
  };
}
