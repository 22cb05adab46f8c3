import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type MessageLog,
  MessageLogSchema,
  type SessionRecord,
  SessionRecordSchema,
} from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import { weightOf } from "../../domain/balance.ts";
import type { NewEvent } from "../../ports/outbox.ts";
import type { Commit, Lease, SessionList, Sessions, Snapshot } from "../../ports/sessions.ts";
import { changeBy, changeByRemoval } from "../embedded/change.ts";
import type { StagedRecord } from "../embedded/records.ts";
import { isWanted } from "./cluster/need.ts";
import type { PostgresPendingUnlinks } from "./pending-unlinks.ts";
import type { SessionJournal } from "./session-journal.ts";
import { digestOf } from "./store/group.ts";
import type { OpenStore } from "./store/opening.ts";
import type { Operation } from "./store/operation.ts";
import { fromStoredText, toStoredText } from "./store/text.ts";

/** Number of epochs for the leases that are given out while one node owns a session. */
const epochsPerOwner = 1n << 32n;

/** Records of sessions in the database. */
export class PostgresSessions implements Sessions {
  readonly #store: OpenStore;
  readonly #journal: SessionJournal;
  readonly #pendingUnlinks: PostgresPendingUnlinks;

  constructor(store: OpenStore, journal: SessionJournal, pendingUnlinks: PostgresPendingUnlinks) {
    this.#store = store;
    this.#journal = journal;
    this.#pendingUnlinks = pendingUnlinks;
  }

  list(): Promise<SessionList> {
    return this.#journal.views.list();
  }

  get(session: string): Promise<Snapshot> {
    return this.#journal.views.get(session);
  }

  async createdWith(idempotencyKey: string): Promise<SessionRecord | undefined> {
    const [row] = await this.#store.reads.query<{ name: string }>(
      "SELECT name FROM sessiond.session WHERE creation_key = decode($1, 'hex')",
      [digestOf(idempotencyKey)],
    );
    if (!row) return undefined;
    const { record } = await this.get(fromStoredText(row.name));
    return record?.creation?.idempotencyKey === idempotencyKey ? record : undefined;
  }

  async messages(session: string): Promise<MessageLog | undefined> {
    const { reads, values } = this.#store;
    const [row] = await reads.query<{ value: Buffer }>("SELECT value FROM sessiond.messages WHERE session = $1", [
      toStoredText(session),
    ]);
    return row && fromBinary(MessageLogSchema, values.open(row.value, "messages", session));
  }

  watch(session: string, signal: AbortSignal): AsyncIterable<Snapshot> {
    return this.#journal.readers.watch(session, signal, () => this.get(session));
  }

  async acquire(session: string): Promise<Lease> {
    const { leases, ownership } = this.#journal;
    await leases.ensure(session);
    const lease = ownership.acquire(session, leases.epochOf(session) * epochsPerOwner);
    const { log, data } = this.#journal.writers;
    // Writes of the previous owner are done or refused by then, and can be read.
    await Promise.all([log.flushed(), data.flushed()]);
    return lease;
  }

  async release(lease: Lease): Promise<void> {
    this.#journal.ownership.release(lease);
  }

  async commit(lease: Lease, commit: Commit): Promise<Event[]> {
    const { session } = lease;
    const { record } = commit;
    const { records } = this.#journal;
    const messages = commit.messages && toBinary(MessageLogSchema, commit.messages);
    const value = records.isLatest(session, record) ? undefined : toBinary(SessionRecordSchema, record);
    const creationKey = record.creation?.idempotencyKey;
    let staged: StagedRecord = { record, bytes: undefined, value: undefined };
    return this.#journal.write(lease, {
      operations: () => {
        const operations: Operation[] = [];
        if (messages) operations.push({ type: "messages", session, value: messages });
        staged = records.stage(session, record, value);
        if (staged.value) operations.push({ type: "record", session, value: staged.value, creationKey });
        return operations;
      },
      change: (afterSeq) => {
        const change = changeBy(session, commit, this.#store.endpoints, afterSeq);
        this.#store.sessions.add(session);
        return change;
      },
      need: {
        needsOwner: isWanted(record),
        weight: weightOf(record),
        ...(commit.isBound !== undefined && { isBound: commit.isBound }),
      },
      ...(commit.wipe && {
        wipe: async () => [
          ...(commit.setAside ? await this.#pendingUnlinks.additions(session, commit.setAside, commit.isBound) : []),
          { type: "wipe", session },
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
        return [{ type: "remove", session }];
      },
      change: (afterSeq) => {
        const change = changeByRemoval(session, last, this.#store.endpoints, afterSeq);
        this.#store.sessions.delete(session);
        return change;
      },
      need: { needsOwner: false },
      wipe: async () => [{ type: "wipe", session }],
      written: () => {
        records.remove(session);
        events.removed(session);
        retention.forget(session);
      },
    });
  }
}
