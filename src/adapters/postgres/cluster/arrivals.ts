/** Sessions that this node was given without a call, for one reader. They wait until they are read. */
export class ArrivalQueue {
  readonly #sessions = new Set<string>();
  #changed = Promise.withResolvers<void>();
  #isClosed = false;

  /** Adds sessions. One that waits already stays one. */
  add(sessions: Iterable<string>): void {
    for (const session of sessions) this.#sessions.add(session);
    this.#wake();
  }

  /** Takes a session back that nobody has read yet. */
  delete(session: string): void {
    this.#sessions.delete(session);
  }

  /** Takes all back that nobody has read yet. */
  clear(): void {
    this.#sessions.clear();
  }

  /** Ends the reader. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  /** Yields sessions as they come. Ends by `signal` or `close`. */
  async *read(signal: AbortSignal): AsyncGenerator<string, void, void> {
    const wake = () => this.#wake();
    signal.addEventListener("abort", wake, { once: true });
    try {
      while (!signal.aborted && !this.#isClosed) {
        const [session] = this.#sessions;
        if (session === undefined) {
          await this.#changed.promise;
          continue;
        }
        this.#sessions.delete(session);
        yield session;
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
