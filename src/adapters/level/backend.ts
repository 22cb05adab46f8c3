import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type Delivery,
  type Endpoint,
  type EndpointHealth,
  type SessionRecord,
  SessionRecordSchema,
} from "../../../gen/sessiond/store/v1/store_pb.js";
import { type Event, EventSchema } from "../../../gen/sessiond/v1/event_pb.js";
import type { DeliveryName } from "../../domain/delivery.ts";
import type { Commit, Lease, Pairing, Snapshot } from "../../ports/backend.ts";
import type { ChatStore, Credentials, EngineData } from "../../ports/engine.ts";
import type { Claim, DeliveryQuery, NewEvent, QueueStats, Retention } from "../../ports/outbox.ts";
import type { Clock } from "../../ports/system.ts";
import { type Change, changeBy, changeByAppending, changeByRemoval } from "../embedded/change.ts";
import { seqOf } from "../embedded/delivery-queue.ts";
import { DeliveryQueues } from "../embedded/delivery-queues.ts";
import type { Endpoints } from "../embedded/endpoints.ts";
import { guardedData } from "../embedded/guarded-data.ts";
import { type DataKind, Ownership } from "../embedded/ownership.ts";
import { Readers } from "../embedded/readers.ts";
import type { Trimmed } from "../embedded/trimmed.ts";
import { LevelConsumers } from "./consumers.ts";
import { DeliveryLog } from "./delivery-log.ts";
import { endpointAddition, firstAttemptAddition, LevelDeliveryStore } from "./delivery-store.ts";
import { EventLog } from "./event-log.ts";
import { dataRemovals, levelData } from "./level-data.ts";
import type { LevelOptions, LevelStore } from "./level-store.ts";
import { LevelPendingUnlinks } from "./pending-unlinks.ts";
import { LevelRetention } from "./retention.ts";
import { type BackupReport, backUp } from "./store/backup.ts";
import type { Database, DatabaseSnapshot, Operation } from "./store/database.ts";
import { createDurableWriter, type DurableWriter } from "./store/durable-writer.ts";
import type { GroupWriter } from "./store/group-writer.ts";
import { keyOf, rangeOf } from "./store/key.ts";
import { type OpenStore, openStore, recordSeq, reload } from "./store/opening.ts";
import { countPending, readAtSnapshot } from "./store/reading.ts";

/**
 * Opens the embedded backend on a directory of its own. Rejects, naming the directory, where it is in use, damaged, unknown, a
 * copy, or sealed with another key.
 */
export async function openLevelBackend(options: LevelOptions): Promise<LevelStore> {
  return new LevelBackend(await openStore(options), options);
}

/** One session's write, apart from what its lease and the log's end say. */
interface SessionWrite {
  /** What it does to the record, at the moment of writing; undefined: nothing. */
  readonly record: () => Operation | undefined;
  readonly change: (afterSeq: bigint) => Change;
  /** What goes with it and has to be read first: removals, engine data included, and logins set aside. */
  readonly gather?: () => Promise<Operation[]>;
  readonly written: () => void;
}

const noBytes = new Uint8Array();

class LevelBackend implements LevelStore {
  readonly lastWrittenMs: number | undefined;
  readonly pendingUnlinks: LevelPendingUnlinks;
  readonly #store: OpenStore;
  readonly #database: Database;
  readonly #ownership: Ownership;
  readonly #endpoints: Endpoints;
  readonly #log: EventLog;
  readonly #writer: GroupWriter;
  readonly #durable: DurableWriter;
  readonly #queues: DeliveryQueues;
  readonly #deliveries: LevelDeliveryStore;
  readonly #deliveryLog: DeliveryLog;
  readonly #retention: LevelRetention;
  readonly #trimmed: Trimmed;
  /** Names of all sessions. */
  readonly #sessions: Set<string>;
  /** The record that was last written of each session: most commits add events and change nothing of it. */
  readonly #written = new Map<string, SessionRecord>();
  readonly #clock: Clock;
  readonly #pairings = new Map<string, Pairing>();
  readonly #readers = new Readers();
  readonly #consumers: LevelConsumers;
  /** The log's end as the next write will find it. */
  #nextAfterSeq: bigint;
  /** What readers see: as of the last group written, so that record, pairing and seq belong together. */
  #view: { readonly snapshot: DatabaseSnapshot; readonly seq: bigint };
  #closed: Promise<void> | undefined;

  constructor(store: OpenStore, options: LevelOptions) {
    const { clock } = options;
    this.#store = store;
    this.lastWrittenMs = store.lastWrittenMs;
    this.#database = store.database;
    this.#ownership = new Ownership(store.afterEpoch);
    this.#endpoints = store.endpoints;
    this.#log = new EventLog(store.database, store.lastSeq);
    this.#nextAfterSeq = store.lastSeq;
    this.#view = { snapshot: store.database.snapshot(), seq: store.lastSeq };
    this.#durable = createDurableWriter(store, {
      ...options,
      complete: (operations) => {
        if (this.#nextAfterSeq !== this.#view.seq) operations.push(recordSeq(this.#nextAfterSeq));
      },
      written: () => this.#renewView(),
      restored: () => this.#restored(),
    });
    this.#writer = this.#durable.writer;
    this.#clock = clock;
    this.#sessions = store.sessions;
    this.#trimmed = store.trimmed;
    this.#retention = new LevelRetention(store.database, this.#writer, store.trimmed);
    this.#deliveryLog = new DeliveryLog(store.database, store.endpoints);
    this.#deliveries = new LevelDeliveryStore(store.database, this.#writer, store.endpoints, {
      isPending: (name) => this.#queues.has(name),
      isKept: (session) => this.#sessions.has(session),
      append: (session, events, operations) => this.#append(session, events, operations),
      announce: (session, change) => this.#announce(session, change),
      settled: (session, family) => this.#retention.added(family, session, 1),
    });
    this.#queues = new DeliveryQueues(this.#deliveries, clock);
    this.#consumers = new LevelConsumers(store.database, this.#writer);
    this.pendingUnlinks = new LevelPendingUnlinks(store.database, this.#writer, this.#ownership);
    for (const queue of store.pending) this.#queues.restore(queue, queue);
    if (store.pending.length > 0) void countPending(store.database, this.#queues);
  }

  async list(): Promise<{ records: SessionRecord[]; seq: bigint }> {
    const { snapshot, seq } = this.#view;
    const values = await this.#database.values({ ...rangeOf("record"), snapshot }).all();
    return { records: values.map((value) => fromBinary(SessionRecordSchema, value)), seq };
  }

  async get(session: string): Promise<Snapshot> {
    const { snapshot, seq } = this.#view;
    const pairing = this.#pairings.get(session);
    const value: Uint8Array | undefined = await this.#database.get(keyOf("record", session), { snapshot });
    return { record: value && fromBinary(SessionRecordSchema, value), pairing, seq };
  }

  async acquire(session: string): Promise<Lease> {
    const lease = this.#ownership.acquire(session);
    // What the owner before was about to write is written or refused by now, and can be read.
    await this.#writer.flushed();
    return lease;
  }

  async release(lease: Lease): Promise<void> {
    this.#ownership.release(lease);
  }

  async commit(lease: Lease, commit: Commit): Promise<Event[]> {
    const { session } = lease;
    const { record } = commit;
    const isWritten = () => this.#written.get(session) === record;
    const value = isWritten() ? undefined : toBinary(SessionRecordSchema, record);
    return this.#write(lease, {
      record: () => {
        if (isWritten()) return undefined;
        this.#written.set(session, record);
        return { type: "put", key: keyOf("record", session), value: value ?? toBinary(SessionRecordSchema, record) };
      },
      change: (afterSeq) => {
        const change = changeBy(session, commit, this.#endpoints, afterSeq);
        this.#sessions.add(session);
        return change;
      },
      ...(commit.wipe && {
        gather: async () => [
          ...(commit.setAside ? await this.pendingUnlinks.additions(session, commit.setAside) : []),
          ...(await dataRemovals(this.#database, session)),
        ],
      }),
      written: () => {
        if (commit.pairing) this.#pairings.set(session, commit.pairing);
        else if (commit.pairing === null) this.#pairings.delete(session);
      },
    });
  }

  async remove(lease: Lease, last: readonly NewEvent[]): Promise<Event[]> {
    const { session } = lease;
    return this.#write(lease, {
      record: () => {
        this.#written.delete(session);
        return { type: "del", key: keyOf("record", session) };
      },
      change: (afterSeq) => {
        const change = changeByRemoval(session, last, this.#endpoints, afterSeq);
        this.#sessions.delete(session);
        return change;
      },
      gather: async () => [
        ...(await dataRemovals(this.#database, session)),
        ...(await this.#log.removals(session)),
        ...(await this.#retention.removals(session)),
      ],
      written: () => {
        this.#pairings.delete(session);
        this.#log.removed(session);
        this.#retention.forget(session);
      },
    });
  }

  credentials(lease: Lease): Credentials {
    return this.#data(lease, "credentials");
  }

  chats(lease: Lease): ChatStore {
    return this.#data(lease, "chats");
  }

  events(
    session: string | undefined,
    afterSeq: bigint,
    signal: AbortSignal,
    throughSeq?: bigint,
  ): AsyncIterable<Event> {
    return this.#readers.events(session, afterSeq, signal, throughSeq, {
      page: (cursor) => this.#log.page(session, cursor, this.#view.seq),
      oldestSeq: () => this.#trimmed.oldestSeq(session),
    });
  }

  lastSeq(): bigint {
    return this.#view.seq;
  }

  acknowledge(consumer: string, cursor: bigint): Promise<bigint> {
    return this.#consumers.acknowledge(consumer, cursor);
  }

  acknowledged(consumer: string): Promise<bigint | undefined> {
    return this.#consumers.acknowledged(consumer);
  }

  watch(session: string, signal: AbortSignal): AsyncIterable<Snapshot> {
    return this.#readers.watch(session, signal, () => this.get(session));
  }

  async oldestSeq(session: string | undefined): Promise<bigint> {
    return this.#trimmed.oldestSeq(session);
  }

  trim(retention: Retention, nowMs: number, signal: AbortSignal): Promise<number> {
    return this.#retention.trim(retention, nowMs, signal);
  }

  claims(signal: AbortSignal): AsyncIterable<Claim> {
    return this.#queues.claims(signal);
  }

  async append(session: string, events: readonly NewEvent[]): Promise<Event[]> {
    const { events: logged } = await this.#writer.write({
      sync: true,
      build: (operations) => this.#append(session, events, operations),
      written: (change) => this.#announce(session, change),
    });
    return logged;
  }

  async endpoints(session: string): Promise<Endpoint[]> {
    return this.#endpoints.of(session);
  }

  async setHealth(session: string, endpointId: string, health: EndpointHealth | undefined) {
    const name = { session, endpointId };
    const endpoint = await this.#deliveries.setHealth(name, health);
    this.#queues.healthChanged(name);
    return endpoint;
  }

  deliveries(session: string, query: DeliveryQuery): Promise<Delivery[]> {
    return readAtSnapshot(this.#database, (snapshot) => this.#deliveryLog.list(session, query, snapshot));
  }

  delivery(session: string, name: DeliveryName): Promise<Delivery | undefined> {
    return readAtSnapshot(this.#database, (snapshot) => this.#deliveryLog.get(session, name, snapshot));
  }

  resend(session: string, names: readonly DeliveryName[]): Promise<Delivery[]> {
    return this.#deliveryLog.resend(session, names, this.#clock.nowMs(), this.#writer, (deliveries, families) => {
      for (const family of families) this.#retention.added(family, session, -1);
      this.#queues.addRetries(session, deliveries);
    });
  }

  queueStats(): QueueStats {
    return this.#queues.stats();
  }

  async check(): Promise<void> {
    const key = keyOf("meta", "check");
    const build = (operations: Operation[]) => void operations.push({ type: "put", key, value: new Uint8Array() });
    await this.#writer.write({ sync: true, build });
  }

  get resealed(): Promise<void> {
    return this.#durable.resealed;
  }

  backup(directory: string): Promise<BackupReport> {
    return backUp(this.#database, directory);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#readers.close();
    this.#queues.close();
    await this.#durable.close();
  }

  #data(lease: Lease, kind: DataKind): EngineData {
    const guard = this.#ownership.handle(lease, kind);
    return guardedData(guard, levelData(this.#database, this.#writer, lease.session, kind));
  }

  async #write(lease: Lease, write: SessionWrite): Promise<Event[]> {
    this.#ownership.check(lease);
    let gathered: readonly Operation[] = [];
    const { gather } = write;
    const { events } = await this.#writer.write({
      sync: true,
      ...(gather && {
        prepare: async () => {
          this.#ownership.check(lease);
          gathered = await gather();
        },
      }),
      build: (operations) => {
        this.#ownership.check(lease);
        const change = write.change(this.#nextAfterSeq);
        for (const operation of gathered) operations.push(operation);
        this.#add(lease.session, change, operations);
        // Last: what is refused must not count as written.
        const record = write.record();
        if (record) operations.push(record);
        if (gather) this.#ownership.endHandles(lease.session);
        return change;
      },
      written: (change) => {
        write.written();
        this.#announce(lease.session, change);
      },
    });
    return events;
  }

  #append(session: string, events: readonly NewEvent[], operations: Operation[]): Change {
    const kept = this.#sessions.has(session) ? events : [];
    const change = changeByAppending(session, kept, this.#endpoints, this.#nextAfterSeq);
    this.#add(session, change, operations);
    return change;
  }

  #add(session: string, { events, deliveries, endpoints }: Change, operations: Operation[]): void {
    const bytes = new Map(events.map((event) => [event.seq, toBinary(EventSchema, event)]));
    for (const event of events) operations.push(...this.#log.additions(event, bytes.get(event.seq) ?? noBytes));
    for (const delivery of deliveries) {
      operations.push(firstAttemptAddition(session, delivery, bytes.get(seqOf(delivery)) ?? noBytes));
    }
    for (const endpoint of endpoints) operations.push(endpointAddition(session, endpoint));
    this.#nextAfterSeq += BigInt(events.length);
    for (const endpoint of endpoints) this.#endpoints.set(session, endpoint);
  }

  /** Tells readers what is written by now. */
  #announce(session: string, { events, deliveries, endpoints }: Change): void {
    this.#log.added(events);
    this.#retention.added("sessionEvent", session, events.length);
    this.#queues.add(session, deliveries);
    for (const { id, removed } of endpoints) {
      const name = { session, endpointId: id };
      if (removed && !this.#queues.has(name)) this.#deliveries.emptied(name);
    }
    this.#readers.publish(session, events, this.#view.seq);
  }

  /** A failed write has left its traces in memory. */
  async #restored(): Promise<void> {
    this.#written.clear();
    await reload(this.#store);
    this.#nextAfterSeq = this.#view.seq;
    this.#renewView();
  }

  #renewView(): void {
    const former = this.#view.snapshot;
    this.#view = { snapshot: this.#database.snapshot(), seq: this.#nextAfterSeq };
    // It goes when its last reader is through; only a closing database could refuse.
    former.close().catch(() => {});
  }
}
