import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Delivery, type Endpoint, EndpointSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { AttemptReport, Claim, QueueStats } from "../../ports/outbox.ts";
import { LeaseLost } from "../../ports/sessions.ts";
import type { Clock } from "../../ports/system.ts";
import { DeliveryQueue, type DeliveryReader, dueMsOf, isRetry } from "./delivery-queue.ts";
import type { EndpointName } from "./endpoints.ts";
import { ReadyQueues } from "./ready-queues.ts";
import { delivered, givenUp, postponed, type Settlement } from "./settlement.ts";

/** Where deliveries and their endpoints are stored. */
export interface DeliveryStore extends DeliveryReader {
  endpoint(name: EndpointName): Endpoint | undefined;
  /** Durable when it resolves. The endpoint's health is as reported from the call on. */
  settle(name: EndpointName, delivery: Delivery, settlement: Settlement, report?: AttemptReport): Promise<void>;
  /** Called when the endpoint's last pending delivery is settled. */
  emptied(name: EndpointName): void;
}

/** The deliveries of an endpoint that the store has from before. */
export interface Stored {
  /** First attempts. */
  readonly firsts: boolean;
  /** When the first retry is due, on the monotonic clock. */
  readonly retriesFromMs: number;
}

/** How many endpoints are read from the store at once. */
const maxLoads = 16;
/** An endpoint is slow if it takes longer than this with a delivery. */
const slowMs = 2_000;

interface Waiter {
  resolve(claim: Claim | undefined): void;
  reject(error: unknown): void;
}

interface Alarm {
  readonly atMs: number;
  readonly cancel: () => void;
}

/** Hands out due deliveries, endpoint by endpoint in turn. Holds a few per endpoint in memory, however long the backlog is. */
export class DeliveryQueues {
  readonly #store: DeliveryStore;
  readonly #clock: Clock;
  readonly #queues = new Map<string, DeliveryQueue>();
  /** Queues with something to hand out or to load. */
  readonly #ready = new ReadyQueues();
  readonly #alarms = new Map<DeliveryQueue, Alarm>();
  readonly #waiters = new Set<Waiter>();
  readonly #count = { pending: 0, retrying: 0 };
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

  /** See Outbox.queueStats. */
  stats(): QueueStats {
    let oldestMs: number | undefined;
    for (const queue of this.#queues.values()) {
      if (queue.oldestMs !== undefined && !(queue.oldestMs >= (oldestMs ?? Number.POSITIVE_INFINITY)))
        oldestMs = queue.oldestMs;
    }
    return { ...this.#count, oldestMs };
  }

  /** Adds stored deliveries, with their numbers if they are known. Called once for each endpoint, before others are added. */
  restore(name: EndpointName, stored: Stored, { pending, retrying } = { pending: 0, retrying: 0 }): void {
    const queue = this.#queue(name, stored);
    this.#addCount(queue, pending, retrying);
    this.#line(queue);
    this.#serve();
  }

  /** Forgets the deliveries of an endpoint, which another process sends from now on. Claims that are not settled reject with LeaseLost. */
  drop(name: EndpointName): void {
    const queue = this.#queues.get(keyOf(name));
    if (!queue) return;
    this.#queues.delete(keyOf(name));
    this.#setAlarm(queue, undefined);
    this.#ready.delete(queue);
    this.#addCount(queue, -queue.count.pending, -queue.count.retrying);
  }

  /** Adds the numbers of stored deliveries, once they are counted. */
  restored(pending: number, retrying: number): void {
    this.#count.pending += pending;
    this.#count.retrying += retrying;
  }

  /** New deliveries of a session are stored. */
  add(session: string, deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      const queue = this.#queue({ session, endpointId: delivery.endpointId });
      queue.add(delivery);
      this.#addCount(queue, 1, 0);
      this.#line(queue);
    }
    this.#serve();
  }

  /** Deliveries of a session are stored anew, to be retried. */
  addRetries(session: string, deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      const queue = this.#queue({ session, endpointId: delivery.endpointId });
      queue.addRetry(dueMsOf(delivery));
      this.#addCount(queue, 0, 1);
      this.#line(queue);
    }
    this.#serve();
  }

  /** An endpoint's health is another. */
  healthChanged(name: EndpointName): void {
    const queue = this.#queues.get(keyOf(name));
    if (!queue) return;
    this.#spare(queue);
    this.#line(queue);
    this.#serve();
  }

  /** See Outbox.claims. */
  async *claims(signal: AbortSignal): AsyncGenerator<Claim, void, void> {
    let waiter: Waiter | undefined;
    const abort = () => {
      if (waiter && this.#waiters.delete(waiter)) waiter.resolve(undefined);
    };
    signal.addEventListener("abort", abort, { once: true });
    try {
      while (!this.#closed && !signal.aborted) {
        const { promise, ...settling } = Promise.withResolvers<Claim | undefined>();
        waiter = settling;
        this.#waiters.add(waiter);
        this.#serve();
        const claim = await promise;
        if (!claim) return;
        yield claim;
      }
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Ends all claims and timers. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const { cancel } of this.#alarms.values()) cancel();
    this.#alarms.clear();
    for (const waiter of this.#waiters) waiter.resolve(undefined);
    this.#waiters.clear();
  }

  #queue(
    name: EndpointName,
    stored: Stored = { firsts: false, retriesFromMs: Number.POSITIVE_INFINITY },
  ): DeliveryQueue {
    const key = keyOf(name);
    const known = this.#queues.get(key);
    if (known) return known;
    const queue = new DeliveryQueue(name, stored);
    this.#queues.set(key, queue);
    this.#spare(queue);
    return queue;
  }

  /** Returns false for a queue that was dropped. */
  #isPresent(queue: DeliveryQueue): boolean {
    return this.#queues.get(keyOf(queue.name)) === queue;
  }

  #addCount({ count }: DeliveryQueue, pending: number, retrying: number): void {
    count.pending += pending;
    count.retrying += retrying;
    this.#count.pending += pending;
    this.#count.retrying += retrying;
  }

  #spare(queue: DeliveryQueue): void {
    const until = this.#store.endpoint(queue.name)?.health?.sparedUntil;
    queue.sparedUntilMs = until && timestampMs(until);
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
    const nowMs = this.#clock.nowMs();
    for (const queue of this.#ready.inTurn()) {
      const delivery = queue.take(nowMs);
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
    const store = this.#store;
    const takenMs = this.#clock.nowMs();
    const leave = this.#ready.taken(queue);
    let held = true;
    const settle = async (settlement: Settlement, report: AttemptReport | undefined) => {
      if (!held) throw new Error(`delivery ${delivery.id} is settled already`);
      held = false;
      try {
        if (!this.#isPresent(queue)) throw new LeaseLost(`another process has delivery ${delivery.id}`);
        const stored = store.settle(queue.name, delivery, settlement, report);
        if (report?.health !== undefined) this.#spare(queue);
        await stored;
      } catch (error) {
        if (error instanceof LeaseLost) leave(false);
        else held = true;
        throw error;
      }
      leave(settlement.type !== "done" || this.#clock.nowMs() - takenMs > slowMs);
      this.#settled(queue, delivery, settlement);
    };
    return {
      delivery,
      get endpoint() {
        return store.endpoint(queue.name) ?? create(EndpointSchema, { id: delivery.endpointId, removed: true });
      },
      done: async (report) => settle(delivered(delivery, this.#clock.wallMs(), report), report),
      retry: async (delayMs, report) => {
        const dueMs = this.#clock.nowMs() + Math.max(0, Math.ceil(delayMs));
        return settle(postponed(delivery, dueMs, report), report);
      },
      giveUp: async (reason, report) => settle(givenUp(delivery, this.#clock.wallMs(), reason, report), report),
    };
  }

  #settled(queue: DeliveryQueue, delivery: Delivery, settlement: Settlement): void {
    if (!this.#isPresent(queue)) return;
    const again = settlement.type === "retry" ? 1 : 0;
    if (isRetry(delivery)) this.#addCount(queue, 0, again - 1);
    else this.#addCount(queue, -1, again);
    queue.settled(delivery, settlement.type === "retry" ? dueMsOf(settlement.next) : undefined);
    this.#line(queue);
    this.#serve();
  }

  /** Gives a queue the place its state asks for: in line, waiting for its time, or none. */
  #line(queue: DeliveryQueue): void {
    if (this.#closed || !this.#isPresent(queue)) return;
    if (queue.isEmpty) {
      this.#setAlarm(queue, undefined);
      this.#ready.delete(queue);
      if (this.#queues.delete(keyOf(queue.name))) this.#store.emptied(queue.name);
      return;
    }
    const nowMs = this.#clock.nowMs();
    if (queue.isReady(nowMs)) this.#ready.add(queue);
    const atMs = queue.wakeAtMs(nowMs);
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

/** The length of the session's name keeps pairs apart that would otherwise read the same. */
const keyOf = ({ session, endpointId }: EndpointName): string => `${session.length} ${session} ${endpointId}`;
