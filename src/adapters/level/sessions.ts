import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type MessageLog,
  MessageLogSchema,
  type SessionRecord,
  SessionRecordSchema,
} from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import type { NewEvent } from "../../ports/outbox.ts";
import type { Commit, Lease, Pairing, SessionList, Sessions, Snapshot } from "../../ports/sessions.ts";
import { changeBy, changeByRemoval } from "../embedded/change.ts";
import { CreationKeys } from "../embedded/creation-keys.ts";
import { dataRemovals } from "./engine-data.ts";
import type { LevelPendingUnlinks } from "./pending-unlinks.ts";
import type { SessionJournal } from "./session-journal.ts";
import type { Operation } from "./store/database.ts";
import { keyOf, rangeOf } from "./store/key.ts";
import type { OpenStore } from "./store/opening.ts";

/** Records of sessions in the store; their pairings are in memory. */
export class LevelSessions implements Sessions {
  readonly #store: OpenStore;
  readonly #journal: SessionJournal;
  readonly #pendingUnlinks: LevelPendingUnlinks;
  readonly #pairings = new Map<string, Pairing>();

  constructor(store: OpenStore, journal: SessionJournal, pendingUnlinks: LevelPendingUnlinks) {
    this.#store = store;
    this.#journal = journal;
    this.#pendingUnlinks = pendingUnlinks;
  }

  async list(): Promise<SessionList> {
    const { snapshot, seq } = this.#journal.view;
    const values = await this.#store.database.values({ ...rangeOf("record"), snapshot }).all();
    return { records: values.map((value) => fromBinary(SessionRecordSchema, value)), seq };
  }

  async get(session: string): Promise<Snapshot> {
    const { snapshot, seq } = this.#journal.view;
    const pairing = this.#pairings.get(session);
    const value: Uint8Array | undefined = await this.#store.database.get(keyOf("record", session), { snapshot });
    return { record: value && fromBinary(SessionRecordSchema, value), pairing, seq };
  }

  async createdWith(idempotencyKey: string): Promise<SessionRecord | undefined> {
    const session = (await this.#creationKeys()).sessionOf(idempotencyKey);
    if (session === undefined) return undefined;
    const { record } = await this.get(session);
    return record?.creation?.idempotencyKey === idempotencyKey ? record : undefined;
  }

  async messages(session: string): Promise<MessageLog | undefined> {
    const { snapshot } = this.#journal.view;
    const value: Uint8Array | undefined = await this.#store.database.get(keyOf("messages", session), { snapshot });
    return value && fromBinary(MessageLogSchema, value);
  }

  watch(session: string, signal: AbortSignal): AsyncIterable<Snapshot> {
    return this.#journal.readers.watch(session, signal, () => this.get(session));
  }

  async acquire(session: string): Promise<Lease> {
    const lease = this.#journal.ownership.acquire(session);
    // Writes of the previous owner are done or refused by then, and can be read.
    await this.#journal.durable.writer.flushed();
    return lease;
  }

  async release(lease: Lease): Promise<void> {
    this.#journal.ownership.release(lease);
  }

  async commit(lease: Lease, commit: Commit): Promise<Event[]> {
    const { session } = lease;
    const { record } = commit;
    const { records } = this.#journal;
    const isWritten = () => records.get(session) === record;
    const keys = record.creation && (await this.#creationKeys());
    const messages = commit.messages && toBinary(MessageLogSchema, commit.messages);
    const value = isWritten() ? undefined : toBinary(SessionRecordSchema, record);
    return this.#journal.write(lease, {
      operations: () => {
        const operations: Operation[] = [];
        if (messages) operations.push({ type: "put", key: keyOf("messages", session), value: messages });
        if (isWritten()) return operations;
        records.set(session, record);
        const bytes = value ?? toBinary(SessionRecordSchema, record);
        return [...operations, { type: "put", key: keyOf("record", session), value: bytes }];
      },
      change: (afterSeq) => {
        const change = changeBy(session, commit, this.#store.endpoints, afterSeq);
        keys?.claim(record, (name) => this.#store.sessions.has(name));
        this.#store.sessions.add(session);
        return change;
      },
      ...(commit.wipe && {
        gather: async () => [
          ...(commit.setAside ? await this.#pendingUnlinks.additions(session, commit.setAside) : []),
          ...(await dataRemovals(this.#store.database, session)),
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
    const { records, events, retention } = this.#journal;
    return this.#journal.write(lease, {
      operations: () => {
        records.delete(session);
        return (["record", "messages"] as const).map((family) => ({ type: "del", key: keyOf(family, session) }));
      },
      change: (afterSeq) => {
        const change = changeByRemoval(session, last, this.#store.endpoints, afterSeq);
        this.#store.sessions.delete(session);
        return change;
      },
      gather: async () => [
        ...(await dataRemovals(this.#store.database, session)),
        ...(await events.removals(session)),
        ...(await retention.removals(session)),
      ],
      written: () => {
        this.#pairings.delete(session);
        events.removed(session);
        retention.forget(session);
      },
    });
  }

  async #creationKeys(): Promise<CreationKeys> {
    if (!this.#journal.creationKeys) {
      const { records } = await this.list();
      this.#journal.creationKeys ??= new CreationKeys(records);
    }
    return this.#journal.creationKeys;
  }
}
