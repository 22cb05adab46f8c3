import type { Endpoint, MessageLog, PendingUnlink, SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../gen/sessiond/v1/event_pb.js";
import type { NewEvent } from "./outbox.ts";

/** The right to write one session, until another owner acquires it. */
export interface Lease {
  readonly session: string;
  /** Grows with each acquisition of this session, restarts included. */
  readonly epoch: bigint;
  /**
   * Aborted, with LeaseLost as its reason, once another owner may hold the session: it acquired it, or this process was fenced. The
   * owner stops its engine in the event listener, before the engine can write or send. Releasing a lease does not abort it.
   */
  readonly lost: AbortSignal;
}

/** A write came under a lease, or an engine data handle, that is no longer the current one. Nothing was written. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

/** Another node owns the session, or holds its files, so it cannot be acquired here. */
export class OwnedElsewhere extends Error {
  override readonly name = "OwnedElsewhere";
  /** Name of the node that owns it. */
  readonly node: string;
  /** True if the session has files on that node's machine, so that no other node can run it even if that one is gone. */
  readonly isBound: boolean;

  constructor(session: string, node: string, isBound = false) {
    super(isBound ? `session "${session}" is bound to node "${node}"` : `node "${node}" owns session "${session}"`);
    this.node = node;
    this.isBound = isBound;
  }
}

/** A commit would give a session the idempotency key that another session was created with. Nothing was written. */
export class CreationKeyTaken extends Error {
  override readonly name = "CreationKeyTaken";
}

/** The code that a phone can scan or type now. In memory only: it is a secret, and stale within a minute. */
export interface Pairing {
  readonly value: string;
  readonly serial: number;
  readonly remaining: number;
  /** On the monotonic clock. */
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  /** The pairing code that was requested meanwhile, "ABCD-ABCD". */
  readonly code?: string;
}

/** A session at one moment, with the place in the log up to which it is true. */
export interface Snapshot {
  /** Undefined if the session does not exist. */
  readonly record: SessionRecord | undefined;
  readonly pairing: Pairing | undefined;
  readonly seq: bigint;
}

/** All sessions at one moment, with the place in the log up to which they are true. */
export interface SessionList {
  readonly records: readonly SessionRecord[];
  readonly seq: bigint;
}

/** One atomic change of one session. */
export interface Commit {
  readonly record: SessionRecord;
  readonly events: readonly NewEvent[];
  /** The log of reported messages; left out: unchanged. */
  readonly messages?: MessageLog;
  /** All endpoints of the session as configured now; left out: unchanged. An endpoint no longer named lives on until its last delivery is settled. */
  readonly endpoints?: readonly Endpoint[];
  /** The owner has changed the configuration: disabled endpoints are enabled again. */
  readonly isReconfigured?: boolean;
  /** Removes the session's engine data (credentials and chats) in the same write and ends all handles on it. */
  readonly wipe?: boolean;
  /**
   * Moves the credentials to this pending unlink before the wipe, in the same write. Does nothing if there are none, and leaves out
   * values that cannot be read. Only together with `wipe`.
   */
  readonly setAside?: PendingUnlink;
  /**
   * True if the session's engine has files on this machine, such as a browser's profile: from now on no other node can acquire the
   * session, nor the pending unlink of `setAside`. False ends that. Left out: unchanged.
   */
  readonly isBound?: boolean;
  /** The code to offer from now on; null for none; left out: unchanged. In memory only, but seen together with the record. */
  readonly pairing?: Pairing | null;
}

/**
 * The records of sessions, and the right to write them. Records are shared: nobody changes one that was committed or read. Reads return
 * committed state only, never older than a `seq` that was returned before.
 */
export interface Sessions {
  /** Returns all sessions by name, at one moment. */
  list(): Promise<SessionList>;
  /** Returns one session at one moment. */
  get(session: string): Promise<Snapshot>;
  /** Returns the session that was created with this idempotency key; undefined if there is none. */
  createdWith(idempotencyKey: string): Promise<SessionRecord | undefined>;
  /** Returns the log of the messages that a session has reported; undefined if none was written. */
  messages(session: string): Promise<MessageLog | undefined>;
  /** Yields the session now, then whenever it has changed; states in between may be skipped. Ends by `signal`, or with the backend. */
  watch(session: string, signal: AbortSignal): AsyncIterable<Snapshot>;

  /**
   * Takes the right to write a session, existing or not, from its present owner in this process. Rejects with OwnedElsewhere while
   * another node owns it.
   */
  acquire(session: string): Promise<Lease>;
  /** Gives a lease back. Idempotent; does nothing for a lease that is lost. */
  release(lease: Lease): Promise<void>;
  /** Writes record, events and their deliveries in one batch; returns the events with their `seq`. Rejects with LeaseLost or CreationKeyTaken. */
  commit(lease: Lease, commit: Commit): Promise<Event[]>;
  /** Removes the session, its engine data and its events in one batch, and logs `last` instead. Pending deliveries and those of `last` still go out. */
  remove(lease: Lease, last: readonly NewEvent[]): Promise<Event[]>;
}
