import type { Event } from "../../gen/sessiond/v1/event_pb.js";

/** The next event that a reader asks for has been trimmed. */
export class LogTrimmed extends Error {
  override readonly name = "LogTrimmed";
  /** The `seq` from which on the log is complete. */
  readonly oldestSeq: bigint;

  constructor(oldestSeq: bigint) {
    super(`the log begins at ${oldestSeq}`);
    this.oldestSeq = oldestSeq;
  }
}

/** The log of events over all sessions, in order of `seq`. `Sessions.commit` and `Outbox.append` add to it. */
export interface EventLog {
  /**
   * Yields the log after `afterSeq`, of one session or of all, then new events as they are written: without gap or repeat, at the
   * reader's pace. Ends by `signal`, with the backend, or after `throughSeq`. Rejects with LogTrimmed if the next event was trimmed.
   */
  events(session: string | undefined, afterSeq: bigint, signal: AbortSignal, throughSeq?: bigint): AsyncIterable<Event>;
  /** Returns the last events of a session before `beforeSeq`, newest first: at most `limit`, and none only if there are no more. */
  latest(session: string, beforeSeq: bigint, limit: number): Promise<Event[]>;
  /** Returns the `seq` of the last event that readers can see: no smaller one than any node has returned before. */
  lastSeq(): Promise<bigint>;
  /** As `lastSeq`, from memory: events that other nodes have just logged may be missing. Streams ask for it once per event. */
  seenSeq(): bigint;
  /** Returns the `seq` from which on the log, of one session or of all, is complete; 1 if nothing was trimmed. */
  oldestSeq(session: string | undefined): Promise<bigint>;
  /** Stores the cursor of a named reader unless the stored one is further. Returns the stored one. */
  acknowledge(consumer: string, cursor: bigint): Promise<bigint>;
  /** Returns the cursor of a named reader; undefined if the reader is unknown. */
  acknowledged(consumer: string): Promise<bigint | undefined>;
}
