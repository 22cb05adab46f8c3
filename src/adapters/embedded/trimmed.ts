/** Up to where the logs of sessions have been trimmed. */
export class Trimmed {
  readonly #through = new Map<string, bigint>();
  #greatest = 0n;

  /** The place from which on the log of one session, or of all, is complete. */
  oldestSeq(session: string | undefined): bigint {
    return (session === undefined ? this.#greatest : (this.#through.get(session) ?? 0n)) + 1n;
  }

  /** Marks a log as trimmed through `seq`. Pass undefined when the trimmed log's session has been deleted. */
  mark(session: string | undefined, seq: bigint): void {
    if (seq > this.#greatest) this.#greatest = seq;
    if (session !== undefined && seq >= this.oldestSeq(session)) this.#through.set(session, seq);
  }

  /** Forgets a deleted session. Readers of all logs still miss its trimmed events. */
  forget(session: string): void {
    this.#through.delete(session);
  }
}
