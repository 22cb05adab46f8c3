import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type SessionRecord, SessionRecordSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import type { Backend, Claim, Commit, Lease, NewEvent, Pairing, Snapshot } from "../../ports/backend.ts";
import type { ChatStore, Credentials, EngineData } from "../../ports/engine.ts";
import type { Clock } from "../../ports/system.ts";
import { type Change, changeBy, changeByRemoval } from "../backend/change.ts";
import { DeliveryQueues } from "../backend/delivery-queues.ts";
import type { EndpointName, Endpoints } from "../backend/endpoints.ts";
import { guardedData } from "../backend/guarded-data.ts";
import { type DataKind, Ownership } from "../backend/ownership.ts";
import { Readers } from "../backend/readers.ts";
import type { Database, DatabaseSnapshot, Operation } from "./database.ts";
import { deliveryAddition, endpointAddition, LevelDeliveryStore } from "./delivery-store.ts";
import { EventLog } from "./event-log.ts";
import { GroupWriter } from "./group-writer.ts";
import { keyOf, rangeOf } from "./key.ts";
import { dataRemovals, levelData } from "./level-data.ts";
import { type OpenStore, openStore, seqAddition } from "./opening.ts";

/** Opens the embedded backend on a directory of its own. Rejects, naming the directory, where it is in use, damaged or unknown. */
export async function openLevelBackend(options: { directory: string; clock: Clock }): Promise<Backend> {
  return new LevelBackend(await openStore(options.directory), options.clock);
}

/** One session's write, apart from what its lease and the log's end say. */
interface SessionWrite {
  readonly record: Operation;
  readonly change: (afterSeq: bigint) => Change;
  /** What is removed with it, engine data included. */
  readonly removals?: () => Promise<Operation[]>;
  readonly written: () => void;
}

class LevelBackend implements Backend {
  readonly #database: Database;
  readonly #ownership: Ownership;
  readonly #endpoints: Endpoints;
  readonly #log: EventLog;
  readonly #writer: GroupWriter;
  readonly #queues: DeliveryQueues;
  readonly #deliveries: LevelDeliveryStore;
  readonly #pairings = new Map<string, Pairing>();
  readonly #readers = new Readers();
  /** The log's end as the next write will find it. */
  #nextAfterSeq: bigint;
  /** What readers see: as of the last group written, so that record, pairing and seq belong together. */
  #view: { readonly snapshot: DatabaseSnapshot; readonly seq: bigint };
  #closed: Promise<void> | undefined;

  constructor(store: OpenStore, clock: Clock) {
    this.#database = store.database;
    this.#ownership = new Ownership(store.afterEpoch);
    this.#endpoints = store.endpoints;
    this.#log = new EventLog(store.database, store.lastSeq);
    this.#nextAfterSeq = store.lastSeq;
    this.#view = { snapshot: store.database.snapshot(), seq: store.lastSeq };
    this.#writer = new GroupWriter({
      batch: (operations, options) => store.database.batch(operations, options),
      seal: (operations) => {
        if (this.#nextAfterSeq !== this.#view.seq) operations.push(seqAddition(this.#nextAfterSeq));
      },
      written: () => this.#renewView(),
    });
    const isPending = (name: EndpointName) => this.#queues.has(name);
    this.#deliveries = new LevelDeliveryStore(store.database, this.#writer, store.endpoints, isPending);
    this.#queues = new DeliveryQueues(this.#deliveries, clock);
    for (const queue of store.pending) this.#queues.restore(queue, queue);
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
    await this.#writer.settled();
    return lease;
  }

  async release(lease: Lease): Promise<void> {
    this.#ownership.release(lease);
  }

  async commit(lease: Lease, commit: Commit): Promise<Event[]> {
    const { session } = lease;
    const value = toBinary(SessionRecordSchema, commit.record);
    return this.#write(lease, {
      record: { type: "put", key: keyOf("record", session), value },
      change: (afterSeq) => changeBy(session, commit, this.#endpoints, afterSeq),
      ...(commit.wipe && { removals: () => dataRemovals(this.#database, session) }),
      written: () => {
        if (commit.pairing) this.#pairings.set(session, commit.pairing);
        else if (commit.pairing === null) this.#pairings.delete(session);
      },
    });
  }

  async remove(lease: Lease, last: readonly NewEvent[]): Promise<Event[]> {
    const { session } = lease;
    return this.#write(lease, {
      record: { type: "del", key: keyOf("record", session) },
      change: (afterSeq) => changeByRemoval(session, last, this.#endpoints, afterSeq),
      removals: async () => (await dataRemovals(this.#database, session)).concat(await this.#log.removals(session)),
      written: () => {
        this.#pairings.delete(session);
        this.#log.removed(session);
      },
    });
  }

  credentials(lease: Lease): Credentials {
    return this.#data(lease, "credentials");
  }

  chats(lease: Lease): ChatStore {
    return this.#data(lease, "chats");
  }

  events(session: string | undefined, afterSeq: bigint, signal: AbortSignal): AsyncIterable<Event> {
    const readPage = (cursor: bigint) => this.#log.page(session, cursor, this.#view.seq);
    return this.#readers.events(session, afterSeq, signal, readPage);
  }

  watch(session: string, signal: AbortSignal): AsyncIterable<Snapshot> {
    return this.#readers.watch(session, signal, () => this.get(session));
  }

  claims(signal: AbortSignal): AsyncIterable<Claim> {
    return this.#queues.claims(signal);
  }

  async check(): Promise<void> {
    const key = keyOf("meta", "check");
    const build = (operations: Operation[]) => void operations.push({ type: "put", key, value: new Uint8Array() });
    await this.#writer.write({ sync: true, build });
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#readers.close();
    this.#queues.close();
    await this.#writer.close();
    await this.#database.close();
  }

  #data(lease: Lease, kind: DataKind): EngineData {
    const guard = this.#ownership.handle(lease, kind);
    return guardedData(guard, levelData(this.#database, this.#writer, lease.session, kind));
  }

  async #write(lease: Lease, write: SessionWrite): Promise<Event[]> {
    this.#ownership.check(lease);
    let removals: readonly Operation[] = [];
    const gather = write.removals;
    const { events } = await this.#writer.write({
      sync: true,
      ...(gather && {
        prepare: async () => {
          this.#ownership.check(lease);
          removals = await gather();
        },
      }),
      build: (operations) => {
        this.#ownership.check(lease);
        const change = write.change(this.#nextAfterSeq);
        for (const operation of removals) operations.push(operation);
        operations.push(write.record, ...this.#additions(lease.session, change));
        this.#nextAfterSeq += BigInt(change.events.length);
        for (const endpoint of change.endpoints) this.#endpoints.set(lease.session, endpoint);
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

  *#additions(session: string, { events, deliveries, endpoints }: Change): Iterable<Operation> {
    for (const event of events) yield* this.#log.additions(event);
    for (const delivery of deliveries) yield deliveryAddition(session, delivery);
    for (const endpoint of endpoints) yield endpointAddition(session, endpoint);
  }

  /** Tells readers what is written by now. */
  #announce(session: string, { events, deliveries, endpoints }: Change): void {
    this.#log.added(events);
    this.#queues.add(session, deliveries);
    for (const { id, removed } of endpoints) {
      const name = { session, endpointId: id };
      if (removed && !this.#queues.has(name)) this.#deliveries.emptied(name);
    }
    this.#readers.publish(session, events, this.#view.seq);
  }

  #renewView(): void {
    const former = this.#view.snapshot;
    this.#view = { snapshot: this.#database.snapshot(), seq: this.#nextAfterSeq };
    // It goes when its last reader is through; only a closing database could refuse.
    former.close().catch(() => {});
  }
}
