/** Kinds of entries, the same for every kind of store. */
export type EntryFamily =
  | "session"
  | "messages"
  | "endpoint"
  | "credentials"
  | "chats"
  | "pendingUnlink"
  | "event"
  | "trimmed"
  | "pending"
  | "delivered"
  | "failed"
  | "outgoing"
  | "consumer";

/** An entry of a store, in a form that every kind of store can read and write. */
export interface StoreEntry {
  /** Texts of its key: the session, then the endpoint, key or id; for other families, the name or id alone. */
  readonly names: readonly string[];
  /** Number of its key, or of the whole entry: seq or cursor; 0 for families without one. */
  readonly number: bigint;
  /** Encoded message, not sealed, and for events without the seq; empty for families without values. */
  readonly value: Uint8Array;
}

/** Counters that must never go back. */
export interface StoreMarks {
  /** The log's end. */
  readonly lastSeq: bigint;
  /** Number of times the store was opened. Epochs of leases begin with it. */
  readonly lives: bigint;
  /** Monotonic time of the last write, ms; undefined for a store without writes. */
  readonly clockMs: number | undefined;
}

/** Names a store for people and for other stores. */
export interface StoreRef {
  /** Kind and place, without a login. */
  readonly place: string;
  /** Id that only copies of the store share. */
  readonly id: string;
}

/** Note in a store about its move. A server opens no store that has one. */
export interface StoreMove {
  /** "importing": entries are being added. "moved": the store goes on elsewhere. */
  readonly state: "importing" | "moved";
  /** The store at the other end. */
  readonly other: StoreRef;
  /** The command that finishes the move, or that moves the store back. */
  readonly command: string;
}

/** Reads the entries of a store that nothing writes to. */
export interface EntryReader {
  /** Yields all entries of a family, some at a time. */
  entries(family: EntryFamily): AsyncIterable<readonly StoreEntry[]>;
}

/** A store that is to move. No other process can use it until it is closed. */
export interface StoreSource extends EntryReader {
  readonly ref: StoreRef;
  readonly marks: StoreMarks;
  /** The store that it has moved to, if it has. */
  readonly movedTo: StoreRef | undefined;
  /** Notes that the store has moved. On disk when it resolves: no server opens it again. */
  retire(to: StoreRef, undo: string): Promise<void>;
  close(): Promise<void>;
}

/** A store that another one is to move to. No other process can use it until it is closed. */
export interface StoreTarget extends EntryReader {
  readonly ref: StoreRef;
  /** True if it has entries that no unfinished move has brought. */
  readonly isUsed: boolean;
  /** The store that an unfinished move came from. */
  readonly importedFrom: StoreRef | undefined;
  /** Notes that a move begins, and removes the entries of an unfinished one. */
  begin(from: StoreRef, again: string): Promise<void>;
  /** Adds entries of a family. */
  add(family: EntryFamily, entries: readonly StoreEntry[]): Promise<void>;
  /** Sets the counters, then removes the note: a server can open the store from then on. */
  activate(marks: StoreMarks): Promise<void>;
  close(): Promise<void>;
}
