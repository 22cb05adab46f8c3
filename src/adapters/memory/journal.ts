import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import type { NewEvent } from "../../ports/outbox.ts";
import type { Clock } from "../../ports/system.ts";
import { type Change, changeByAppending } from "../embedded/change.ts";
import { DeliveryQueues } from "../embedded/delivery-queues.ts";
import { Endpoints } from "../embedded/endpoints.ts";
import { EventWindow } from "../embedded/event-window.ts";
import { Ownership } from "../embedded/ownership.ts";
import { Readers } from "../embedded/readers.ts";
import { Trimmed } from "../embedded/trimmed.ts";
import { MemoryDeliveryStore } from "./delivery-store.ts";

/** Everything that the facets of a memory backend share, and the one place where changes become visible. */
export class MemoryJournal {
  readonly ownership = new Ownership(0n);
  readonly log = new EventWindow(0n);
  readonly endpoints = new Endpoints();
  readonly trimmed = new Trimmed();
  readonly deliveries: MemoryDeliveryStore;
  readonly queues: DeliveryQueues;
  readonly readers = new Readers();
  readonly #hasSession: (session: string) => boolean;
  #seq = 0n;
  #isClosed = false;

  constructor(clock: Clock, hasSession: (session: string) => boolean) {
    this.#hasSession = hasSession;
    this.deliveries = new MemoryDeliveryStore(this.endpoints, {
      isKept: hasSession,
      append: (session, events) => this.append(session, events),
    });
    this.queues = new DeliveryQueues(this.deliveries, clock);
  }

  get lastSeq(): bigint {
    return this.#seq;
  }

  assertOpen(): void {
    if (this.#isClosed) throw new Error("the backend is closed");
  }

  /** Logs events of a session beside its changes. */
  append(session: string, events: readonly NewEvent[]): Event[] {
    const logged = this.#hasSession(session) ? events : [];
    return this.apply(session, changeByAppending(session, logged, this.endpoints, this.#seq));
  }

  /** Applies a change and publishes it; returns its events. */
  apply(session: string, { events, deliveries, endpoints }: Change): Event[] {
    this.#seq += BigInt(events.length);
    this.log.add(events);
    for (const endpoint of endpoints) this.endpoints.set(session, endpoint);
    for (const delivery of deliveries) this.deliveries.add(session, delivery);
    this.queues.add(session, deliveries);
    for (const { id, removed } of endpoints) {
      const name = { session, endpointId: id };
      if (removed && !this.queues.has(name)) this.deliveries.emptied(name);
    }
    this.readers.publish(session, events, this.#seq);
    return events;
  }

  /** Ends all readers and claims. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.readers.close();
    this.queues.close();
  }
}
