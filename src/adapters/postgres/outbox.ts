import type { Delivery, Endpoint, EndpointHealth } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import type { WebhookDelivery_State as State } from "../../../gen/sessiond/v1/webhook_pb.js";
import type { DeliveryName } from "../../domain/delivery.ts";
import type { Claim, DeliveryQuery, NewEvent, Outbox, QueueStats } from "../../ports/outbox.ts";
import type { MonotonicClock } from "../../ports/system.ts";
import type { DeliveryLog } from "./delivery-log.ts";
import type { SessionJournal } from "./session-journal.ts";

/** Deliveries and endpoints in the database. */
export class PostgresOutbox implements Outbox {
  readonly #journal: SessionJournal;
  readonly #clock: MonotonicClock;
  readonly #deliveryLog: DeliveryLog;

  constructor(journal: SessionJournal, deliveryLog: DeliveryLog, clock: MonotonicClock) {
    this.#journal = journal;
    this.#clock = clock;
    this.#deliveryLog = deliveryLog;
  }

  claims(signal: AbortSignal): AsyncIterable<Claim> {
    return this.#journal.queues.claims(signal);
  }

  append(session: string, events: readonly NewEvent[]): Promise<Event[]> {
    return this.#journal.append(session, events);
  }

  async endpoints(session: string): Promise<Endpoint[]> {
    return this.#journal.endpointsOf(session);
  }

  async setHealth(
    session: string,
    endpointId: string,
    health: EndpointHealth | undefined,
  ): Promise<Endpoint | undefined> {
    const name = { session, endpointId };
    await this.#journal.leases.ensure(session);
    const endpoint = await this.#journal.deliveries.setHealth(name, health);
    this.#journal.queues.healthChanged(name);
    return endpoint;
  }

  deliveries(session: string, query: DeliveryQuery): Promise<Delivery[]> {
    return this.#deliveryLog.list(session, query);
  }

  sessionsWith(state: State): Promise<string[]> {
    return this.#deliveryLog.sessionsWith(state);
  }

  delivery(session: string, name: DeliveryName): Promise<Delivery | undefined> {
    return this.#deliveryLog.get(session, name);
  }

  resend(session: string, names: readonly DeliveryName[]): Promise<Delivery[]> {
    return this.#deliveryLog.resend(session, names, this.#clock.nowMs());
  }

  async queueStats(): Promise<QueueStats> {
    return this.#journal.queues.stats();
  }
}
