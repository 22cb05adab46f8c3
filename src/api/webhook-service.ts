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
import type { AllWebhooks } from "../app/all-webhooks.ts";
import type { Clock } from "../app/shown-time.ts";
import { toWallHealth, toWallTime } from "../app/shown-time.ts";
import type { DeliveryWithEndpoint, WebhookLog } from "../app/webhook-log.ts";
import { maskUrl } from "../domain/config.ts";
import { stateOf } from "../domain/delivery.ts";
import { endpointStateOf, probeAtMs } from "../domain/endpoint-health.ts";

const defaultPageSize = 50;

type WallTime = Pick<Clock, "wallMsAt">;

/** Creates WebhookService on top of the webhook log, and of the webhooks of all sessions. */
export function createWebhookService(
  log: WebhookLog,
  all: AllWebhooks,
  clock: WallTime,
): ServiceImpl<typeof WebhookService> {
  const shown = (found: DeliveryWithEndpoint) => deliveryView(found, clock);
  return {
    async listDeliveries({ session, state, endpoint, url, since, pageSize, pageToken }) {
      const filter = { session, state, url, endpointId: endpoint, sinceMs: since ? timestampMs(since) : 0 };
      const page = { pageSize: pageSize || defaultPageSize, pageToken };
      const { deliveries, nextPageToken } = await all.deliveries(filter, page);
      return { deliveries: deliveries.map(shown), nextPageToken };
    },
    getDelivery: async ({ session, delivery }) => ({ delivery: shown(await log.delivery(session, delivery)) }),
    resendDelivery: async ({ session, delivery }) => ({ delivery: shown(await log.resend(session, delivery)) }),
    async resendFailed({ session, since, endpoint, url }) {
      const filter = { session, url, endpointId: endpoint, sinceMs: since ? timestampMs(since) : 0 };
      return { resent: await all.resendFailed(filter) };
    },
    async sendTestEvent({ session, endpoint }) {
      return { deliveries: (await log.sendTest(session, endpoint)).map(shown) };
    },
    async listEndpoints({ session, url, state, pageSize, pageToken }) {
      const found = await all.endpoints({ session, url, state }, { pageSize, pageToken });
      return {
        endpoints: found.items.map((one) => endpointView(one.session, one.endpoint, clock)),
        nextPageToken: found.nextPageToken,
        totalSize: found.totalSize,
      };
    },
    enableEndpoint: async ({ session, endpoint }) => ({
      endpoint: endpointView(session, await log.enable(session, endpoint), clock),
    }),
  };
}

/** Converts a delivery to its API form. The event's content is for the receiver only and left out. */
export function deliveryView({ session, delivery, endpoint }: DeliveryWithEndpoint, clock: WallTime): WebhookDelivery {
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
    session,
  });
}

/** Converts an endpoint to its API form. */
export function endpointView(session: string, endpoint: Endpoint, clock: WallTime): WebhookEndpoint {
  const { id, config, removed, health } = endpoint;
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
    session,
    state: endpointStateOf(endpoint),
  });
}
