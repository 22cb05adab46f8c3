import { fromBinary } from "@bufbuild/protobuf";
import { type SessionRecord, SessionRecordSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { SessionList, Snapshot } from "../../ports/sessions.ts";
import type { Records } from "../embedded/records.ts";
import type { OpenStore } from "./store/opening.ts";
import { fromStoredText, toStoredText } from "./store/text.ts";
import { headOfLog } from "./stored-events.ts";

/** The memory that sessions are answered from where it is the truth. */
export interface SessionMemory {
  readonly records: Records;
  /** Returns true if this node owns a session. */
  owns(session: string): boolean;
  /** Returns true if no other node lives, so that the memory is the truth for all sessions. */
  isAlone(): boolean;
  /** Resolves once the memory is as of `seq` or later. */
  reach(seq: bigint): Promise<void>;
}

interface Remembered {
  readonly rev: bigint;
  readonly record: SessionRecord;
  readonly bytes: number;
}

interface ListRow extends Record<string, unknown> {
  readonly head: bigint;
  /** Null if there is no session. */
  readonly name: string | null;
  readonly rev: bigint;
  /** Null if it is remembered. */
  readonly record: Buffer | null;
}

/** Revision of records that came with a move. */
const unknownRev = 0n;
/** Encoded size of the records of the other nodes' sessions held in memory, at most. */
const capacity = 16_777_216;

/** Sessions as all nodes have written them. A record is read once for each of its revisions. */
export class SessionViews {
  readonly #store: Pick<OpenStore, "reads" | "values" | "sessions">;
  readonly #memory: SessionMemory;
  readonly #remembered = new Map<string, Remembered>();
  #bytes = 0;

  constructor(store: OpenStore, memory: SessionMemory) {
    this.#store = store;
    this.#memory = memory;
  }

  /** See Sessions.get. */
  async get(session: string): Promise<Snapshot> {
    if (this.#isInMemory(session)) return this.#memory.records.get(session);
    const known = this.#remembered.get(session);
    const [row] = await this.#store.reads.query<ListRow>(
      `SELECT ${headOfLog} AS head, s.name, s.rev, CASE WHEN s.rev = $2 THEN NULL ELSE s.record END AS record
      FROM (VALUES (1)) AS one LEFT JOIN sessiond.session AS s ON s.name = $1`,
      [toStoredText(session), known?.rev ?? null],
    );
    // Taken meanwhile: what this node has written since is in its memory.
    if (this.#isInMemory(session)) return this.#memory.records.get(session);
    // The next answer may come from memory, and must not be older.
    if (row) await this.#memory.reach(row.head);
    if (row && row.name !== null)
      return { record: this.#recordOf(session, row, known), pairing: undefined, seq: row.head };
    this.#forget(session);
    return { record: undefined, pairing: undefined, seq: row?.head ?? 0n };
  }

  /** See Sessions.list. */
  async list(): Promise<SessionList> {
    if (this.#memory.isAlone()) return this.#memory.records.list();
    const known = new Map(this.#remembered);
    const isKnown = ({ name, rev }: ListRow) => name === null || known.get(fromStoredText(name))?.rev === rev;
    let rows = await this.#read("NULL::bytea", []);
    if (!rows.every(isKnown)) {
      // Revisions are random: one says which record it is.
      const revs = rows.filter(isKnown).map(({ rev }) => rev);
      rows = await this.#read("CASE WHEN s.rev = ANY ($1) THEN NULL ELSE s.record END", [revs]);
    }
    const records = new Map<string, SessionRecord>();
    for (const row of rows) {
      if (row.name === null) continue;
      const session = fromStoredText(row.name);
      records.set(session, this.#recordOf(session, row, known.get(session)));
    }
    for (const session of known.keys()) if (!records.has(session)) this.#forget(session);
    const names = [...records.keys()].sort();
    const seq = rows[0]?.head ?? 0n;
    // The next answer may come from memory, and must not be older.
    await this.#memory.reach(seq);
    return { records: names.flatMap((name) => records.get(name) ?? []), seq };
  }

  /** Takes in what other nodes have written before they were gone. */
  async catchUp(): Promise<void> {
    const { reads, sessions } = this.#store;
    const rows = await reads.query<{ name: string }>("SELECT name FROM sessiond.session");
    const stored = new Set(rows.map(({ name }) => fromStoredText(name)));
    for (const session of new Set([...stored, ...sessions])) {
      if (this.#memory.owns(session)) continue;
      if (stored.has(session)) sessions.add(session);
      else sessions.delete(session);
      this.#memory.records.refresh(session, stored.has(session));
    }
    this.#remembered.clear();
    this.#bytes = 0;
  }

  #isInMemory(session: string): boolean {
    return this.#memory.owns(session) || this.#memory.isAlone();
  }

  #read(record: string, values: readonly (readonly bigint[])[]): Promise<ListRow[]> {
    return this.#store.reads.query<ListRow>(
      `SELECT ${headOfLog} AS head, s.name, s.rev, ${record} AS record
      FROM (VALUES (1)) AS one LEFT JOIN sessiond.session AS s ON true`,
      values,
    );
  }

  #recordOf(session: string, { rev, record: stored }: ListRow, known: Remembered | undefined): SessionRecord {
    if (stored === null) {
      if (!known) throw new Error(`the store has lost the record of session "${session}"`);
      return known.record;
    }
    const value = this.#store.values.open(stored, "session", session);
    const record = fromBinary(SessionRecordSchema, value);
    this.#forget(session);
    if (rev !== unknownRev && this.#bytes + value.byteLength <= capacity) {
      this.#remembered.set(session, { rev, record, bytes: value.byteLength });
      this.#bytes += value.byteLength;
    }
    return record;
  }

  #forget(session: string): void {
    this.#bytes -= this.#remembered.get(session)?.bytes ?? 0;
    this.#remembered.delete(session);
  }
}
