import { toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Endpoint } from "../../../gen/sessiond/store/v1/store_pb.js";
import { type Event, EventSchema } from "../../../gen/sessiond/v1/event_pb.js";
import type { NewEvent } from "../../ports/outbox.ts";
import type { Lease } from "../../ports/sessions.ts";
import { type Change, changeByAppending, numberChange } from "../embedded/change.ts";
import { seqOf } from "../embedded/delivery-queue.ts";
import { DeliveryQueues } from "../embedded/delivery-queues.ts";
import { Ownership } from "../embedded/ownership.ts";
import { Readers } from "../embedded/readers.ts";
import type { Records } from "../embedded/records.ts";
import { Leases, type Need } from "./cluster/leases.ts";
import { Solitude } from "./cluster/solitude.ts";
import { endpointAddition, PostgresDeliveryStore } from "./delivery-store.ts";
import { LogTail } from "./log-tail.ts";
import { OwnedSessions } from "./owned-sessions.ts";
import { postgresRecords } from "./postgres-records.ts";
import type { PostgresOptions } from "./postgres-store.ts";
import { PostgresRetention } from "./retention.ts";
import { SessionViews } from "./session-views.ts";
import type { StagedChange } from "./staged-change.ts";
import { closeAll, type OpenStore, reloadNames } from "./store/opening.ts";
import type { EventOperation, Operation } from "./store/operation.ts";
import { StoredEvents } from "./stored-events.ts";
import { Writers } from "./writers.ts";

/** One session's write, apart from its lease and its place in the log. */
export interface SessionWrite {
  /** Returns the operations on the session's own rows, at the moment of writing. */
  readonly operations: () => Operation[];
  /** Returns the change, numbered after `afterSeq`. */
  readonly change: (afterSeq: bigint) => Change;
  /** The facts that a node is chosen by, as of this write. */
  readonly need?: Partial<Need>;
  /** Removes engine data: reads the operations that need reading first. They come first in their group. */
  readonly wipe?: () => Promise<Operation[]>;
  readonly written: () => void;
}

/** Writes changes of sessions to the database, each under its lease, and publishes them to readers and delivery queues. */
export class SessionJournal {
  /** The owners within this process, of sessions that this node owns. */
  readonly ownership = new Ownership(0n);
  readonly leases: Leases;
  readonly writers: Writers;
  readonly events: StoredEvents;
  readonly retention: PostgresRetention;
  readonly deliveries: PostgresDeliveryStore;
  readonly queues: DeliveryQueues;
  readonly readers = new Readers();
  readonly records: Records;
  readonly views: SessionViews;
  readonly tail: LogTail;
  /** Tells if this node is the only one. */
  readonly solitude: Solitude;
  readonly #owned: OwnedSessions;
  readonly #store: OpenStore;
  #isClosed = false;

  constructor(store: OpenStore, { clock, recordCapacity, logger }: PostgresOptions) {
    this.#store = store;
    this.leases = new Leases({
      reads: store.reads,
      membership: store.membership,
      load: async (sessions) => {
        // Nobody else writes them by now: the log is no older than the records read next.
        if (!this.solitude.holds) await this.tail.follow();
        await this.#owned.load(sessions);
      },
      forget: (session) => this.#owned.forget(session),
    });
    this.events = new StoredEvents(store, store.lastSeq);
    this.writers = new Writers({
      store,
      clock,
      placed: (afterSeq) => this.tail.fillThrough(afterSeq),
      logged: (events) => this.tail.logged(events),
      restored: () => this.#restored(),
      lost: (sessions) => this.#lose(sessions),
      refused: (sessions) => this.#owned.reload(sessions),
    });
    const { log } = this.writers;
    this.tail = new LogTail({
      events: this.events,
      readers: this.readers,
      lastSeq: store.lastSeq,
      flushed: () => log.flushed(),
      pause: (failures, cause) => store.outage.pause(failures, cause),
      logger,
    });
    this.records = postgresRecords(store, { seq: () => this.lastSeq, flushed: () => log.flushed() }, recordCapacity);
    this.retention = new PostgresRetention(store, {
      owns: (session) => this.leases.has(session),
      trimsUnowned: () => store.membership.isFirst,
    });
    this.deliveries = new PostgresDeliveryStore(store, log, {
      isPending: (name) => this.queues.has(name),
      isKept: (session) => store.sessions.has(session),
      authorise: (session, operations) => this.authorise(session, operations),
      append: (session, events, operations) => this.#append(session, events, operations),
      announce: (session, staged) => this.#announce(session, staged),
      settled: (session, state) => this.retention.added(state, session, 1),
    });
    this.queues = new DeliveryQueues(this.deliveries, clock);
    this.#owned = new OwnedSessions(store, {
      queues: this.queues,
      records: this.records,
      retention: this.retention,
      owns: (session) => this.leases.has(session),
      flushed: async () => {
        await Promise.all([log.flushed(), this.writers.data.flushed()]);
      },
    });
    this.views = new SessionViews(store, {
      records: this.records,
      owns: (session) => this.leases.has(session),
      isAlone: () => this.solitude.holds,
      reach: (seq) => this.tail.reach(seq),
    });
    this.solitude = new Solitude(async () => {
      await this.views.catchUp();
      await this.tail.follow();
    });
  }

  /** The log's end. Throws once the store is closed. */
  get lastSeq(): bigint {
    if (this.#isClosed) throw new Error("the store is closed");
    return this.tail.lastSeq;
  }

  /** Adds the condition that this node still owns a session when the group is written. Throws LeaseLost if it does not now. */
  authorise(session: string, operations: Operation[]): void {
    operations.push({ type: "lease", session, epoch: this.leases.epochOf(session) });
  }

  /** Returns the endpoints of a session, whichever node owns it. */
  endpointsOf(session: string): Promise<Endpoint[]> {
    return this.#owned.endpointsOf(session);
  }

  /** Gives up all sessions: other nodes may have taken them. Their owners stop before this returns. */
  loseAll(): void {
    this.solitude.end();
    this.ownership.fence();
    this.leases.loseAll();
  }

  /** Writes a change under a lease; returns its events with their `seq`. Rejects with LeaseLost. */
  async write(lease: Lease, write: SessionWrite): Promise<Event[]> {
    const { session } = lease;
    this.ownership.check(lease);
    let gathered: readonly Operation[] = [];
    const { wipe } = write;
    const staged = await this.writers.log.write({
      sync: true,
      owner: session,
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
        this.authorise(session, operations);
        for (const operation of gathered) operations.push(operation);
        const added = this.#add(session, change, operations, write.need);
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
    await this.leases.ensure(session);
    const staged = await this.writers.log.write({
      sync: true,
      owner: session,
      build: (operations) => {
        this.authorise(session, operations);
        return this.#append(session, events, operations);
      },
      written: (added) => this.#announce(session, added),
    });
    return staged.change.events;
  }

  /** Ends all readers and claims, then the node by `leave`, then closes the connections. */
  async close(leave: () => Promise<void> = async () => {}): Promise<void> {
    this.readers.close();
    this.queues.close();
    // Writes that PostgreSQL takes are finished; those that it does not take are given up.
    this.#store.outage.close();
    await this.writers.close();
    await leave();
    this.#isClosed = true;
    await closeAll(this.#store.connections);
  }

  #append(session: string, events: readonly NewEvent[], operations: Operation[]): StagedChange {
    const { sessions, endpoints } = this.#store;
    const logged = sessions.has(session) ? events : [];
    return this.#add(session, changeByAppending(session, logged, endpoints, 0n), operations);
  }

  #add(session: string, change: Change, operations: Operation[], facts: Partial<Need> = {}): StagedChange {
    const { events, deliveries, endpoints } = change;
    const need = this.#stageNeed(session, facts, deliveries.length > 0);
    if (need) operations.push(need);
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

  /** Returns the operation that stores the facts about a session, if they change. Deliveries need an owner until the last one is settled. */
  #stageNeed(session: string, { needsOwner, ...facts }: Partial<Need>, hasDeliveries: boolean): Operation | undefined {
    const isPending = () =>
      this.#store.endpoints.of(session).some(({ id }) => this.queues.has({ session, endpointId: id }));
    if (needsOwner !== undefined) {
      return this.leases.stageNeed(session, { ...facts, needsOwner: needsOwner || hasDeliveries || isPending() });
    }
    return this.leases.stageNeed(session, { ...facts, ...(hasDeliveries && { needsOwner: true }) });
  }

  #lose(sessions: readonly string[]): void {
    for (const session of sessions) {
      this.ownership.lose(session);
      this.leases.lose(session);
    }
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
    this.readers.publish(session, events, this.tail.lastSeq);
  }

  /** Undoes the changes that a failed write has made in memory. */
  async #restored(): Promise<void> {
    this.records.undo();
    this.leases.doubtNeeds();
    await reloadNames(this.#store);
    await this.#owned.reloadEndpoints();
  }
}
