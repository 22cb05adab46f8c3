import type { Delivery, Endpoint } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import { WebhookDelivery_State as State } from "../../../gen/sessiond/v1/webhook_pb.js";
import { type DeliveryName, stateOf } from "../../domain/delivery.ts";
import type { AttemptReport, DeliveryQuery, NewEvent } from "../../ports/outbox.ts";
import { dueMsOf, isRetry, seqOf } from "../embedded/delivery-queue.ts";
import type { DeliveryStore } from "../embedded/delivery-queues.ts";
import type { EndpointName, Endpoints } from "../embedded/endpoints.ts";
import { dueAgain, type Settlement } from "../embedded/settlement.ts";

/** Callbacks into the backend used while settling a delivery. */
export interface SettlingContext {
  /** Returns true if the session exists; only then is its settled delivery stored. */
  isKept(session: string): boolean;
  append(session: string, events: readonly NewEvent[]): void;
}

/** Deliveries by session and endpoint, pending and settled, in maps. */
export class MemoryDeliveryStore implements DeliveryStore {
  readonly #endpoints: Endpoints;
  readonly #context: SettlingContext;
  readonly #pending = new Map<string, Map<string, Delivery[]>>();
  readonly #settled = new Map<string, Delivery[]>();

  constructor(endpoints: Endpoints, context: SettlingContext) {
    this.#endpoints = endpoints;
    this.#context = context;
  }

  add(session: string, delivery: Delivery): void {
    const queues = this.#pending.get(session) ?? new Map<string, Delivery[]>();
    this.#pending.set(session, queues);
    const queue = queues.get(delivery.endpointId);
    if (queue) queue.push(delivery);
    else queues.set(delivery.endpointId, [delivery]);
  }

  endpoint(name: EndpointName): Endpoint | undefined {
    return this.#endpoints.get(name);
  }

  async firstAttempts(name: EndpointName, afterSeq: bigint, limit: number): Promise<Delivery[]> {
    return this.#queue(name)
      .filter((delivery) => !isRetry(delivery) && seqOf(delivery) > afterSeq)
      .slice(0, limit);
  }

  async retries(name: EndpointName, fromMs: number, limit: number): Promise<Delivery[]> {
    return this.#queue(name)
      .filter((delivery) => isRetry(delivery) && dueMsOf(delivery) >= fromMs)
      .sort((a, b) => dueMsOf(a) - dueMsOf(b))
      .slice(0, limit);
  }

  async settle(name: EndpointName, delivery: Delivery, settlement: Settlement, report?: AttemptReport): Promise<void> {
    if (report?.health !== undefined) this.#endpoints.setHealth(name, report.health ?? undefined);
    const queue = this.#queue(name);
    const replaced = settlement.type === "retry" ? [settlement.next] : [];
    const index = queue.findIndex((pending) => pending.id === delivery.id);
    if (index >= 0) queue.splice(index, 1, ...replaced);
    if (settlement.type !== "retry" && this.#context.isKept(name.session)) {
      this.#settled.set(name.session, [...this.settled(name.session), settlement.kept].sort(newestFirst));
    }
    if (report?.events) this.#context.append(name.session, report.events);
  }

  emptied(name: EndpointName): void {
    const queues = this.#pending.get(name.session);
    if (queues?.delete(name.endpointId) && queues.size === 0) this.#pending.delete(name.session);
    if (this.#endpoints.get(name)?.removed) this.#endpoints.delete(name);
  }

  /** Returns a session's settled deliveries, newest event first. */
  settled(session: string): Delivery[] {
    return this.#settled.get(session) ?? [];
  }

  /** Forgets settled deliveries; returns their number. */
  forget(session: string, goes: (delivery: Delivery) => boolean): number {
    const settled = this.settled(session);
    const kept = settled.filter((delivery) => !goes(delivery));
    if (kept.length === 0) this.#settled.delete(session);
    else this.#settled.set(session, kept);
    return settled.length - kept.length;
  }

  /** See Outbox.deliveries. */
  list(session: string, { state, endpointId, before, limit }: DeliveryQuery): Delivery[] {
    return this.#all(session)
      .filter((one) => !state || stateOf(one) === state)
      .filter((one) => (endpointId ?? one.endpointId) === one.endpointId)
      .filter((one) => !before || isOlder(one, before))
      .sort(newestFirst)
      .slice(0, limit);
  }

  /** See Outbox.sessionsWith. */
  sessionsWith(state: State): string[] {
    const sessions = new Set([...this.#pending.keys(), ...this.#settled.keys()]);
    return [...sessions].sort().filter((session) => this.#all(session).some((one) => stateOf(one) === state));
  }

  /** See Outbox.delivery. */
  find(session: string, { seq, endpointId }: DeliveryName): Delivery | undefined {
    return this.#all(session).find((one) => seqOf(one) === seq && one.endpointId === endpointId);
  }

  /** See Outbox.resend. `event` returns a stored event by its seq. */
  resend(session: string, name: DeliveryName, nowMs: number, event: (seq: bigint) => Event | undefined) {
    const delivery = this.find(session, name);
    const endpoint = this.#endpoints.get({ session, endpointId: name.endpointId });
    if (!delivery?.settledAt || !endpoint || endpoint.removed) return undefined;
    const sent = stateOf(delivery) === State.FAILED ? delivery.event : event(name.seq);
    if (!sent) return undefined;
    this.forget(session, (one) => one === delivery);
    const due = dueAgain(delivery, sent, nowMs);
    this.add(session, due);
    return due;
  }

  #all(session: string): Delivery[] {
    return [...[...(this.#pending.get(session)?.values() ?? [])].flat(), ...this.settled(session)];
  }

  #queue({ session, endpointId }: EndpointName): Delivery[] {
    return this.#pending.get(session)?.get(endpointId) ?? [];
  }
}

const isOlder = (one: Delivery, { seq, endpointId }: DeliveryName): boolean =>
  seqOf(one) < seq || (seqOf(one) === seq && one.endpointId < endpointId);

function newestFirst(a: Delivery, b: Delivery): number {
  return isOlder(a, { seq: seqOf(b), endpointId: b.endpointId }) ? 1 : -1;
}
