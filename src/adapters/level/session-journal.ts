import { toBinary } from "@bufbuild/protobuf";
import { type Event, EventSchema } from "../../../gen/sessiond/v1/event_pb.js";
import type { NewEvent } from "../../ports/outbox.ts";
import type { Lease } from "../../ports/sessions.ts";
import { type Change, changeByAppending } from "../embedded/change.ts";
import type { CreationKeys } from "../embedded/creation-keys.ts";
import { seqOf } from "../embedded/delivery-queue.ts";
import { DeliveryQueues } from "../embedded/delivery-queues.ts";
import { Ownership } from "../embedded/ownership.ts";
import { Readers } from "../embedded/readers.ts";
import type { Records } from "../embedded/records.ts";
import { endpointAddition, firstAttemptAddition, LevelDeliveryStore } from "./delivery-store.ts";
import { levelRecords, type View } from "./level-records.ts";
import type { LevelOptions } from "./level-store.ts";
import { LevelRetention } from "./retention.ts";
import type { Operation } from "./store/database.ts";
import { createDurableWriter, type DurableWriter } from "./store/durable-writer.ts";
import { type OpenStore, recordSeq, reload } from "./store/opening.ts";
import { StoredEvents } from "./stored-events.ts";

/** One session's write, apart from its lease and its place in the log. */
export interface SessionWrite {
  /** Returns the operations on the session's own entries, at the moment of writing. */
  readonly operations: () => Operation[];
  readonly change: (afterSeq: bigint) => Change;
  /** Reads the operations that need reading first: removals, engine data included, and logins set aside. */
  readonly gather?: () => Promise<Operation[]>;
  readonly written: () => void;
}

const noBytes = new Uint8Array();

/** Writes changes of sessions to the store, each under its lease, and publishes them to readers and delivery queues. */
export class SessionJournal {
  readonly ownership: Ownership;
  readonly durable: DurableWriter;
  readonly events: StoredEvents;
  readonly retention: LevelRetention;
  readonly deliveries: LevelDeliveryStore;
  readonly queues: DeliveryQueues;
  readonly readers = new Readers();
  readonly records: Records;
  /** Idempotency keys of sessions; undefined until they are needed. */
  creationKeys: CreationKeys | undefined;
  readonly #store: OpenStore;
  /** The end of the log as the next write will find it. */
  #nextAfterSeq: bigint;
  #view: View;
  #isClosed = false;

  constructor(store: OpenStore, options: LevelOptions) {
    this.#store = store;
    this.ownership = new Ownership(store.afterEpoch);
    this.events = new StoredEvents(store.database, store.lastSeq);
    this.#nextAfterSeq = store.lastSeq;
    this.#view = { snapshot: store.database.snapshot(), seq: store.lastSeq };
    this.records = levelRecords(
      { database: store.database, view: () => this.view },
      store.sessions,
      options.recordCapacity,
    );
    this.durable = createDurableWriter(store, {
      ...options,
      complete: (operations) => {
        if (this.#nextAfterSeq !== this.#view.seq) operations.push(recordSeq(this.#nextAfterSeq));
      },
      written: () => this.#renewView(),
      restored: () => this.#restored(),
    });
    const { writer } = this.durable;
    this.retention = new LevelRetention(store.database, writer, store.trimmed);
    this.deliveries = new LevelDeliveryStore(store.database, writer, store.endpoints, {
      isPending: (name) => this.queues.has(name),
      isKept: (session) => store.sessions.has(session),
      append: (session, events, operations) => this.#append(session, events, operations),
      announce: (session, change) => this.#announce(session, change),
      settled: (session, family) => this.retention.added(family, session, 1),
    });
    this.queues = new DeliveryQueues(this.deliveries, options.clock);
  }

  /** Throws once the store is closed. */
  get view(): View {
    if (this.#isClosed) throw new Error("the store is closed");
    return this.#view;
  }

  /** Writes a change under a lease; returns its events with their `seq`. Rejects with LeaseLost. */
  async write(lease: Lease, write: SessionWrite): Promise<Event[]> {
    this.ownership.check(lease);
    let gathered: readonly Operation[] = [];
    const { gather } = write;
    const { events } = await this.durable.writer.write({
      sync: true,
      ...(gather && {
        prepare: async () => {
          this.ownership.check(lease);
          gathered = await gather();
        },
      }),
      build: (operations) => {
        this.ownership.check(lease);
        const change = write.change(this.#nextAfterSeq);
        for (const operation of gathered) operations.push(operation);
        this.#add(lease.session, change, operations);
        // Last: a refused record must not count as written.
        operations.push(...write.operations());
        if (gather) this.ownership.endHandles(lease.session);
        return change;
      },
      written: (change) => {
        write.written();
        this.#announce(lease.session, change);
      },
    });
    return events;
  }

  /** Logs events of a session without a lease; returns them with their `seq`. */
  async append(session: string, events: readonly NewEvent[]): Promise<Event[]> {
    const { events: logged } = await this.durable.writer.write({
      sync: true,
      build: (operations) => this.#append(session, events, operations),
      written: (change) => this.#announce(session, change),
    });
    return logged;
  }

  /** Ends all readers and claims, then closes the store. */
  async close(): Promise<void> {
    this.readers.close();
    this.queues.close();
    await this.durable.close();
    this.#isClosed = true;
  }

  #append(session: string, events: readonly NewEvent[], operations: Operation[]): Change {
    const { sessions, endpoints } = this.#store;
    const logged = sessions.has(session) ? events : [];
    const change = changeByAppending(session, logged, endpoints, this.#nextAfterSeq);
    this.#add(session, change, operations);
    return change;
  }

  #add(session: string, { events, deliveries, endpoints }: Change, operations: Operation[]): void {
    const bytes = new Map(events.map((event) => [event.seq, toBinary(EventSchema, event)]));
    for (const event of events) operations.push(...this.events.additions(event, bytes.get(event.seq) ?? noBytes));
    for (const delivery of deliveries) {
      operations.push(firstAttemptAddition(session, delivery, bytes.get(seqOf(delivery)) ?? noBytes));
    }
    for (const endpoint of endpoints) operations.push(endpointAddition(session, endpoint));
    this.#nextAfterSeq += BigInt(events.length);
    for (const endpoint of endpoints) this.#store.endpoints.set(session, endpoint);
  }

  /** Publishes a change that is written. */
  #announce(session: string, { events, deliveries, endpoints }: Change): void {
    this.events.added(events);
    this.retention.added("sessionEvent", session, events.length);
    this.queues.add(session, deliveries);
    for (const { id, removed } of endpoints) {
      const name = { session, endpointId: id };
      if (removed && !this.queues.has(name)) this.deliveries.emptied(name);
    }
    this.readers.publish(session, events, this.#view.seq);
  }

  /** Undoes the changes that a failed write has made in memory. */
  async #restored(): Promise<void> {
    this.records.undo();
    this.creationKeys = undefined;
    await reload(this.#store);
    this.#nextAfterSeq = this.#view.seq;
    this.#renewView();
  }

  #renewView(): void {
    const former = this.#view.snapshot;
    this.#view = { snapshot: this.#store.database.snapshot(), seq: this.#nextAfterSeq };
    // It is freed once its last reader is done; only a closing database could refuse.
    former.close().catch(() => {});
  }
}
