/** Limits on how many entries of a kind are kept per session, and for how long. */
export interface Limits {
  readonly maxCount: number;
  readonly maxAgeMs: number;
}

/** Retention of events, settled deliveries and sent messages. Pending deliveries and unsent messages are always kept. */
export interface Retention {
  readonly events: Limits;
  readonly delivered: Limits;
  readonly failed: Limits;
  /** Finished outgoing messages, by the time of their acceptance. Left out: all are kept. */
  readonly sent?: Limits;
}

/** Maintenance of a backend as a whole. */
export interface Upkeep {
  /**
   * Removes entries that exceed `retention` at `nowMs` (Unix), in small writes between those of others. Returns the number of entries
   * removed. Ends early by `signal`.
   */
  trim(retention: Retention, nowMs: number, signal: AbortSignal): Promise<number>;
  /** Resolves if a write reaches the disk. */
  check(): Promise<void>;
  /**
   * Calls back once the store has not answered for so long that callers should not wait for it; soon, if that is so already. What they
   * wait for may still be done. Returns the function that cancels this. Left out by stores that answer or fail at once.
   */
  onOutage?(callback: () => void): () => void;
  /** Ends all iterables and closes the backend. Idempotent. */
  close(): Promise<void>;
}
