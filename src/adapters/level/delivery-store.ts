import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type Delivery,
  DeliverySchema,
  type Endpoint,
  EndpointSchema,
} from "../../../gen/sessiond/store/v1/store_pb.js";
import { dueMsOf, isRetry, seqOf } from "../backend/delivery-queue.ts";
import type { DeliveryStore, Settlement } from "../backend/delivery-queues.ts";
import type { EndpointName, Endpoints } from "../backend/endpoints.ts";
import type { Database, Operation } from "./database.ts";
import type { GroupWriter } from "./group-writer.ts";
import { type KeyRange, keyOf, rangeOf } from "./key.ts";

/** Pending deliveries and their endpoints. */
export class LevelDeliveryStore implements DeliveryStore {
  readonly #database: Database;
  readonly #writer: GroupWriter;
  readonly #endpoints: Endpoints;
  readonly #isPending: (name: EndpointName) => boolean;

  constructor(
    database: Database,
    writer: GroupWriter,
    endpoints: Endpoints,
    isPending: (name: EndpointName) => boolean,
  ) {
    this.#database = database;
    this.#writer = writer;
    this.#endpoints = endpoints;
    this.#isPending = isPending;
  }

  endpoint(name: EndpointName): Endpoint | undefined {
    return this.#endpoints.get(name);
  }

  firstAttempts({ session, endpointId }: EndpointName, afterSeq: bigint, limit: number): Promise<Delivery[]> {
    const { lt } = rangeOf("firstAttempt", session, endpointId);
    return this.#read({ gte: keyOf("firstAttempt", session, endpointId, afterSeq + 1n), lt }, limit);
  }

  retries({ session, endpointId }: EndpointName, fromMs: number, limit: number): Promise<Delivery[]> {
    const { lt } = rangeOf("retry", session, endpointId);
    return this.#read({ gte: keyOf("retry", session, endpointId, BigInt(fromMs)), lt }, limit);
  }

  async settle(name: EndpointName, delivery: Delivery, settlement: Settlement): Promise<void> {
    const operations: Operation[] = [{ type: "del", key: keyOfDelivery(name, delivery) }];
    switch (settlement.type) {
      case "retry":
        operations.push(deliveryAddition(name.session, settlement.next));
        break;
      case "done":
      case "give_up":
        break;
    }
    await this.#writer.write({ sync: true, build: (group) => void group.push(...operations) });
  }

  emptied(name: EndpointName): void {
    if (!this.#endpoints.get(name)?.removed) return;
    // Whether it is still so shows when its turn comes. What fails here is made good when the store is opened again.
    const write = this.#writer.write({ sync: false, build: (group) => this.#forget(name, group) });
    write.catch(() => {});
  }

  #forget(name: EndpointName, operations: Operation[]): void {
    if (!this.#endpoints.get(name)?.removed || this.#isPending(name)) return;
    this.#endpoints.delete(name);
    operations.push(endpointRemoval(name));
  }

  async #read(range: KeyRange, limit: number): Promise<Delivery[]> {
    const values = await this.#database.values({ ...range, limit }).all();
    return values.map((value) => fromBinary(DeliverySchema, value));
  }
}

/** What stores a delivery, in the place its next attempt asks for. */
export const deliveryAddition = (session: string, delivery: Delivery): Operation => ({
  type: "put",
  key: keyOfDelivery({ session, endpointId: delivery.endpointId }, delivery),
  value: toBinary(DeliverySchema, delivery),
});

/** What stores an endpoint. */
export const endpointAddition = (session: string, endpoint: Endpoint): Operation => ({
  type: "put",
  key: keyOf("endpoint", session, endpoint.id),
  value: toBinary(EndpointSchema, endpoint),
});

/** What removes an endpoint. */
export const endpointRemoval = ({ session, endpointId }: EndpointName): Operation => ({
  type: "del",
  key: keyOf("endpoint", session, endpointId),
});

function keyOfDelivery({ session, endpointId }: EndpointName, delivery: Delivery): Uint8Array {
  const seq = seqOf(delivery);
  return isRetry(delivery)
    ? keyOf("retry", session, endpointId, BigInt(dueMsOf(delivery)), seq)
    : keyOf("firstAttempt", session, endpointId, seq);
}
