/** Events of one engine, in order, until its one reader asks for them. */
export class EventQueue<T> implements AsyncIterable<T> {
  readonly #waiting: { readonly event: T; readonly onTaken: (() => void) | undefined }[] = [];
  #wake: (() => void) | undefined;
  #isEnded = false;
  #isRead = false;

  /** Number of events that the reader has not asked for yet. */
  get size(): number {
    return this.#waiting.length;
  }

  /** Adds an event; does nothing after `end()`. `onTaken` is called when the reader asks for the next event. */
  push(event: T, onTaken?: () => void): void {
    if (this.#isEnded) return;
    this.#waiting.push({ event, onTaken });
    this.#wake?.();
  }

  /** Ends the iteration after the events that are waiting now. Idempotent. */
  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  /** Throws when it is called a second time. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    if (this.#isRead) throw new Error("the events of an engine can be read only once");
    this.#isRead = true;
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) {
        yield next.event;
        next.onTaken?.();
      } else if (this.#isEnded) return;
      else await this.#waitForMore();
    }
  }

  async #waitForMore(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
  }
}
