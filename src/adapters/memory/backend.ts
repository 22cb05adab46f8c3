import { clone } from "@bufbuild/protobuf";
import {
  type Delivery,
  type Endpoint,
  type EndpointHealth,
  type PendingUnlink,
  type SessionRecord,
  SessionRecordSchema,
} from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import type { DeliveryName } from "../../domain/delivery.ts";
import type { Backend, Commit, Lease, Pairing, Snapshot } from "../../ports/backend.ts";
import type { ChatStore, Credentials, EngineData } from "../../ports/engine.ts";
import type { Claim, DeliveryQuery, NewEvent, QueueStats, Retention } from "../../ports/outbox.ts";
import type { Clock } from "../../ports/system.ts";
import { type Change, changeBy, changeByAppending, changeByRemoval } from "../embedded/change.ts";
import { DeliveryQueues } from "../embedded/delivery-queues.ts";
import { Endpoints } from "../embedded/endpoints.ts";
import { EventWindow } from "../embedded/event-window.ts";
import { type DataStore, guardedData } from "../embedded/guarded-data.ts";
import { type DataKind, Ownership } from "../embedded/ownership.ts";
import { Readers } from "../embedded/readers.ts";
import { Trimmed } from "../embedded/trimmed.ts";
import { MemoryDeliveryStore } from "./delivery-store.ts";
import { MemoryPendingUnlinks } from "./pending-unlinks.ts";
import { trim } from "./retention.ts";

/** A backend that lasts as long as the process: for tests. */
export const openMemoryBackend = (options: { clock: Clock }): Backend => new MemoryBackend(options.clock);

type Bytes = Map<string, Uint8Array>;

class MemoryBackend implements Backend {
  readonly pendingUnlinks = new MemoryPendingUnlinks((id) => this.#wipe(id));
  readonly #ownership = new Ownership(0n);
  readonly #records = new Map<string, SessionRecord>();
  readonly #pairings = new Map<string, Pairing>();
  readonly #data = { credentials: new Map<string, Bytes>(), chats: new Map<string, Bytes>() };
  readonly #log = new EventWindow(0n);
  readonly #endpoints = new Endpoints();
  readonly #trimmed = new Trimmed();
  readonly #deliveries = new MemoryDeliveryStore(this.#endpoints, {
    isKept: (session) => this.#records.has(session),
    append: (session, events) => this.#append(session, events),
  });
  readonly #clock: Clock;
  readonly #queues: DeliveryQueues;
  readonly #readers = new Readers();
  readonly #consumers = new Map<string, bigint>();
  #seq = 0n;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#queues = new DeliveryQueues(this.#deliveries, clock);
  }

  async list(): Promise<{ records: SessionRecord[]; seq: bigint }> {
    this.#assertOpen();
    const names = [...this.#records.keys()].sort();
    return { records: names.flatMap((name) => this.#record(name) ?? []), seq: this.#seq };
  }

  async get(session: string): Promise<Snapshot> {
    this.#assertOpen();
    return { record: this.#record(session), pairing: this.#pairings.get(session), seq: this.#seq };
  }

  async acquire(session: string): Promise<Lease> {
    return this.#ownership.acquire(session);
  }

  async release(lease: Lease): Promise<void> {
    this.#ownership.release(lease);
  }

  async commit(lease: Lease, commit: Commit): Promise<Event[]> {
    this.#assertOpen();
    this.#ownership.check(lease);
    const { session } = lease;
    const change = changeBy(session, commit, this.#endpoints, this.#seq);
    this.#records.set(session, clone(SessionRecordSchema, commit.record));
    if (commit.pairing) this.#pairings.set(session, commit.pairing);
    else if (commit.pairing === null) this.#pairings.delete(session);
    if (commit.setAside) this.#setAside(session, commit.setAside);
    if (commit.wipe) this.#wipe(session);
    return this.#apply(session, change);
  }

  async remove(lease: Lease, last: readonly NewEvent[]): Promise<Event[]> {
    this.#assertOpen();
    this.#ownership.check(lease);
    const { session } = lease;
    const change = changeByRemoval(session, last, this.#endpoints, this.#seq);
    this.#records.delete(session);
    this.#pairings.delete(session);
    this.#wipe(session);
    this.#log.drop(session);
    this.#trimmed.forget(session);
    this.#deliveries.forget(session, () => true);
    return this.#apply(session, change);
  }

  credentials(lease: Lease): Credentials {
    return this.#handle(lease, "credentials");
  }

  chats(lease: Lease): ChatStore {
    return this.#handle(lease, "chats");
  }

  events(
    session: string | undefined,
    afterSeq: bigint,
    signal: AbortSignal,
    throughSeq?: bigint,
  ): AsyncIterable<Event> {
    return this.#readers.events(session, afterSeq, signal, throughSeq, {
      page: async (cursor) => this.#log.page(session, cursor),
      oldestSeq: () => this.#trimmed.oldestSeq(session),
    });
  }

  lastSeq(): bigint {
    return this.#seq;
  }

  async acknowledge(consumer: string, cursor: bigint): Promise<bigint> {
    this.#assertOpen();
    const kept = this.#consumers.get(consumer);
    const furthest = kept !== undefined && kept > cursor ? kept : cursor;
    this.#consumers.set(consumer, furthest);
    return furthest;
  }

  async acknowledged(consumer: string): Promise<bigint | undefined> {
    this.#assertOpen();
    return this.#consumers.get(consumer);
  }

  watch(session: string, signal: AbortSignal): AsyncIterable<Snapshot> {
    return this.#readers.watch(session, signal, () => this.get(session));
  }

  async oldestSeq(session: string | undefined): Promise<bigint> {
    return this.#trimmed.oldestSeq(session);
  }

  async trim(retention: Retention, nowMs: number, signal: AbortSignal): Promise<number> {
    const sessions = signal.aborted ? [] : new Set([...this.#records.keys(), ...this.#log.sessions]);
    const kept = { log: this.#log, trimmed: this.#trimmed, deliveries: this.#deliveries };
    return trim(sessions, retention, nowMs, kept);
  }

  claims(signal: AbortSignal): AsyncIterable<Claim> {
    return this.#queues.claims(signal);
  }

  async append(session: string, events: readonly NewEvent[]): Promise<Event[]> {
    this.#assertOpen();
    return this.#append(session, events);
  }

  async endpoints(session: string): Promise<Endpoint[]> {
    return this.#endpoints.of(session);
  }

  async setHealth(session: string, endpointId: string, health: EndpointHealth | undefined) {
    const name = { session, endpointId };
    const endpoint = this.#endpoints.setHealth(name, health);
    this.#queues.healthChanged(name);
    return endpoint;
  }

  async deliveries(session: string, query: DeliveryQuery): Promise<Delivery[]> {
    return this.#deliveries.list(session, query);
  }

  async delivery(session: string, name: DeliveryName): Promise<Delivery | undefined> {
    return this.#deliveries.find(session, name);
  }

  async resend(session: string, names: readonly DeliveryName[]): Promise<Delivery[]> {
    const events = this.#log.of(session);
    const event = (seq: bigint) => events.find((one) => one.seq === seq);
    const resent = names.flatMap((name) => this.#deliveries.resend(session, name, this.#clock.nowMs(), event) ?? []);
    this.#queues.addRetries(session, resent);
    return resent;
  }

  queueStats(): QueueStats {
    return this.#queues.stats();
  }

  async check(): Promise<void> {
    this.#assertOpen();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#readers.close();
    this.#queues.close();
  }

  #append(session: string, events: readonly NewEvent[]): Event[] {
    const kept = this.#records.has(session) ? events : [];
    return this.#apply(session, changeByAppending(session, kept, this.#endpoints, this.#seq));
  }

  #apply(session: string, { events, deliveries, endpoints }: Change): Event[] {
    this.#seq += BigInt(events.length);
    this.#log.add(events);
    for (const endpoint of endpoints) this.#endpoints.set(session, endpoint);
    for (const delivery of deliveries) this.#deliveries.add(session, delivery);
    this.#queues.add(session, deliveries);
    for (const { id, removed } of endpoints) {
      const name = { session, endpointId: id };
      if (removed && !this.#queues.has(name)) this.#deliveries.emptied(name);
    }
    this.#readers.publish(session, events, this.#seq);
    return events;
  }

  #record(session: string): SessionRecord | undefined {
    const record = this.#records.get(session);
    return record && clone(SessionRecordSchema, record);
  }

  #setAside(session: string, pending: PendingUnlink): void {
    const credentials = this.#data.credentials.get(session);
    if (!credentials?.size) return;
    this.#data.credentials.set(pending.id, credentials);
    this.pendingUnlinks.add(pending);
  }

  #wipe(session: string): void {
    this.#data.credentials.delete(session);
    this.#data.chats.delete(session);
    this.#ownership.endHandles(session);
  }

  #handle(lease: Lease, kind: DataKind): EngineData {
    return guardedData(this.#ownership.handle(lease, kind), this.#bytes(lease.session, this.#data[kind]));
  }

  #bytes(session: string, data: Map<string, Bytes>): DataStore {
    return {
      read: async (keys) => {
        this.#assertOpen();
        return keys.map((key) => data.get(session)?.get(key)?.slice());
      },
      write: async (changes) => {
        this.#assertOpen();
        const bytes = data.get(session) ?? new Map<string, Uint8Array>();
        data.set(session, bytes);
        for (const [key, value] of changes) {
          if (value) bytes.set(key, value);
          else bytes.delete(key);
        }
      },
    };
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error("the backend is closed");
  }
}
