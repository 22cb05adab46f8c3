import { fromBinary } from "@bufbuild/protobuf";
import { type Delivery, DeliverySchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import { type Event, EventSchema } from "../../../gen/sessiond/v1/event_pb.js";
import { WebhookDelivery_State as State } from "../../../gen/sessiond/v1/webhook_pb.js";
import type { DeliveryName } from "../../domain/delivery.ts";
import type { DeliveryQuery } from "../../ports/outbox.ts";
import { seqOf } from "../embedded/delivery-queue.ts";
import type { Endpoints } from "../embedded/endpoints.ts";
import { dueAgain } from "../embedded/settlement.ts";
import { keyOfPending, retryAdditions, type SettledFamily } from "./delivery-store.ts";
import type { Database, DatabaseSnapshot, Operation } from "./store/database.ts";
import { type Family, keyOf, rangeOf } from "./store/key.ts";
import { findNames } from "./store/names-in.ts";
import type { StoreWriter } from "./store/store-writer.ts";

/** A settled delivery that can be sent again: its new entry, and the removal of its former one. */
interface Resending {
  readonly delivery: Delivery;
  readonly removal: Operation;
  readonly family: SettledFamily;
}

/** The family whose entries are the deliveries in a state, or their places. */
const familyOf: Partial<Record<State, Family>> = {
  [State.PENDING]: "firstAttempt",
  [State.RETRYING]: "retryPlace",
  [State.DELIVERED]: "delivered",
  [State.FAILED]: "failed",
};

const settledFamilies = ["delivered", "failed"] as const satisfies readonly SettledFamily[];

/** Reads deliveries by session, newest event first, wherever they lie. */
export class DeliveryLog {
  readonly #database: Database;
  readonly #endpoints: Endpoints;

  constructor(database: Database, endpoints: Endpoints) {
    this.#database = database;
    this.#endpoints = endpoints;
  }

  /** See Outbox.deliveries. */
  async list(session: string, query: DeliveryQuery, snapshot: DatabaseSnapshot): Promise<Delivery[]> {
    const wants = (state: State) => !query.state || query.state === state;
    const found = await Promise.all([
      wants(State.PENDING) ? this.#firstAttempts(session, query, snapshot) : [],
      wants(State.RETRYING) ? this.#retries(session, query, snapshot) : [],
      wants(State.DELIVERED) ? this.#named("delivered", session, query, snapshot) : [],
      wants(State.FAILED) ? this.#named("failed", session, query, snapshot) : [],
    ]);
    return found.flat().sort(newestFirst).slice(0, query.limit);
  }

  /** See Outbox.sessionsWith. */
  async sessionsWith(state: State): Promise<string[]> {
    const family = familyOf[state];
    const sessions: string[] = [];
    if (family === undefined) return sessions;
    for await (const { name } of findNames(this.#database, family, 1)) sessions.push(...name);
    return sessions;
  }

  /** See Outbox.delivery. */
  async get(session: string, name: DeliveryName, snapshot: DatabaseSnapshot): Promise<Delivery | undefined> {
    const { seq, endpointId } = name;
    const place = await this.#at(keyOf("retryPlace", session, seq, endpointId), snapshot);
    const keys = [
      keyOf("firstAttempt", session, endpointId, seq),
      ...(place ? [keyOfPending({ session, endpointId }, place)] : []),
      ...settledFamilies.map((family) => keyOf(family, session, seq, endpointId)),
    ];
    const found = await Promise.all(keys.map((key) => this.#at(key, snapshot)));
    return found.find((delivery) => delivery !== undefined);
  }

  /** See Outbox.resend. `written` receives the deliveries, and the family in which each of them was. */
  resend(
    session: string,
    names: readonly DeliveryName[],
    nowMs: number,
    writer: StoreWriter,
    written: (deliveries: Delivery[], families: readonly SettledFamily[]) => void,
  ): Promise<Delivery[]> {
    let resendings: readonly Resending[] = [];
    return writer.write({
      sync: true,
      prepare: async () => {
        resendings = await this.#resendings(session, names, nowMs);
      },
      build: (operations) => {
        for (const { delivery, removal } of resendings) operations.push(removal, ...retryAdditions(session, delivery));
        return resendings.map(({ delivery }) => delivery);
      },
      written: (deliveries) => {
        written(
          deliveries,
          resendings.map(({ family }) => family),
        );
      },
    });
  }

  /** Returns those of the named deliveries that are settled and whose endpoint and event still exist. */
  async #resendings(session: string, names: readonly DeliveryName[], nowMs: number): Promise<Resending[]> {
    const each = new Map(names.map((name) => [`${name.seq} ${name.endpointId}`, name]));
    const found = await Promise.all(Array.from(each.values(), (name) => this.#resending(session, name, nowMs)));
    return found.flatMap((one) => one ?? []);
  }

  async #resending(session: string, { seq, endpointId }: DeliveryName, nowMs: number): Promise<Resending | undefined> {
    const endpoint = this.#endpoints.get({ session, endpointId });
    if (!endpoint || endpoint.removed) return undefined;
    for (const family of settledFamilies) {
      const key = keyOf(family, session, seq, endpointId);
      const delivery = await this.#at(key);
      const event = delivery && (family === "failed" ? delivery.event : await this.#event(seq));
      if (delivery && event) {
        return { delivery: dueAgain(delivery, event, nowMs), removal: { type: "del", key }, family };
      }
    }
    return undefined;
  }

  async #event(seq: bigint): Promise<Event | undefined> {
    const value = await this.#database.get(keyOf("event", seq));
    return value && fromBinary(EventSchema, value);
  }

  async #firstAttempts(session: string, query: DeliveryQuery, snapshot: DatabaseSnapshot): Promise<Delivery[]> {
    const { before, limit } = query;
    const endpoints = this.#endpoints.of(session).filter(({ id }) => (query.endpointId ?? id) === id);
    const pages = endpoints.map(async ({ id }) => {
      const all = rangeOf("firstAttempt", session, id);
      const end = before && (id < before.endpointId ? before.seq + 1n : before.seq);
      const lt = end === undefined ? all.lt : keyOf("firstAttempt", session, id, end);
      const values = await this.#database.values({ gte: all.gte, lt, reverse: true, limit, snapshot }).all();
      return values.map((value) => fromBinary(DeliverySchema, value));
    });
    return (await Promise.all(pages)).flat();
  }

  async #retries(session: string, query: DeliveryQuery, snapshot: DatabaseSnapshot): Promise<Delivery[]> {
    const places = await this.#named("retryPlace", session, query, snapshot);
    const keys = places.map((place) => keyOfPending({ session, endpointId: place.endpointId }, place));
    const found = await Promise.all(keys.map((key) => this.#at(key, snapshot)));
    return found.filter((delivery) => delivery !== undefined);
  }

  /** Reads the entries of a family with keys of session, seq and endpoint. */
  async #named(family: Family, session: string, query: DeliveryQuery, snapshot: DatabaseSnapshot): Promise<Delivery[]> {
    const { before, limit, endpointId } = query;
    const { gte, ...all } = rangeOf(family, session);
    const lt = before ? keyOf(family, session, before.seq, before.endpointId) : all.lt;
    const found: Delivery[] = [];
    for await (const [, value] of this.#database.iterator({ gte, lt, reverse: true, snapshot })) {
      const delivery = fromBinary(DeliverySchema, value);
      if ((endpointId ?? delivery.endpointId) === delivery.endpointId) found.push(delivery);
      if (found.length === limit) break;
    }
    return found;
  }

  async #at(key: Uint8Array, snapshot?: DatabaseSnapshot): Promise<Delivery | undefined> {
    const value = await this.#database.get(key, snapshot ? { snapshot } : {});
    return value && fromBinary(DeliverySchema, value);
  }
}

/** By seq, then by endpoint, as their keys are sorted. */
function newestFirst(a: Delivery, b: Delivery): number {
  const [first, second] = [seqOf(a), seqOf(b)];
  if (first !== second) return first > second ? -1 : 1;
  return a.endpointId > b.endpointId ? -1 : 1;
}
