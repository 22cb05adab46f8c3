import type { Endpoint, PendingUnlink, SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../gen/sessiond/v1/event_pb.js";
import type { ChatStore, Credentials } from "./engine.ts";
import type { NewEvent, Outbox, Retention } from "./outbox.ts";
import type { PendingUnlinks } from "./pending-unlinks.ts";

/** The right to write one session, until somebody else acquires it. */
export interface Lease {
  readonly session: string;
  /** Grows with each acquisition of this session, restarts included. */
  readonly epoch: bigint;
}

/** A write came under a lease, or an engine data handle, that is no longer the current one. Nothing was written. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

/** What a reader of the log would read next is no longer kept. */
export class LogTrimmed extends Error {
  override readonly name = "LogTrimmed";
  /** The oldest place that still is. */
  readonly oldestSeq: bigint;

  constructor(oldestSeq: bigint) {
    super(`the log begins at ${oldestSeq}`);
    this.oldestSeq = oldestSeq;
  }
}

/** What a phone is offered right now. Kept in memory only: it is a secret and stale within a minute. */
export interface Pairing {
  readonly value: string;
  readonly serial: number;
  readonly remaining: number;
  /** On the monotonic clock. */
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  /** A pairing code asked for meanwhile, "ABCD-ABCD". */
  readonly code?: string;
}

/** A session at one moment, with the place in the log up to which it is true. */
export interface Snapshot {
  /** Undefined when there is no such session. */
  readonly record: SessionRecord | undefined;
  readonly pairing: Pairing | undefined;
  readonly seq: bigint;
}

/** One atomic change of one session. */
export interface Commit {
  readonly record: SessionRecord;
  readonly events: readonly NewEvent[];
  /** All endpoints of the session as configured now; left out: unchanged. Endpoints no longer named live on until their last delivery is settled. */
  readonly endpoints?: readonly Endpoint[];
  /** The session's owner has configured it anew: those of the endpoints that were switched off are in use again. */
  readonly isReconfigured?: boolean;
  /** Removes the session's engine data (credentials and chats) in the same write and ends all handles on it. */
  readonly wipe?: boolean;
  /**
   * Moves the credentials to this pending unlink before the wipe, in the same write. Does nothing if there are none, and leaves out
   * values that cannot be read. Only together with `wipe`.
   */
  readonly setAside?: PendingUnlink;
  /** What a phone is offered from now on; null for nothing; left out: unchanged. Memory only, but seen together with the record. */
  readonly pairing?: Pairing | null;
}

/** Sessions, their event log, the delivery queue and who owns what: all that must survive. Durable when a call resolves, unless said otherwise. */
export interface Backend extends Outbox {
  readonly pendingUnlinks: PendingUnlinks;

  /** All sessions by name, at one moment. */
  list(): Promise<{ records: SessionRecord[]; seq: bigint }>;
  /** One session at one moment. */
  get(session: string): Promise<Snapshot>;

  /** Takes the right to write a session, existing or not, from whoever had it. */
  acquire(session: string): Promise<Lease>;
  /** Gives it back; a lease that is lost already is fine. */
  release(lease: Lease): Promise<void>;
  /** Writes record, events and their deliveries in one batch; returns the events with their `seq`. Rejects with LeaseLost. */
  commit(lease: Lease, commit: Commit): Promise<Event[]>;
  /** Removes the session, its engine data and its events in one batch, and logs `last` instead. Pending deliveries and `last`'s own still go out. */
  remove(lease: Lease, last: readonly NewEvent[]): Promise<Event[]>;

  /** A new handle on the session's credentials; ends the one before. */
  credentials(lease: Lease): Credentials;
  /** A new handle on the session's chats; ends the one before. */
  chats(lease: Lease): ChatStore;

  /**
   * The log after `afterSeq`, of one session or of all: what is there, then what comes, without gap or repeat, read at the reader's pace.
   * Ends by `signal`, with the backend, or after `throughSeq`. Rejects with LogTrimmed if what is to be read next is no longer kept.
   */
  events(session: string | undefined, afterSeq: bigint, signal: AbortSignal, throughSeq?: bigint): AsyncIterable<Event>;
  /** The end of the log: the place of the last event that readers can see. */
  lastSeq(): bigint;
  /** Keeps how far a named reader of the log has come, unless it is further already. Resolves with where it is. */
  acknowledge(consumer: string, cursor: bigint): Promise<bigint>;
  /** How far a named reader has come; undefined if it is unknown. */
  acknowledged(consumer: string): Promise<bigint | undefined>;
  /** The session now, then whenever it has changed; states in between may be skipped. Ends by `signal`, or with the backend. */
  watch(session: string, signal: AbortSignal): AsyncIterable<Snapshot>;
  /** The `seq` from which on the log, of one session or of all, is complete; what came before may have been trimmed. 1 if nothing was. */
  oldestSeq(session: string | undefined): Promise<bigint>;
  /** Removes what is not to be kept any longer at `nowMs` (Unix), in small writes between those of others; resolves with how many entries it was. Ends early by `signal`. */
  trim(retention: Retention, nowMs: number, signal: AbortSignal): Promise<number>;

  /** Resolves if a write reaches the disk. */
  check(): Promise<void>;
  /** Ends all iterables and closes. Idempotent. */
  close(): Promise<void>;
}
