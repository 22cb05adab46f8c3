/** Events on their way to the one reader: kept in order until they are asked for. */
export class EventQueue<T> implements AsyncIterable<T> {
  readonly #waiting: { readonly event: T; readonly onTaken: (() => void) | undefined }[] = [];
  #wake: (() => void) | undefined;
  #ended = false;
  #read = false;

  /** How many events wait to be read. */
  get size(): number {
    return this.#waiting.length;
  }

  /** Adds an event; does nothing after `end()`. `onTaken` is called when the reader asks for the next one. */
  push(event: T, onTaken?: () => void): void {
    if (this.#ended) return;
    this.#waiting.push({ event, onTaken });
    this.#wake?.();
  }

  /** What is waiting is still read; then the iteration ends. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** To be called once. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    if (this.#read) throw new Error("the events of an engine can be read only once");
    this.#read = true;
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) {
        yield next.event;
        next.onTaken?.();
      } else if (this.#ended) return;
      else await this.#more();
    }
  }

  async #more(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
  }
}
