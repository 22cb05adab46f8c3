import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { Endpoint } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  type WebhookDelivery,
  WebhookDeliverySchema,
  type WebhookEndpoint,
  WebhookEndpointSchema,
} from "../../gen/sessiond/v1/webhook_pb.js";
import type { WebhookService } from "../../gen/sessiond/v1/webhook_service_pb.js";
import type { Clock } from "../app/shown-time.ts";
import { toWallHealth, toWallTime } from "../app/shown-time.ts";
import type { DeliveryWithEndpoint, WebhookLog } from "../app/webhook-log.ts";
import { maskUrl } from "../domain/config.ts";
import { stateOf } from "../domain/delivery.ts";
import { probeAtMs } from "../domain/endpoint-health.ts";

const defaultPageSize = 50;

type WallTime = Pick<Clock, "wallMsAt">;

/** Creates WebhookService on top of the webhook log. */
export function createWebhookService(log: WebhookLog, clock: WallTime): ServiceImpl<typeof WebhookService> {
  const shown = (found: DeliveryWithEndpoint) => deliveryView(found, clock);
  return {
    async listDeliveries({ session, state, endpoint, pageSize, pageToken }) {
      const request = { state, endpointId: endpoint, pageSize: pageSize || defaultPageSize, pageToken };
      const { deliveries, nextPageToken } = await log.deliveries(session, request);
      return { deliveries: deliveries.map(shown), nextPageToken };
    },
    getDelivery: async ({ session, delivery }) => ({ delivery: shown(await log.delivery(session, delivery)) }),
    resendDelivery: async ({ session, delivery }) => ({ delivery: shown(await log.resend(session, delivery)) }),
    async resendFailed({ session, since, endpoint }) {
      return { resent: await log.resendFailed(session, since ? timestampMs(since) : 0, endpoint) };
    },
    async sendTestEvent({ session, endpoint }) {
      return { deliveries: (await log.sendTest(session, endpoint)).map(shown) };
    },
    listEndpoints: async ({ session }) => ({
      endpoints: (await log.endpoints(session)).map((endpoint) => endpointView(endpoint, clock)),
    }),
    enableEndpoint: async ({ session, endpoint }) => ({
      endpoint: endpointView(await log.enable(session, endpoint), clock),
    }),
  };
}

/** Converts a delivery to its API form. The event's content is for the receiver only and left out. */
export function deliveryView({ delivery, endpoint }: DeliveryWithEndpoint, clock: WallTime): WebhookDelivery {
  const { id, endpointId, event, attempts, log, dueAt, settledAt, reason } = delivery;
  return create(WebhookDeliverySchema, {
    id,
    endpointId,
    url: maskUrl(endpoint?.config?.url ?? ""),
    eventId: event?.id ?? "",
    eventName: event?.name ?? "",
    eventSeq: event?.seq ?? 0n,
    ...(event?.time && { eventTime: event.time }),
    state: stateOf(delivery),
    attemptCount: attempts,
    attempts: log,
    ...(dueAt && { nextAttemptAt: toWallTime(dueAt, clock) }),
    ...(settledAt && { settledAt }),
    reason,
  });
}

/** Converts an endpoint to its API form. */
export function endpointView({ id, config, removed, health }: Endpoint, clock: WallTime): WebhookEndpoint {
  const shown = health && toWallHealth(health, clock);
  const { disabledAt, disabledReason = "", failures = 0, failingSince, sparedUntil } = shown ?? {};
  return create(WebhookEndpointSchema, {
    id,
    url: maskUrl(config?.url ?? ""),
    events: config?.events ?? [],
    removed,
    disabled: disabledAt !== undefined,
    ...(disabledAt && { disabledAt }),
    disabledReason,
    consecutiveFailures: failures,
    ...(failingSince && { failingSince }),
    ...(sparedUntil && { sparedUntil }),
    ...(shown?.disabledAt && { nextProbeAt: timestampFromMs(probeAtMs(shown)) }),
  });
}
