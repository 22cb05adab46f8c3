import { clone } from "@bufbuild/protobuf";
import { type MessageLog, MessageLogSchema, type SessionRecord } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import { deepFreeze } from "../../domain/deep-freeze.ts";
import type { NewEvent } from "../../ports/outbox.ts";
import type { Commit, Lease, Pairing, SessionList, Sessions, Snapshot } from "../../ports/sessions.ts";
import { changeBy, changeByRemoval } from "../embedded/change.ts";
import { CreationKeys } from "../embedded/creation-keys.ts";
import type { MemoryEngineData } from "./engine-data.ts";
import type { MemoryJournal } from "./journal.ts";
import type { MemoryOutgoing } from "./outgoing.ts";
import type { MemoryPendingUnlinks } from "./pending-unlinks.ts";

/** Other facets that a commit writes to. */
export interface SessionContext {
  readonly journal: MemoryJournal;
  readonly engineData: MemoryEngineData;
  readonly outgoing: MemoryOutgoing;
  readonly pendingUnlinks: MemoryPendingUnlinks;
  /** The records by session; shared with the journal. */
  readonly records: Map<string, SessionRecord>;
}

/** Records and pairings of sessions, in maps. */
export class MemorySessions implements Sessions {
  readonly #context: SessionContext;
  readonly #pairings = new Map<string, Pairing>();
  readonly #messages = new Map<string, MessageLog>();
  readonly #creationKeys = new CreationKeys([]);

  constructor(context: SessionContext) {
    this.#context = context;
  }

  async list(): Promise<SessionList> {
    const { journal, records } = this.#context;
    journal.assertOpen();
    const names = [...records.keys()].sort();
    return { records: names.flatMap((name) => records.get(name) ?? []), seq: journal.lastSeq };
  }

  async get(session: string): Promise<Snapshot> {
    const { journal, records } = this.#context;
    journal.assertOpen();
    return { record: records.get(session), pairing: this.#pairings.get(session), seq: journal.lastSeq };
  }

  async createdWith(idempotencyKey: string): Promise<SessionRecord | undefined> {
    const session = this.#creationKeys.sessionOf(idempotencyKey);
    const record = session === undefined ? undefined : this.#context.records.get(session);
    return record?.creation?.idempotencyKey === idempotencyKey ? record : undefined;
  }

  async messages(session: string): Promise<MessageLog | undefined> {
    this.#context.journal.assertOpen();
    const log = this.#messages.get(session);
    return log && clone(MessageLogSchema, log);
  }

  watch(session: string, signal: AbortSignal): AsyncIterable<Snapshot> {
    return this.#context.journal.readers.watch(session, signal, () => this.get(session));
  }

  async acquire(session: string): Promise<Lease> {
    return this.#context.journal.ownership.acquire(session);
  }

  async release(lease: Lease): Promise<void> {
    this.#context.journal.ownership.release(lease);
  }

  async commit(lease: Lease, commit: Commit): Promise<Event[]> {
    const { journal, records, engineData } = this.#context;
    journal.assertOpen();
    journal.ownership.check(lease);
    const { session } = lease;
    const change = changeBy(session, commit, journal.endpoints, journal.lastSeq);
    this.#creationKeys.claim(commit.record, (name) => records.has(name));
    records.set(session, deepFreeze(commit.record));
    if (commit.messages) this.#messages.set(session, clone(MessageLogSchema, commit.messages));
    if (commit.pairing) this.#pairings.set(session, commit.pairing);
    else if (commit.pairing === null) this.#pairings.delete(session);
    if (commit.setAside && engineData.copyCredentials(session, commit.setAside.id)) {
      this.#context.pendingUnlinks.add(commit.setAside);
    }
    if (commit.wipe) engineData.wipe(session);
    return journal.apply(session, change);
  }

  async remove(lease: Lease, last: readonly NewEvent[]): Promise<Event[]> {
    const { journal, records, engineData } = this.#context;
    journal.assertOpen();
    journal.ownership.check(lease);
    const { session } = lease;
    const change = changeByRemoval(session, last, journal.endpoints, journal.lastSeq);
    records.delete(session);
    this.#messages.delete(session);
    this.#pairings.delete(session);
    engineData.wipe(session);
    this.#context.outgoing.forget(session);
    journal.log.drop(session);
    journal.trimmed.forget(session);
    journal.deliveries.forget(session, () => true);
    return journal.apply(session, change);
  }
}
