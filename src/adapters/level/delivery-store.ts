import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
  type Delivery,
  DeliverySchema,
  type Endpoint,
  type EndpointHealth,
  EndpointSchema,
} from "../../../gen/sessiond/store/v1/store_pb.js";
import type { AttemptReport, NewEvent } from "../../ports/outbox.ts";
import type { Change } from "../embedded/change.ts";
import { dueMsOf, isRetry, seqOf } from "../embedded/delivery-queue.ts";
import type { DeliveryStore } from "../embedded/delivery-queues.ts";
import type { EndpointName, Endpoints } from "../embedded/endpoints.ts";
import type { Settlement } from "../embedded/settlement.ts";
import type { Database, Operation } from "./store/database.ts";
import { type Family, type KeyRange, keyOf, rangeOf } from "./store/key.ts";
import type { StoreWriter } from "./store/store-writer.ts";

/** Callbacks into the backend used while settling a delivery. */
export interface SettlingContext {
  /** Something of this endpoint is pending. */
  isPending(name: EndpointName): boolean;
  /** Returns true if the session exists; only then is its settled delivery stored. */
  isKept(session: string): boolean;
  /** Adds to the log, within a write. */
  append(session: string, events: readonly NewEvent[], operations: Operation[]): Change;
  /** Publishes a change that is written. */
  announce(session: string, change: Change): void;
  /** Called when a settled delivery is stored. */
  settled(session: string, family: SettledFamily): void;
}

/** The families of settled deliveries. */
export type SettledFamily = Extract<Family, "delivered" | "failed">;

/** Pending deliveries and their endpoints. */
export class LevelDeliveryStore implements DeliveryStore {
  readonly #database: Database;
  readonly #writer: StoreWriter;
  readonly #endpoints: Endpoints;
  readonly #context: SettlingContext;

  constructor(database: Database, writer: StoreWriter, endpoints: Endpoints, context: SettlingContext) {
    this.#database = database;
    this.#writer = writer;
    this.#endpoints = endpoints;
    this.#context = context;
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

  async settle(name: EndpointName, delivery: Delivery, settlement: Settlement, report?: AttemptReport): Promise<void> {
    const { session } = name;
    const context = this.#context;
    const { events = [] } = report ?? {};
    if (report?.health !== undefined) this.#endpoints.setHealth(name, report.health ?? undefined);
    await this.#writer.write({
      sync: true,
      build: (operations) => {
        operations.push({ type: "del", key: keyOfPending(name, delivery) });
        const family = this.#addSettlement(name, delivery, settlement, operations);
        if (report?.health !== undefined) this.#addEndpoint(name, operations);
        return { family, change: events.length > 0 ? context.append(session, events, operations) : undefined };
      },
      written: ({ family, change }) => {
        if (family) context.settled(session, family);
        if (change) context.announce(session, change);
      },
    });
  }

  /** See Outbox.setHealth. */
  async setHealth(name: EndpointName, health: EndpointHealth | undefined): Promise<Endpoint | undefined> {
    const endpoint = this.#endpoints.setHealth(name, health);
    if (!endpoint) return undefined;
    await this.#writer.write({ sync: true, build: (operations) => this.#addEndpoint(name, operations) });
    return endpoint;
  }

  emptied(name: EndpointName): void {
    if (!this.#endpoints.get(name)?.removed) return;
    // Checked again at the time of writing. A failure is repaired when the store is opened again.
    const write = this.#writer.write({ sync: false, build: (group) => this.#forget(name, group) });
    write.catch(() => {});
  }

  #addSettlement(
    name: EndpointName,
    delivery: Delivery,
    settlement: Settlement,
    operations: Operation[],
  ): SettledFamily | undefined {
    if (settlement.type === "retry") {
      operations.push(...retryAdditions(name.session, settlement.next));
      return undefined;
    }
    if (isRetry(delivery)) operations.push({ type: "del", key: placeKey(name, delivery) });
    if (!this.#context.isKept(name.session)) return undefined;
    const family = settlement.type === "done" ? "delivered" : "failed";
    const value = toBinary(DeliverySchema, settlement.kept);
    operations.push({ type: "put", key: keyOf(family, name.session, seqOf(delivery), name.endpointId), value });
    return family;
  }

  /** As it is by now: a change of its configuration may have come meanwhile. */
  #addEndpoint(name: EndpointName, operations: Operation[]): void {
    const endpoint = this.#endpoints.get(name);
    if (endpoint) operations.push(endpointAddition(name.session, endpoint));
  }

  #forget(name: EndpointName, operations: Operation[]): void {
    if (!this.#endpoints.get(name)?.removed || this.#context.isPending(name)) return;
    this.#endpoints.delete(name);
    operations.push(endpointRemoval(name));
  }

  async #read(range: KeyRange, limit: number): Promise<Delivery[]> {
    const values = await this.#database.values({ ...range, limit }).all();
    return values.map((value) => fromBinary(DeliverySchema, value));
  }
}

/** Returns the operation that stores a delivery never attempted, given the bytes of its event. */
export function firstAttemptAddition(session: string, delivery: Delivery, eventBytes: Uint8Array): Operation {
  const { event: _, ...rest } = delivery;
  const head = new BinaryWriter().raw(toBinary(DeliverySchema, rest));
  head.tag(DeliverySchema.field.event.number, WireType.LengthDelimited).uint32(eventBytes.byteLength);
  const key = keyOfPending({ session, endpointId: delivery.endpointId }, delivery);
  return { type: "put", key, value: Buffer.concat([head.finish(), eventBytes]) };
}

/** Returns the operations that store a delivery to be retried, and its place: the due time is in its key but not in its name. */
export function retryAdditions(session: string, delivery: Delivery): Operation[] {
  const { endpointId, dueAt } = delivery;
  const name = { session, endpointId };
  const place = create(DeliverySchema, { endpointId, event: { seq: seqOf(delivery) }, ...(dueAt && { dueAt }) });
  return [
    { type: "put", key: keyOfPending(name, delivery), value: toBinary(DeliverySchema, delivery) },
    { type: "put", key: placeKey(name, delivery), value: toBinary(DeliverySchema, place) },
  ];
}

/** Returns the operation that stores an endpoint. */
export const endpointAddition = (session: string, endpoint: Endpoint): Operation => ({
  type: "put",
  key: keyOf("endpoint", session, endpoint.id),
  value: toBinary(EndpointSchema, endpoint),
});

/** Returns the operation that removes an endpoint. */
export const endpointRemoval = ({ session, endpointId }: EndpointName): Operation => ({
  type: "del",
  key: keyOf("endpoint", session, endpointId),
});

const placeKey = ({ session, endpointId }: EndpointName, delivery: Delivery): Uint8Array =>
  keyOf("retryPlace", session, seqOf(delivery), endpointId);

/** Where a pending delivery, or the place of one, says that it lies. */
export function keyOfPending({ session, endpointId }: EndpointName, delivery: Delivery): Uint8Array {
  const seq = seqOf(delivery);
  return isRetry(delivery)
    ? keyOf("retry", session, endpointId, BigInt(dueMsOf(delivery)), seq)
    : keyOf("firstAttempt", session, endpointId, seq);
}
