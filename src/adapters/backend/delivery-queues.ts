import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Delivery, type Endpoint, EndpointSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Claim } from "../../ports/backend.ts";
import type { Clock } from "../../ports/system.ts";
import { DeliveryQueue, type DeliveryReader, dueMsOf } from "./delivery-queue.ts";
import type { EndpointName } from "./endpoints.ts";

/** What becomes of a delivery that was attempted. */
export type Settlement =
  | { type: "done" }
  /** To be stored in place of the one attempted. */
  | { type: "retry"; next: Delivery }
  | { type: "give_up"; reason: string };

/** Where deliveries and their endpoints are stored. */
export interface DeliveryStore extends DeliveryReader {
  endpoint(name: EndpointName): Endpoint | undefined;
  /** Durable when it resolves. */
  settle(name: EndpointName, delivery: Delivery, settlement: Settlement): Promise<void>;
  /** The endpoint's last pending delivery is settled. */
  emptied(name: EndpointName): void;
}

/** How many endpoints are read from the store at once. */
const maxLoads = 16;

interface Waiter {
  resolve(claim: Claim | undefined): void;
  reject(error: unknown): void;
}

interface Alarm {
  readonly atMs: number;
  readonly cancel: () => void;
}

/** Hands out due deliveries, endpoint by endpoint in turn. Holds in memory a few per endpoint with work, whatever the backlog. */
export class DeliveryQueues {
  readonly #store: DeliveryStore;
  readonly #clock: Clock;
  readonly #queues = new Map<string, DeliveryQueue>();
  /** Queues with something to hand out or to load, whose turn comes in this order. */
  readonly #ready = new Set<DeliveryQueue>();
  readonly #alarms = new Map<DeliveryQueue, Alarm>();
  readonly #waiters = new Set<Waiter>();
  #loads = 0;
  #closed = false;

  constructor(store: DeliveryStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Something of this endpoint is pending. */
  has(name: EndpointName): boolean {
    return this.#queues.has(keyOf(name));
  }

  /** What is stored from before: first attempts or not, and when the first retry is due. To be called once for each endpoint, before all else. */
  restore(name: EndpointName, stored: { firsts: boolean; retriesFromMs: number }): void {
    const queue = new DeliveryQueue(name, stored);
    this.#queues.set(keyOf(name), queue);
    this.#line(queue);
  }

  /** New deliveries of a session are stored. */
  add(session: string, deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      const name = { session, endpointId: delivery.endpointId };
      const key = keyOf(name);
      const queue =
        this.#queues.get(key) ?? new DeliveryQueue(name, { firsts: false, retriesFromMs: Number.POSITIVE_INFINITY });
      this.#queues.set(key, queue);
      queue.add(delivery);
      this.#line(queue);
    }
    this.#serve();
  }

  /** See Backend.claims. */
  async *claims(signal: AbortSignal): AsyncGenerator<Claim, void, void> {
    for (let claim = await this.#next(signal); claim; claim = await this.#next(signal)) yield claim;
  }

  /** Ends all claims and timers. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const { cancel } of this.#alarms.values()) cancel();
    this.#alarms.clear();
    for (const waiter of this.#waiters) waiter.resolve(undefined);
    this.#waiters.clear();
  }

  async #next(signal: AbortSignal): Promise<Claim | undefined> {
    if (this.#closed || signal.aborted) return undefined;
    const { promise, ...waiter } = Promise.withResolvers<Claim | undefined>();
    const abort = () => {
      if (this.#waiters.delete(waiter)) waiter.resolve(undefined);
    };
    signal.addEventListener("abort", abort, { once: true });
    this.#waiters.add(waiter);
    this.#serve();
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #serve(): void {
    for (const waiter of this.#waiters) {
      const claim = this.#takeInTurn();
      if (!claim) return;
      this.#waiters.delete(waiter);
      waiter.resolve(claim);
    }
  }

  #takeInTurn(): Claim | undefined {
    for (const queue of this.#ready) {
      const delivery = queue.take();
      if (!delivery && this.#loads >= maxLoads) return undefined;
      this.#ready.delete(queue);
      if (!delivery) {
        void this.#load(queue);
        continue;
      }
      this.#line(queue);
      return this.#claim(queue, delivery);
    }
    return undefined;
  }

  async #load(queue: DeliveryQueue): Promise<void> {
    this.#loads += 1;
    try {
      await queue.load(this.#store, this.#clock.nowMs());
    } catch (error) {
      for (const waiter of this.#waiters) waiter.reject(error);
      this.#waiters.clear();
    } finally {
      this.#loads -= 1;
    }
    this.#line(queue);
    this.#serve();
  }

  #claim(queue: DeliveryQueue, delivery: Delivery): Claim {
    let held = true;
    const settle = async (settlement: Settlement) => {
      if (!held) throw new Error(`delivery ${delivery.id} is settled already`);
      held = false;
      try {
        await this.#store.settle(queue.name, delivery, settlement);
      } catch (error) {
        held = true;
        throw error;
      }
      queue.settled(delivery, settlement.type === "retry" ? dueMsOf(settlement.next) : undefined);
      this.#line(queue);
      this.#serve();
    };
    return {
      delivery,
      endpoint: this.#store.endpoint(queue.name) ?? create(EndpointSchema, { id: delivery.endpointId, removed: true }),
      done: () => settle({ type: "done" }),
      retry: (delayMs) => {
        const dueAt = timestampFromMs(this.#clock.nowMs() + Math.max(0, Math.ceil(delayMs)));
        return settle({ type: "retry", next: { ...delivery, attempts: delivery.attempts + 1, dueAt } });
      },
      giveUp: (reason) => settle({ type: "give_up", reason }),
    };
  }

  /** Gives a queue the place its state asks for: in line, waiting for its time, or none. */
  #line(queue: DeliveryQueue): void {
    if (this.#closed) return;
    if (queue.isEmpty) {
      this.#setAlarm(queue, undefined);
      this.#ready.delete(queue);
      if (this.#queues.delete(keyOf(queue.name))) this.#store.emptied(queue.name);
      return;
    }
    const nowMs = this.#clock.nowMs();
    if (queue.isReady(nowMs)) this.#ready.add(queue);
    const atMs = queue.wakeAtMs;
    this.#setAlarm(queue, atMs !== undefined && atMs > nowMs ? atMs : undefined);
  }

  #setAlarm(queue: DeliveryQueue, atMs: number | undefined): void {
    const alarm = this.#alarms.get(queue);
    if (alarm?.atMs === atMs) return;
    alarm?.cancel();
    this.#alarms.delete(queue);
    if (atMs === undefined) return;
    const cancel = this.#clock.schedule(atMs - this.#clock.nowMs(), () => {
      this.#alarms.delete(queue);
      this.#line(queue);
      this.#serve();
    });
    this.#alarms.set(queue, { atMs, cancel });
  }
}

/** The session's length keeps names apart that read the same in a row. */
const keyOf = ({ session, endpointId }: EndpointName): string => `${session.length} ${session} ${endpointId}`;
