import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { type Endpoint, type EndpointHealth, EndpointHealthSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { WebhookEndpoint_State as State } from "../../gen/sessiond/v1/webhook_pb.js";
import { type AttemptOutcome, isSuccess } from "./delivery.ts";

/** Rules for pausing an endpoint, and for disabling it. */
export interface HealthPolicy {
  /** Consecutive failures after which the endpoint is paused… */
  readonly spareAfterFailures: number;
  /** …if they belong to at least this many deliveries, so that one bad delivery cannot pause the endpoint. */
  readonly spareAfterDeliveries: number;
  /** Length of the first pause. Each further failure doubles it. */
  readonly minPauseMs: number;
  readonly maxPauseMs: number;
  /**
   * Longest pause of all deliveries that a receiver's Retry-After can cause. The refused delivery itself waits the full
   * time.
   */
  readonly maxAskedPauseMs: number;
  /** Time without a successful attempt after which the endpoint is disabled. */
  readonly disableAfterMs: number;
  /** Interval at which a disabled endpoint is probed with one delivery. */
  readonly probeEveryMs: number;
}

/** Production values of the rules. */
export const defaultHealthPolicy: HealthPolicy = {
  spareAfterFailures: 20,
  spareAfterDeliveries: 5,
  minPauseMs: 1_000,
  maxPauseMs: 60_000,
  maxAskedPauseMs: 300_000,
  disableAfterMs: 5 * 86_400_000,
  probeEveryMs: 86_400_000,
};

/** A completed attempt: its result, its number within the delivery (from 1), and the time of its end. */
export interface MadeAttempt {
  readonly outcome: AttemptOutcome;
  readonly attempt: number;
  readonly nowMs: number;
}

/** Returns the state of an endpoint as the API reports it. */
export function endpointStateOf({ health }: Pick<Endpoint, "health">): State {
  if (health?.disabledAt) return State.DISABLED;
  return health && health.failures > 0 ? State.FAILING : State.HEALTHY;
}

/** Returns the health of an endpoint after an attempt; undefined means healthy. A disabled endpoint stays disabled. */
export function healthAfter(
  before: EndpointHealth | undefined,
  { outcome, attempt, nowMs }: MadeAttempt,
  policy: HealthPolicy,
): EndpointHealth | undefined {
  if (before?.disabledAt) return before;
  if (isSuccess(outcome)) return undefined;
  const failures = (before?.failures ?? 0) + 1;
  const failedDeliveries = (before?.failedDeliveries ?? 0) + (attempt === 1 ? 1 : 0);
  const failingSince = before?.failingSince ?? timestampFromMs(nowMs);
  const failing = { failures, failedDeliveries, failingSince };
  const reason = reasonToDisable(outcome, nowMs - timestampMs(failingSince), policy);
  if (reason) {
    const probeAt = timestampFromMs(nowMs + policy.probeEveryMs);
    const disabled = { disabledAt: timestampFromMs(nowMs), disabledReason: reason, probeAt };
    return create(EndpointHealthSchema, { ...failing, ...disabled });
  }
  const pauseMs = Math.max(pauseAfter(failures, failedDeliveries, policy), askedPause(outcome, policy));
  // The pause that ends last wins, because concurrent attempts end in any order.
  const untilMs = Math.max(nowMs + pauseMs, before?.sparedUntil ? timestampMs(before.sparedUntil) : 0);
  return create(EndpointHealthSchema, {
    ...failing,
    ...(untilMs > nowMs && { sparedUntil: timestampFromMs(untilMs) }),
  });
}

/** Returns the health of a disabled endpoint after a probe; undefined means healthy. */
export function healthAfterProbe(
  before: EndpointHealth,
  { outcome, nowMs }: Pick<MadeAttempt, "outcome" | "nowMs">,
  policy: HealthPolicy,
): EndpointHealth | undefined {
  if (isSuccess(outcome)) return undefined;
  return { ...before, failures: before.failures + 1, probeAt: timestampFromMs(nowMs + policy.probeEveryMs) };
}

/** Returns the time of a disabled endpoint's next probe, on the clock of the stored times. */
export function probeAtMs({ disabledAt, probeAt }: EndpointHealth, policy = defaultHealthPolicy): number {
  if (probeAt) return timestampMs(probeAt);
  return (disabledAt ? timestampMs(disabledAt) : 0) + policy.probeEveryMs;
}

/**
 * Returns true if a disabled endpoint is due for a probe. A due time further away than the interval comes from a clock that was
 * reset.
 */
export function isProbeDue(health: EndpointHealth, nowMs: number, policy: HealthPolicy): boolean {
  const leftMs = probeAtMs(health, policy) - nowMs;
  return leftMs <= 0 || leftMs > policy.probeEveryMs;
}

function reasonToDisable(outcome: AttemptOutcome, failingMs: number, policy: HealthPolicy): string | undefined {
  // 410 Gone: the receiver asks for no more requests.
  if (outcome.type === "answered" && outcome.status === 410) return "answered 410";
  if (failingMs < policy.disableAfterMs) return undefined;
  return `every attempt failed for ${Math.floor(policy.disableAfterMs / 86_400_000)} days`;
}

function pauseAfter(failures: number, failedDeliveries: number, policy: HealthPolicy): number {
  if (failures < policy.spareAfterFailures || failedDeliveries < policy.spareAfterDeliveries) return 0;
  return Math.min(policy.minPauseMs * 2 ** (failures - policy.spareAfterFailures), policy.maxPauseMs);
}

function askedPause(outcome: AttemptOutcome, policy: HealthPolicy): number {
  if (outcome.type !== "answered" || (outcome.status !== 429 && outcome.status !== 503)) return 0;
  return Math.min(outcome.retryAfterMs ?? 0, policy.maxAskedPauseMs);
}
