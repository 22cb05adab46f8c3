import type { Delivery, Endpoint, SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../gen/sessiond/v1/event_pb.js";
import type { ChatStore, Credentials } from "./engine.ts";

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

/** What a phone is offered right now. Kept in memory only: it is a secret and stale within a minute. */
export interface Pairing {
  readonly value: string;
  readonly serial: number;
  readonly remaining: number;
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

/** An event and the endpoints (of the session's own) it is to be delivered to. Its `seq` is given by the commit. */
export interface NewEvent {
  readonly event: Event;
  readonly endpointIds: readonly string[];
}

/** One atomic change of one session. */
export interface Commit {
  readonly record: SessionRecord;
  readonly events: readonly NewEvent[];
  /** All endpoints of the session as configured now; left out: unchanged. Endpoints no longer named live on until their last delivery is settled. */
  readonly endpoints?: readonly Endpoint[];
  /** Removes the session's engine data (credentials and chats) in the same write and ends all handles on it. */
  readonly wipe?: boolean;
  /** What a phone is offered from now on; null for nothing; left out: unchanged. Memory only, but seen together with the record. */
  readonly pairing?: Pairing | null;
}

/** One due delivery, held until it is settled by exactly one of its three calls. A crash settles nothing: it is due again. */
export interface Claim {
  readonly delivery: Delivery;
  readonly endpoint: Endpoint;
  /** Delivered: removes it. */
  done(): Promise<void>;
  /** Counts the attempt and makes it due again after `delayMs`. */
  retry(delayMs: number): Promise<void>;
  /** Gives it up for good, saying why. */
  giveUp(reason: string): Promise<void>;
}

/** Sessions, their event log, the delivery queue and who owns what: all that must survive. Durable when a call resolves, unless said otherwise. */
export interface Backend {
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

  /** The log after `afterSeq`, of one session or of all: what is there, then what comes, without gap or repeat, read at the reader's pace. Ends by `signal`, or with the backend. */
  events(session: string | undefined, afterSeq: bigint, signal: AbortSignal): AsyncIterable<Event>;
  /** The session now, then whenever it has changed; states in between may be skipped. Ends by `signal`, or with the backend. */
  watch(session: string, signal: AbortSignal): AsyncIterable<Snapshot>;

  /**
   * Due deliveries. First attempts for one session and endpoint come in `seq` order, the next one when the one before is settled;
   * no endpoint waits for another. Reading on means room for one more in flight. Ends by `signal`, or with the backend.
   */
  claims(signal: AbortSignal): AsyncIterable<Claim>;

  /** Resolves if a write reaches the disk. */
  check(): Promise<void>;
  /** Ends all iterables and closes. Idempotent. */
  close(): Promise<void>;
}
