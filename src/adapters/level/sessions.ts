import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type MessageLog,
  MessageLogSchema,
  type SessionRecord,
  SessionRecordSchema,
} from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import type { NewEvent } from "../../ports/outbox.ts";
import type { Commit, Lease, SessionList, Sessions, Snapshot } from "../../ports/sessions.ts";
import { changeBy, changeByRemoval } from "../embedded/change.ts";
import { CreationKeys } from "../embedded/creation-keys.ts";
import type { StagedRecord } from "../embedded/records.ts";
import { dataRemovals } from "./engine-data.ts";
import { outgoingRemovals } from "./outgoing-entries.ts";
import type { LevelPendingUnlinks } from "./pending-unlinks.ts";
import type { SessionJournal } from "./session-journal.ts";
import type { Operation } from "./store/database.ts";
import { keyOf } from "./store/key.ts";
import type { OpenStore } from "./store/opening.ts";

/** Records of sessions in the store. */
export class LevelSessions implements Sessions {
  readonly #store: OpenStore;
  readonly #journal: SessionJournal;
  readonly #pendingUnlinks: LevelPendingUnlinks;

  constructor(store: OpenStore, journal: SessionJournal, pendingUnlinks: LevelPendingUnlinks) {
    this.#store = store;
    this.#journal = journal;
    this.#pendingUnlinks = pendingUnlinks;
  }

  list(): Promise<SessionList> {
    return this.#journal.records.list();
  }

  get(session: string): Promise<Snapshot> {
    return this.#journal.records.get(session);
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
    const keys = record.creation && (await this.#creationKeys());
    const messages = commit.messages && toBinary(MessageLogSchema, commit.messages);
    const value = records.isLatest(session, record) ? undefined : toBinary(SessionRecordSchema, record);
    let staged: StagedRecord = { record, bytes: undefined, value: undefined };
    return this.#journal.write(lease, {
      operations: () => {
        const operations: Operation[] = [];
        if (messages) operations.push({ type: "put", key: keyOf("messages", session), value: messages });
        staged = records.stage(session, record, value);
        if (staged.value) operations.push({ type: "put", key: keyOf("record", session), value: staged.value });
        return operations;
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
      written: () => records.commit(session, staged, commit.pairing),
    });
  }

  async remove(lease: Lease, last: readonly NewEvent[]): Promise<Event[]> {
    const { session } = lease;
    const { records, events, retention } = this.#journal;
    return this.#journal.write(lease, {
      operations: () => {
        records.stageRemoval(session);
        return [
          { type: "del", key: keyOf("record", session) },
          { type: "del", key: keyOf("messages", session) },
        ];
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
        ...(await outgoingRemovals(this.#store.database, session)),
      ],
      written: () => {
        records.remove(session);
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
