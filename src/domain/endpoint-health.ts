import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { type EndpointHealth, EndpointHealthSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { type AttemptOutcome, isSuccess } from "./delivery.ts";

/** When an endpoint is spared, and when it is switched off. */
export interface HealthPolicy {
  /** It is spared from this many failures in a row on… */
  readonly spareAfterFailures: number;
  /** …if they are of at least this many deliveries: one alone keeps to its own schedule. */
  readonly spareAfterDeliveries: number;
  /** The first pause; each further failure doubles it. */
  readonly minPauseMs: number;
  readonly maxPauseMs: number;
  /** The longest pause that a receiver can ask for all its deliveries; the one it refused waits as long as it was told. */
  readonly maxAskedPauseMs: number;
  /** It is switched off once every attempt has failed for so long. */
  readonly disableAfterMs: number;
  /** While it is switched off, one delivery is tried this often. */
  readonly probeEveryMs: number;
}

export const defaultHealthPolicy: HealthPolicy = {
  spareAfterFailures: 20,
  spareAfterDeliveries: 5,
  minPauseMs: 1_000,
  maxPauseMs: 60_000,
  maxAskedPauseMs: 300_000,
  disableAfterMs: 5 * 86_400_000,
  probeEveryMs: 86_400_000,
};

/** An attempt that was made: what came of it, which one of its delivery it was (from 1), and when it ended. */
export interface MadeAttempt {
  readonly outcome: AttemptOutcome;
  readonly attempt: number;
  readonly nowMs: number;
}

/** How an endpoint fares after an attempt; undefined: all is well. One switched off stays so. */
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
  // Of several pauses the one that ends last holds: attempts made side by side end in any order.
  const untilMs = Math.max(nowMs + pauseMs, before?.sparedUntil ? timestampMs(before.sparedUntil) : 0);
  return create(EndpointHealthSchema, {
    ...failing,
    ...(untilMs > nowMs && { sparedUntil: timestampFromMs(untilMs) }),
  });
}

/** How an endpoint that is switched off fares after the delivery it was tried with; undefined: all is well again. */
export function healthAfterProbe(
  before: EndpointHealth,
  { outcome, nowMs }: Pick<MadeAttempt, "outcome" | "nowMs">,
  policy: HealthPolicy,
): EndpointHealth | undefined {
  if (isSuccess(outcome)) return undefined;
  return { ...before, failures: before.failures + 1, probeAt: timestampFromMs(nowMs + policy.probeEveryMs) };
}

/** When an endpoint that is switched off is next tried, on the clock of its times. */
export function probeAtMs({ disabledAt, probeAt }: EndpointHealth, policy = defaultHealthPolicy): number {
  if (probeAt) return timestampMs(probeAt);
  return (disabledAt ? timestampMs(disabledAt) : 0) + policy.probeEveryMs;
}

/** Whether an endpoint that is switched off is to be tried now. A time further away than the interval is that of another clock. */
export function isProbeDue(health: EndpointHealth, nowMs: number, policy: HealthPolicy): boolean {
  const leftMs = probeAtMs(health, policy) - nowMs;
  return leftMs <= 0 || leftMs > policy.probeEveryMs;
}

function reasonToDisable(outcome: AttemptOutcome, failingMs: number, policy: HealthPolicy): string | undefined {
  // 410 Gone: the receiver asks to be left alone.
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
