import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Delivery,
  type Endpoint,
  EndpointSchema,
  type SessionRecord,
} from "../../gen/sessiond/store/v1/store_pb.js";
import { WebhookDelivery_State as State } from "../../gen/sessiond/v1/webhook_pb.js";
import { type DeliveryName, deliveryNameOf } from "../domain/delivery.ts";
import { invalidArgument, SessionError, sessionNotFound } from "../domain/errors.ts";
import { testEvent } from "../domain/event.ts";
import type { Backend } from "../ports/backend.ts";
import type { Random, WallClock } from "../ports/system.ts";

/** What a webhook log reads and writes. */
export interface WebhookLogOptions {
  readonly backend: Pick<Backend, "sessions" | "outbox">;
  readonly clock: WallClock;
  readonly random: Pick<Random, "ulid">;
}

/** Which deliveries to list, and how many. */
export interface DeliveryPageRequest {
  /** STATE_UNSPECIFIED: in any. */
  readonly state: State;
  /** "": to any. */
  readonly endpointId: string;
  readonly pageSize: number;
  /** `nextPageToken` of the page before; "": from the newest on. */
  readonly pageToken: string;
}

/** A delivery and its endpoint, where that is still there. */
export interface DeliveryWithEndpoint {
  readonly delivery: Delivery;
  readonly endpoint: Endpoint | undefined;
}

/** How many failed deliveries are made due again in one write. */
const resendBatch = 100;

/** The log of webhook deliveries, and sending them again, as the API calls it. Rejects with SessionError for reasons that a caller can understand. */
export class WebhookLog {
  readonly #options: WebhookLogOptions;

  constructor(options: WebhookLogOptions) {
    this.#options = options;
  }

  /** A page of a session's deliveries, newest event first. */
  async deliveries(session: string, request: DeliveryPageRequest) {
    await this.#record(session);
    const before = request.pageToken === "" ? undefined : placeOf(request.pageToken);
    const found = await this.#options.backend.outbox.deliveries(session, {
      state: request.state,
      ...(request.endpointId && { endpointId: request.endpointId }),
      ...(before && { before }),
      limit: request.pageSize + 1,
    });
    const deliveries = found.slice(0, request.pageSize);
    const last = found.length > request.pageSize ? deliveries.at(-1) : undefined;
    return { deliveries: await this.#withEndpoints(session, deliveries), nextPageToken: last ? tokenOf(last) : "" };
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
    const [resent] = await this.#options.backend.outbox.resend(session, [nameOf(delivery)]);
    if (!resent) throw notResendable(session, "The delivery's event is no longer kept");
    return { delivery: resent, endpoint };
  }

  /** Makes deliveries due again that failed at `sinceMs` or later; returns their number. */
  async resendFailed(session: string, sinceMs: number, endpointId: string): Promise<number> {
    await this.#record(session);
    const { backend } = this.#options;
    const usable = new Set((await backend.outbox.endpoints(session)).filter(isUsable).map(({ id }) => id));
    let resent = 0;
    let before: DeliveryName | undefined;
    for (;;) {
      const page = await backend.outbox.deliveries(session, {
        state: State.FAILED,
        ...(endpointId && { endpointId }),
        ...(before && { before }),
        limit: resendBatch,
      });
      const due = page.filter((one) => usable.has(one.endpointId) && settledMs(one) >= sinceMs);
      resent += (await backend.outbox.resend(session, due.map(nameOf))).length;
      const last = page.at(-1);
      if (!last || page.length < resendBatch) return resent;
      before = nameOf(last);
    }
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

  /** Returns a session's configured endpoints that are disabled; none if the session does not exist. */
  async disabledEndpoints(session: string): Promise<Endpoint[]> {
    const endpoints = await this.#options.backend.outbox.endpoints(session);
    return endpoints.filter(({ removed, health }) => !removed && health?.disabledAt !== undefined);
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
    return found.flatMap((delivery) => (delivery ? [{ delivery, endpoint: endpoints.get(delivery.endpointId) }] : []));
  }

  #named(session: string, endpoints: readonly Endpoint[], endpointId: string): Endpoint {
    const endpoint = endpoints.find(({ id, removed }) => id === endpointId && !removed);
    if (endpoint) return endpoint;
    throw new SessionError("ENDPOINT_NOT_FOUND", "The session has no such endpoint", { session, endpoint: endpointId });
  }
}

const isUsable = ({ removed, health }: Endpoint): boolean => !removed && !health?.disabledAt;

const nameOf = ({ event, endpointId }: Delivery): DeliveryName => ({ seq: event?.seq ?? 0n, endpointId });
const settledMs = ({ settledAt }: Delivery): number => (settledAt ? timestampMs(settledAt) : 0);

const tokenOf = (delivery: Delivery): string => `${nameOf(delivery).seq}.${delivery.endpointId}`;

function placeOf(token: string): DeliveryName {
  const [, seq, endpointId] = /^(\d{1,20})\.(.+)$/.exec(token) ?? [];
  if (seq !== undefined && endpointId !== undefined) return { seq: BigInt(seq), endpointId };
  throw invalidArgument([{ field: "pageToken", description: "must be the nextPageToken of a page" }]);
}

const deliveryNotFound = (session: string, delivery: string) =>
  new SessionError("DELIVERY_NOT_FOUND", "Delivery not found", { session, delivery });
const notResendable = (session: string, message: string) =>
  new SessionError("DELIVERY_NOT_RESENDABLE", message, { session });
const endpointDisabled = (session: string, endpoint: string) =>
  new SessionError("ENDPOINT_DISABLED", "The endpoint is disabled; enable it first", { session, endpoint });
