import { toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Event, EventSchema } from "../../../gen/sessiond/v1/event_pb.js";
import type { NewEvent } from "../../ports/outbox.ts";
import type { Lease } from "../../ports/sessions.ts";
import { type Change, changeByAppending, numberChange } from "../embedded/change.ts";
import type { CreationKeys } from "../embedded/creation-keys.ts";
import { seqOf } from "../embedded/delivery-queue.ts";
import { DeliveryQueues } from "../embedded/delivery-queues.ts";
import { Ownership } from "../embedded/ownership.ts";
import { Readers } from "../embedded/readers.ts";
import type { Records } from "../embedded/records.ts";
import { endpointAddition, PostgresDeliveryStore } from "./delivery-store.ts";
import { postgresRecords } from "./postgres-records.ts";
import type { PostgresOptions } from "./postgres-store.ts";
import { PostgresRetention } from "./retention.ts";
import type { StagedChange } from "./staged-change.ts";
import { closeAll, type OpenStore, reload } from "./store/opening.ts";
import type { EventOperation, Operation } from "./store/operation.ts";
import { StoredEvents } from "./stored-events.ts";
import { Writers } from "./writers.ts";

/** One session's write, apart from its lease and its place in the log. */
export interface SessionWrite {
  /** Returns the operations on the session's own rows, at the moment of writing. */
  readonly operations: () => Operation[];
  /** Returns the change, numbered after `afterSeq`. */
  readonly change: (afterSeq: bigint) => Change;
  /** Removes engine data: reads the operations that need reading first. They come first in their group. */
  readonly wipe?: () => Promise<Operation[]>;
  readonly written: () => void;
}

/** Writes changes of sessions to the database, each under its lease, and publishes them to readers and delivery queues. */
export class SessionJournal {
  readonly ownership: Ownership;
  readonly writers: Writers;
  readonly events: StoredEvents;
  readonly retention: PostgresRetention;
  readonly deliveries: PostgresDeliveryStore;
  readonly queues: DeliveryQueues;
  readonly readers = new Readers();
  readonly records: Records;
  /** Idempotency keys of sessions; undefined until they are needed. */
  creationKeys: CreationKeys | undefined;
  readonly #store: OpenStore;
  #lastSeq: bigint;
  #isClosed = false;

  constructor(store: OpenStore, { clock, logger, recordCapacity }: PostgresOptions) {
    this.#store = store;
    this.#lastSeq = store.lastSeq;
    this.ownership = new Ownership(store.afterEpoch);
    this.events = new StoredEvents(store, store.lastSeq);
    this.writers = new Writers({
      store,
      clock,
      logged: (lastSeq) => {
        this.#lastSeq = lastSeq ?? this.#lastSeq;
      },
      restored: () => this.#restored(),
      fenced: () => {
        logger?.error({}, "another sessiond has taken over this store; nothing is written any more");
        this.ownership.fence();
      },
    });
    const { log } = this.writers;
    this.records = postgresRecords(store, { seq: () => this.lastSeq, flushed: () => log.flushed() }, recordCapacity);
    this.retention = new PostgresRetention(store);
    this.deliveries = new PostgresDeliveryStore(store, log, {
      isPending: (name) => this.queues.has(name),
      isKept: (session) => store.sessions.has(session),
      append: (session, events, operations) => this.#append(session, events, operations),
      announce: (session, staged) => this.#announce(session, staged),
      settled: (session, state) => this.retention.added(state, session, 1),
    });
    this.queues = new DeliveryQueues(this.deliveries, clock);
  }

  /** The log's end. Throws once the store is closed. */
  get lastSeq(): bigint {
    if (this.#isClosed) throw new Error("the store is closed");
    return this.#lastSeq;
  }

  /** Writes a change under a lease; returns its events with their `seq`. Rejects with LeaseLost. */
  async write(lease: Lease, write: SessionWrite): Promise<Event[]> {
    const { session } = lease;
    this.ownership.check(lease);
    let gathered: readonly Operation[] = [];
    const { wipe } = write;
    const staged = await this.writers.log.write({
      sync: true,
      ...(wipe && {
        prepare: async () => {
          this.ownership.check(lease);
          // No write of engine data that comes later is lost by it.
          this.ownership.endHandles(session);
          await this.writers.data.flushed();
          gathered = await wipe();
        },
      }),
      build: (operations) => {
        this.ownership.check(lease);
        const change = write.change(0n);
        for (const operation of gathered) operations.push(operation);
        const added = this.#add(session, change, operations);
        // Last: a refused record must not count as written.
        operations.push(...write.operations());
        if (wipe) this.ownership.endHandles(session);
        return added;
      },
      written: (added) => {
        write.written();
        this.#announce(session, added);
      },
    });
    return staged.change.events;
  }

  /** Logs events of a session beside its changes, without a lease; returns them with their `seq`. */
  async append(session: string, events: readonly NewEvent[]): Promise<Event[]> {
    const staged = await this.writers.log.write({
      sync: true,
      build: (operations) => this.#append(session, events, operations),
      written: (added) => this.#announce(session, added),
    });
    return staged.change.events;
  }

  /** Ends all readers and claims, then closes the connections. */
  async close(): Promise<void> {
    this.readers.close();
    this.queues.close();
    // Writes that PostgreSQL takes are finished; those that it does not take are given up.
    this.#store.outage.close();
    await this.writers.close();
    this.#isClosed = true;
    await closeAll(this.#store.connections);
  }

  #append(session: string, events: readonly NewEvent[], operations: Operation[]): StagedChange {
    const { sessions, endpoints } = this.#store;
    const logged = sessions.has(session) ? events : [];
    return this.#add(session, changeByAppending(session, logged, endpoints, 0n), operations);
  }

  #add(session: string, change: Change, operations: Operation[]): StagedChange {
    const { events, deliveries, endpoints } = change;
    const targets = Map.groupBy(deliveries, seqOf);
    const logged = events.map((event): EventOperation => {
      const { id, time, seq } = event;
      return {
        type: "event",
        session,
        id,
        wallMs: time ? timestampMs(time) : 0,
        value: toBinary(EventSchema, { ...event, seq: 0n }),
        endpoints: (targets.get(seq) ?? []).map(({ endpointId }) => endpointId),
      };
    });
    operations.push(...logged);
    for (const endpoint of endpoints) {
      operations.push(endpointAddition(session, endpoint));
      this.#store.endpoints.set(session, endpoint);
    }
    return { change, events: logged };
  }

  /** Publishes a change that is written. */
  #announce(session: string, staged: StagedChange): void {
    const firstSeq = staged.events[0]?.seq;
    if (firstSeq !== undefined) staged.change = numberChange(staged.change, firstSeq - 1n);
    const { events, deliveries, endpoints } = staged.change;
    this.events.added(events);
    this.retention.added("event", session, events.length);
    this.queues.add(session, deliveries);
    for (const { id, removed } of endpoints) {
      const name = { session, endpointId: id };
      if (removed && !this.queues.has(name)) this.deliveries.emptied(name);
    }
    this.readers.publish(session, events, this.#lastSeq);
  }

  /** Undoes the changes that a failed write has made in memory. */
  async #restored(): Promise<void> {
    this.records.undo();
    this.creationKeys = undefined;
    await reload(this.#store);
  }
}
