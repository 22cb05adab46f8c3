import { fromBinary } from "@bufbuild/protobuf";
import { type Endpoint, EndpointSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { DeliveryQueues } from "../embedded/delivery-queues.ts";
import type { EndpointName } from "../embedded/endpoints.ts";
import type { Records } from "../embedded/records.ts";
import type { PostgresRetention } from "./retention.ts";
import type { OpenStore } from "./store/opening.ts";
import { fromStoredText, toStoredText } from "./store/text.ts";

interface EndpointRow extends Record<string, unknown> {
  readonly session: string;
  readonly id: string;
  readonly value: Buffer;
}

interface QueueRow extends Record<string, unknown> {
  readonly session: string;
  readonly endpoint: string;
  readonly firsts: bigint;
  readonly retries: bigint;
  readonly due: bigint | null;
}

/** The parts of a backend whose memory is of the sessions that this node owns. */
export interface OwnedMemory {
  readonly queues: DeliveryQueues;
  readonly records: Records;
  readonly retention: PostgresRetention;
  /** Returns true if this node owns a session. */
  owns(session: string): boolean;
  /** Resolves when the writes under way are done or refused. */
  flushed(): Promise<void>;
}

/** Number of sessions that are read at once. */
const batchSize = 1_000;

/** Memory of the sessions that this node owns, read from the database when it takes them. */
export class OwnedSessions {
  readonly #store: OpenStore;
  readonly #memory: OwnedMemory;

  constructor(store: OpenStore, memory: OwnedMemory) {
    this.#store = store;
    this.#memory = memory;
  }

  /** Reads the endpoints of all sessions in memory again: a write that changed some has failed. */
  async reloadEndpoints(): Promise<void> {
    const { endpoints } = this.#store;
    const sessions = endpoints.sessions;
    const rows = await this.#readEndpoints(sessions);
    for (const session of sessions) endpoints.forget(session);
    for (const [session, endpoint] of rows) endpoints.set(session, endpoint);
  }

  /** Reads records' existence, endpoints and delivery queues. Queues that are there already stay. */
  async load(sessions: readonly string[]): Promise<void> {
    // Writes of an earlier owner in this process.
    await this.#memory.flushed();
    await this.reload(sessions);
  }

  /** As `load`, from within a group of writes. */
  async reload(sessions: readonly string[]): Promise<void> {
    for (let at = 0; at < sessions.length; at += batchSize) await this.#load(sessions.slice(at, at + batchSize));
  }

  /** Returns the endpoints of a session, from memory if this node owns it. */
  async endpointsOf(session: string): Promise<Endpoint[]> {
    if (this.#memory.owns(session)) return this.#store.endpoints.of(session);
    const rows = await this.#readEndpoints([session]);
    return rows.map(([, endpoint]) => endpoint);
  }

  /** Forgets a session, of which another node knows more from now on. */
  forget(session: string): void {
    const { endpoints, sessions } = this.#store;
    const { queues, records, retention } = this.#memory;
    for (const { id } of endpoints.of(session)) queues.drop({ session, endpointId: id });
    endpoints.forget(session);
    records.refresh(session, sessions.has(session));
    retention.forgetCounts(session);
  }

  async #load(sessions: readonly string[]): Promise<void> {
    const { reads } = this.#store;
    const { records, retention } = this.#memory;
    const names = [sessions.map(toStoredText)];
    const existing = await reads.query<{ name: string }>(
      "SELECT name FROM sessiond.session WHERE name = ANY ($1)",
      names,
    );
    const endpoints = await this.#readEndpoints(sessions);
    const queues = await reads.query<QueueRow>(
      `SELECT session, endpoint, count(*) FILTER (WHERE due IS NULL) AS firsts, count(due) AS retries, min(due) AS due
      FROM sessiond.delivery WHERE session = ANY ($1) GROUP BY session, endpoint`,
      names,
    );
    const found = new Set(existing.map(({ name }) => fromStoredText(name)));
    for (const session of sessions) {
      if (found.has(session)) this.#store.sessions.add(session);
      else this.#store.sessions.delete(session);
      this.#store.endpoints.forget(session);
      records.refresh(session, found.has(session));
      retention.forgetCounts(session);
    }
    const removed: EndpointName[] = [];
    for (const [session, endpoint] of endpoints) {
      this.#store.endpoints.set(session, endpoint);
      if (endpoint.removed) removed.push({ session, endpointId: endpoint.id });
    }
    for (const row of queues) this.#restoreQueue(row);
    await this.#removeOrphans(removed);
  }

  async #readEndpoints(sessions: readonly string[]): Promise<[string, Endpoint][]> {
    const { reads, values } = this.#store;
    const rows = await reads.query<EndpointRow>(
      "SELECT session, id, value FROM sessiond.endpoint WHERE session = ANY ($1)",
      [sessions.map(toStoredText)],
    );
    return rows.map((row) => {
      const [session, id] = [fromStoredText(row.session), fromStoredText(row.id)];
      return [session, fromBinary(EndpointSchema, values.open(row.value, "endpoint", session, id))];
    });
  }

  #restoreQueue({ session, endpoint, firsts, retries, due }: QueueRow): void {
    const { queues } = this.#memory;
    const name = { session: fromStoredText(session), endpointId: fromStoredText(endpoint) };
    if (queues.has(name)) return;
    const retriesFromMs = due === null ? Number.POSITIVE_INFINITY : Number(due);
    const count = { pending: Number(firsts), retrying: Number(retries) };
    queues.restore(name, { firsts: firsts > 0n, retriesFromMs }, count);
  }

  /** Removes endpoints whose last delivery was settled just before their owner ended. */
  async #removeOrphans(removed: readonly EndpointName[]): Promise<void> {
    for (const name of removed) {
      if (this.#memory.queues.has(name)) continue;
      this.#store.endpoints.delete(name);
      const row = [toStoredText(name.session), toStoredText(name.endpointId)];
      await this.#store.reads.query("DELETE FROM sessiond.endpoint WHERE session = $1 AND id = $2", row);
    }
  }
}
