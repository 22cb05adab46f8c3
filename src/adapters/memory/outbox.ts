import type { Delivery, Endpoint, EndpointHealth } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import type { WebhookDelivery_State as State } from "../../../gen/sessiond/v1/webhook_pb.js";
import type { DeliveryName } from "../../domain/delivery.ts";
import type { Claim, DeliveryQuery, NewEvent, Outbox, QueueStats } from "../../ports/outbox.ts";
import type { MonotonicClock } from "../../ports/system.ts";
import type { MemoryJournal } from "./journal.ts";

/** Deliveries and endpoints, in memory. */
export class MemoryOutbox implements Outbox {
  readonly #journal: MemoryJournal;
  readonly #clock: MonotonicClock;

  constructor(journal: MemoryJournal, clock: MonotonicClock) {
    this.#journal = journal;
    this.#clock = clock;
  }

  claims(signal: AbortSignal): AsyncIterable<Claim> {
    return this.#journal.queues.claims(signal);
  }

  async append(session: string, events: readonly NewEvent[]): Promise<Event[]> {
    this.#journal.assertOpen();
    return this.#journal.append(session, events);
  }

  async endpoints(session: string): Promise<Endpoint[]> {
    return this.#journal.endpoints.of(session);
  }

  async setHealth(
    session: string,
    endpointId: string,
    health: EndpointHealth | undefined,
  ): Promise<Endpoint | undefined> {
    const name = { session, endpointId };
    const endpoint = this.#journal.endpoints.setHealth(name, health);
    this.#journal.queues.healthChanged(name);
    return endpoint;
  }

  async deliveries(session: string, query: DeliveryQuery): Promise<Delivery[]> {
    return this.#journal.deliveries.list(session, query);
  }

  async sessionsWith(state: State): Promise<string[]> {
    return this.#journal.deliveries.sessionsWith(state);
  }

  async delivery(session: string, name: DeliveryName): Promise<Delivery | undefined> {
    return this.#journal.deliveries.find(session, name);
  }

  async resend(session: string, names: readonly DeliveryName[]): Promise<Delivery[]> {
    const { log, deliveries, queues } = this.#journal;
    const events = log.of(session);
    const event = (seq: bigint) => events.find((one) => one.seq === seq);
    const resent = names.flatMap((name) => deliveries.resend(session, name, this.#clock.nowMs(), event) ?? []);
    queues.addRetries(session, resent);
    return resent;
  }

  async queueStats(): Promise<QueueStats> {
    return this.#journal.queues.stats();
  }
}
