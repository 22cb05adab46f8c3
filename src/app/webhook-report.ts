import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Endpoint, EndpointHealth } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../gen/sessiond/v1/event_pb.js";
import { type WebhookAttempt, WebhookAttemptSchema } from "../../gen/sessiond/v1/webhook_pb.js";
import { maskUrl } from "../domain/config.ts";
import { type AttemptOutcome, endpointIdsFor, type Verdict } from "../domain/delivery.ts";
import { disabledEventName, type EventContext, webhookDisabledEvent } from "../domain/event.ts";
import type { NewEvent } from "../ports/outbox.ts";

/** Returns the log entry of an attempt. */
export function toAttemptLog(
  outcome: AttemptOutcome,
  verdict: Verdict,
  { startWallMs, durationMs }: { startWallMs: number; durationMs: number },
): WebhookAttempt {
  return create(WebhookAttemptSchema, {
    time: timestampFromMs(startWallMs),
    latencyMs: Math.max(0, Math.round(durationMs)),
    ...(outcome.type === "answered" ? { status: outcome.status, error: outcome.note ?? "" } : { error: outcome.error }),
    ...(verdict.type === "retry" && { nextAttemptAt: timestampFromMs(startWallMs + durationMs + verdict.delayMs) }),
  });
}

/** Returns true if an attempt has disabled an endpoint that was enabled before. */
export const isDisabling = (before: EndpointHealth | undefined, after: EndpointHealth | undefined): boolean =>
  after?.disabledAt !== undefined && before?.disabledAt === undefined;

/** Creates the event of an endpoint's disabling, addressed to the session's other endpoints that subscribe to it. */
export function createDisabledEvent(
  about: Event,
  disabled: Endpoint,
  health: EndpointHealth,
  endpoints: readonly Endpoint[],
  context: EventContext,
): NewEvent {
  const { failingSince, disabledReason: reason } = health;
  const url = maskUrl(disabled.config?.url ?? "");
  const payload = { endpointId: disabled.id, url, reason, ...(failingSince && { failingSince }) };
  const others = endpoints.filter(({ id, removed }) => !removed && id !== disabled.id);
  return {
    event: webhookDisabledEvent(about, payload, context),
    endpointIds: endpointIdsFor(disabledEventName, others),
  };
}
