import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type SessionRecord, SessionRecordSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Pairing, SessionList, Snapshot } from "../../ports/sessions.ts";

/** The records in a store. */
export interface RecordSource {
  /** Returns the place in the log of the last group written. Throws once the store is closed. */
  seq(): bigint;
  /**
   * Reads the encoded records of some sessions, none of them older than the last group written, and perhaps more. Returns undefined
   * if they have to be read again.
   */
  read(sessions: readonly string[]): Promise<ReadonlyMap<string, Uint8Array> | undefined>;
}

/** A session in the store, as of its last commit. The next commit replaces it. */
interface Committed {
  readonly session: string;
  readonly pairing: Pairing | undefined;
  /** Undefined while it is in the store only. */
  record: SessionRecord | undefined;
  /** Encoded size of `record`, or of the one that will be read. */
  bytes: number;
}

/** A record on its way to the store. */
export interface StagedRecord {
  readonly record: SessionRecord;
  /** Undefined if the stored record is the same one. */
  readonly bytes: number | undefined;
  /** The encoded record to write; undefined likewise. */
  readonly value: Uint8Array | undefined;
}

/** Encoded size of the records held in memory, at most: more than those of 10,000 sessions. */
const defaultCapacity = 16_777_216;

/**
 * Records of all sessions as of the last group written. They are answered from memory; beyond the capacity, from the store. Records
 * are shared with their readers and writers, none of whom changes one.
 */
export class Records {
  readonly #source: RecordSource;
  readonly #capacity: number;
  readonly #committed = new Map<string, Committed>();
  /** Those with a record in memory, the one committed longest ago first. */
  readonly #inMemory = new Set<Committed>();
  #bytes = 0;
  /** Records that are built into the group being written; undefined for a removal. */
  readonly #staged = new Map<string, SessionRecord | undefined>();
  /** Names of all sessions in their order; undefined after a change. */
  #names: readonly string[] | undefined;
  /** All records; undefined after a change. */
  #list: readonly SessionRecord[] | undefined;
  /** The read of all records that is under way. */
  #reading: Promise<ReadonlyMap<Committed, SessionRecord>> | undefined;

  /** `sessions`: the names of all sessions in the store. `capacity`: encoded size of the records in memory. */
  constructor(source: RecordSource, sessions: Iterable<string>, capacity = defaultCapacity) {
    this.#source = source;
    this.#capacity = capacity;
    for (const session of sessions) {
      this.#committed.set(session, { session, pairing: undefined, record: undefined, bytes: 0 });
    }
  }

  /** See Sessions.get. */
  async get(session: string): Promise<Snapshot> {
    for (;;) {
      const seq = this.#source.seq();
      const committed = this.#committed.get(session);
      if (!committed) return { record: undefined, pairing: undefined, seq };
      const { record, pairing } = committed;
      if (record) return { record, pairing, seq };
      const read = await this.#read(committed);
      if (read && this.#isCurrent(committed)) return { record: read, pairing, seq: this.#source.seq() };
    }
  }

  /** See Sessions.list. */
  async list(): Promise<SessionList> {
    let read: ReadonlyMap<Committed, SessionRecord> = new Map();
    for (;;) {
      const seq = this.#source.seq();
      const records = this.#all(read);
      if (records) return { records, seq };
      this.#reading ??= this.#readAll().finally(() => {
        this.#reading = undefined;
      });
      read = await this.#reading;
    }
  }

  /** Prepares a record to be written. Must be followed by `commit` or `undo`. */
  stage(session: string, record: SessionRecord, encoded?: Uint8Array): StagedRecord {
    if (this.isLatest(session, record)) return { record, bytes: undefined, value: undefined };
    const value = encoded ?? toBinary(SessionRecordSchema, record);
    this.#staged.set(session, record);
    return { record, bytes: value.byteLength, value };
  }

  /** Prepares a removal to be written. Must be followed by `remove` or `undo`. */
  stageRemoval(session: string): void {
    this.#staged.set(session, undefined);
  }

  /** Returns true if a record or a removal of a session is being written. */
  isStaged(session: string): boolean {
    return this.#staged.has(session);
  }

  /** Returns true if a record is the one last written, or about to be. Most commits add events and leave the record as it is. */
  isLatest(session: string, record: SessionRecord): boolean {
    const latest = this.#staged.has(session) ? this.#staged.get(session) : this.#committed.get(session)?.record;
    return latest === record;
  }

  /** A staged record is written. `pairing` as in Commit. */
  commit(session: string, { record, bytes }: StagedRecord, pairing: Pairing | null | undefined): void {
    const former = this.#committed.get(session);
    if (this.#staged.get(session) === record) this.#staged.delete(session);
    if (former) this.#evict(former);
    else this.#names = undefined;
    const committed: Committed = {
      session,
      pairing: pairing === undefined ? former?.pairing : (pairing ?? undefined),
      record: undefined,
      bytes: bytes ?? former?.bytes ?? 0,
    };
    this.#committed.set(session, committed);
    this.#hold(committed, record);
    for (const oldest of this.#inMemory) {
      if (this.#bytes <= this.#capacity) break;
      this.#evict(oldest);
    }
  }

  /** A staged removal is written. */
  remove(session: string): void {
    this.#staged.delete(session);
    const former = this.#committed.get(session);
    if (!former) return;
    this.#evict(former);
    this.#committed.delete(session);
    this.#names = undefined;
  }

  /** The record of a session may be another one in the store by now, or none. Its pairing is over. */
  refresh(session: string, exists: boolean): void {
    this.#staged.delete(session);
    const former = this.#committed.get(session);
    if (former) this.#evict(former);
    if (!exists) this.#committed.delete(session);
    else this.#committed.set(session, { session, pairing: undefined, record: undefined, bytes: former?.bytes ?? 0 });
    if (exists !== (former !== undefined)) this.#names = undefined;
    this.#list = undefined;
  }

  /** Forgets the staged records: their group has failed. */
  undo(): void {
    this.#staged.clear();
  }

  #isCurrent(committed: Committed): boolean {
    return this.#committed.get(committed.session) === committed;
  }

  /** Returns all records by name, from memory or from `read`. Undefined if one is in neither. */
  #all(read: ReadonlyMap<Committed, SessionRecord>): readonly SessionRecord[] | undefined {
    if (this.#list) return this.#list;
    this.#names ??= [...this.#committed.keys()].sort();
    const records: SessionRecord[] = [];
    for (const name of this.#names) {
      const committed = this.#committed.get(name);
      const record = committed && (committed.record ?? read.get(committed));
      if (!record) return undefined;
      records.push(record);
    }
    if (this.#inMemory.size === this.#committed.size) this.#list = records;
    return records;
  }

  /** Returns the record of a session; undefined if it has to be read again. */
  async #read(committed: Committed): Promise<SessionRecord | undefined> {
    const { session } = committed;
    const values = await this.#source.read([session]);
    if (!values) return undefined;
    const value = values.get(session);
    if (value) return this.#fill(committed, value);
    if (this.#isCurrent(committed)) throw recordMissing(session);
    return undefined;
  }

  /** Returns all records of the present moment, of which it reads those that are not in memory. Empty if they have to be read again. */
  async #readAll(): Promise<ReadonlyMap<Committed, SessionRecord>> {
    const records = new Map<Committed, SessionRecord>();
    const missing = new Map<string, Committed>();
    for (const committed of this.#committed.values()) {
      if (committed.record) records.set(committed, committed.record);
      else missing.set(committed.session, committed);
    }
    const values = await this.#source.read([...missing.keys()]);
    if (!values) return new Map();
    for (const [name, committed] of missing) {
      const value = values.get(name);
      if (value) records.set(committed, this.#fill(committed, value));
      else if (this.#isCurrent(committed)) throw recordMissing(name);
    }
    return records;
  }

  /** Takes a record that was read into memory, if there is room and it is still the present one. */
  #fill(committed: Committed, value: Uint8Array): SessionRecord {
    if (committed.record) return committed.record;
    const record = fromBinary(SessionRecordSchema, value);
    committed.bytes = value.byteLength;
    if (this.#isCurrent(committed) && this.#bytes + committed.bytes <= this.#capacity) this.#hold(committed, record);
    return record;
  }

  #hold(committed: Committed, record: SessionRecord): void {
    committed.record = record;
    this.#inMemory.add(committed);
    this.#bytes += committed.bytes;
    this.#list = undefined;
  }

  #evict(committed: Committed): void {
    if (!this.#inMemory.delete(committed)) return;
    committed.record = undefined;
    this.#bytes -= committed.bytes;
    this.#list = undefined;
  }
}

const recordMissing = (session: string) => new Error(`the store has lost the record of session "${session}"`);
