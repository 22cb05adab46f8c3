/** Up to where the logs of sessions have been trimmed. */
export class Trimmed {
  readonly #through = new Map<string, bigint>();
  #greatest = 0n;

  /** The place from which on the log of one session, or of all, is complete. */
  oldestSeq(session: string | undefined): bigint {
    return (session === undefined ? this.#greatest : (this.#through.get(session) ?? 0n)) + 1n;
  }

  /** A session's log is trimmed through `seq`; with undefined, so is some log that is gone itself. */
  mark(session: string | undefined, seq: bigint): void {
    if (seq > this.#greatest) this.#greatest = seq;
    if (session !== undefined && seq >= this.oldestSeq(session)) this.#through.set(session, seq);
  }

  /** A session is gone; who reads all logs still misses what was trimmed of it. */
  forget(session: string): void {
    this.#through.delete(session);
  }
}
