import { create } from "@bufbuild/protobuf";
import {
  type Delivery,
  type Endpoint,
  EndpointSchema,
  type SessionRecord,
} from "../../gen/sessiond/store/v1/store_pb.js";
import { WebhookEndpoint_State as EndpointState } from "../../gen/sessiond/v1/webhook_pb.js";
import { type DeliveryName, deliveryNameOf } from "../domain/delivery.ts";
import { endpointStateOf } from "../domain/endpoint-health.ts";
import { SessionError, sessionNotFound } from "../domain/errors.ts";
import { testEvent } from "../domain/event.ts";
import type { Backend } from "../ports/backend.ts";
import type { Random, WallClock } from "../ports/system.ts";

/** Dependencies of a webhook log. */
export interface WebhookLogOptions {
  readonly backend: Pick<Backend, "sessions" | "outbox">;
  readonly clock: WallClock;
  readonly random: Pick<Random, "ulid">;
}

/** A delivery and its endpoint, where that is still there. */
export interface DeliveryWithEndpoint {
  readonly session: string;
  readonly delivery: Delivery;
  readonly endpoint: Endpoint | undefined;
}

/** The log of webhook deliveries, and sending them again, as the API calls it. Rejects with SessionError for reasons that a caller can understand. */
export class WebhookLog {
  readonly #options: WebhookLogOptions;

  constructor(options: WebhookLogOptions) {
    this.#options = options;
  }

  async delivery(session: string, id: string): Promise<DeliveryWithEndpoint> {
    await this.#record(session);
    const [found] = await this.#withEndpoints(session, [await this.#delivery(session, id)]);
    if (!found) throw deliveryNotFound(session, id);
    return found;
  }

  /** Makes a settled delivery due again. */
  async resend(session: string, id: string): Promise<DeliveryWithEndpoint> {
    const { delivery, endpoint } = await this.delivery(session, id);
    if (!delivery.settledAt) throw notResendable(session, "The delivery is on its way");
    if (!endpoint || endpoint.removed) throw notResendable(session, "The delivery's endpoint is no longer configured");
    if (endpoint.health?.disabledAt) throw endpointDisabled(session, endpoint.id);
    const [resent] = await this.#options.backend.outbox.resend(session, [deliveryNameIn(delivery)]);
    if (!resent) throw notResendable(session, "The delivery's event is no longer kept");
    return { session, delivery: resent, endpoint };
  }

  /** Posts a test event to one endpoint, or with "" to all that are in use. */
  async sendTest(session: string, endpointId: string): Promise<DeliveryWithEndpoint[]> {
    const { backend, clock, random } = this.#options;
    const record = await this.#record(session);
    const endpoints = await backend.outbox.endpoints(session);
    const targets = endpointId === "" ? endpoints.filter(isUsable) : [this.#named(session, endpoints, endpointId)];
    const disabled = targets.find((endpoint) => !isUsable(endpoint));
    if (disabled) throw endpointDisabled(session, disabled.id);
    if (targets.length === 0)
      throw new SessionError("ENDPOINT_NOT_FOUND", "The session has no endpoint in use", { session });
    const nowMs = clock.wallMs();
    const event = testEvent(record, { nowMs, ulid: () => random.ulid(nowMs) });
    const [logged] = await backend.outbox.append(session, [{ event, endpointIds: targets.map(({ id }) => id) }]);
    if (!logged) throw sessionNotFound(session);
    const names = targets.map(({ id }) => ({ seq: logged.seq, endpointId: id }));
    const found = await Promise.all(names.map((name) => backend.outbox.delivery(session, name)));
    return this.#withEndpoints(session, found);
  }

  async endpoints(session: string): Promise<Endpoint[]> {
    await this.#record(session);
    return this.#options.backend.outbox.endpoints(session);
  }

  /** Returns a session's configured endpoints that fail or are disabled; none if the session does not exist. */
  async failingEndpoints(session: string): Promise<Endpoint[]> {
    const endpoints = await this.#options.backend.outbox.endpoints(session);
    return endpoints.filter((one) => !one.removed && endpointStateOf(one) !== EndpointState.HEALTHY);
  }

  /** Takes an endpoint back into use, whatever became of it before. */
  async enable(session: string, endpointId: string): Promise<Endpoint> {
    this.#named(session, await this.endpoints(session), endpointId);
    const enabled = await this.#options.backend.outbox.setHealth(session, endpointId, undefined);
    return enabled ?? create(EndpointSchema, { id: endpointId, removed: true });
  }

  async #record(session: string): Promise<SessionRecord> {
    const { record } = await this.#options.backend.sessions.get(session);
    if (!record) throw sessionNotFound(session);
    return record;
  }

  async #delivery(session: string, id: string): Promise<Delivery | undefined> {
    const name = deliveryNameOf(id);
    const delivery = name && (await this.#options.backend.outbox.delivery(session, name));
    return delivery?.id === id ? delivery : undefined;
  }

  async #withEndpoints(session: string, found: readonly (Delivery | undefined)[]): Promise<DeliveryWithEndpoint[]> {
    const endpoints = new Map((await this.#options.backend.outbox.endpoints(session)).map((each) => [each.id, each]));
    return found.flatMap((delivery) =>
      delivery ? [{ session, delivery, endpoint: endpoints.get(delivery.endpointId) }] : [],
    );
  }

  #named(session: string, endpoints: readonly Endpoint[], endpointId: string): Endpoint {
    const endpoint = endpoints.find(({ id, removed }) => id === endpointId && !removed);
    if (endpoint) return endpoint;
    throw new SessionError("ENDPOINT_NOT_FOUND", "The session has no such endpoint", { session, endpoint: endpointId });
  }
}

/** Returns true if deliveries to an endpoint are attempted. */
export const isUsable = ({ removed, health }: Endpoint): boolean => !removed && !health?.disabledAt;

/** Returns the place of a delivery. */
export const deliveryNameIn = ({ event, endpointId }: Delivery): DeliveryName => ({
  seq: event?.seq ?? 0n,
  endpointId,
});

const deliveryNotFound = (session: string, delivery: string) =>
  new SessionError("DELIVERY_NOT_FOUND", "Delivery not found", { session, delivery });
const notResendable = (session: string, message: string) =>
  new SessionError("DELIVERY_NOT_RESENDABLE", message, { session });
const endpointDisabled = (session: string, endpoint: string) =>
  new SessionError("ENDPOINT_DISABLED", "The endpoint is disabled; enable it first", { session, endpoint });
