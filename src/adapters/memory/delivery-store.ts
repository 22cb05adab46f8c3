import type { Delivery, Endpoint } from "../../../gen/sessiond/store/v1/store_pb.js";
import { dueMsOf, isRetry, seqOf } from "../backend/delivery-queue.ts";
import type { DeliveryStore, Settlement } from "../backend/delivery-queues.ts";
import type { EndpointName, Endpoints } from "../backend/endpoints.ts";

/** Pending deliveries by session and endpoint, in a map. */
export class MemoryDeliveryStore implements DeliveryStore {
  readonly #endpoints: Endpoints;
  readonly #pending = new Map<string, Map<string, Delivery[]>>();

  constructor(endpoints: Endpoints) {
    this.#endpoints = endpoints;
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

  async settle(name: EndpointName, delivery: Delivery, settlement: Settlement): Promise<void> {
    const queue = this.#queue(name);
    const replaced = settlement.type === "retry" ? [settlement.next] : [];
    const index = queue.findIndex((pending) => pending.id === delivery.id);
    if (index >= 0) queue.splice(index, 1, ...replaced);
  }

  emptied(name: EndpointName): void {
    const queues = this.#pending.get(name.session);
    if (queues?.delete(name.endpointId) && queues.size === 0) this.#pending.delete(name.session);
    if (this.#endpoints.get(name)?.removed) this.#endpoints.delete(name);
  }

  #queue({ session, endpointId }: EndpointName): Delivery[] {
    return this.#pending.get(session)?.get(endpointId) ?? [];
  }
}
