/** One listener's memory of what has been published since it last looked: a number, however far behind it is. */
export interface Subscription {
  readonly ended: boolean;
  /** Forgets what was published so far. */
  clear(): void;
  /** Resolves with the first `seq` published since the last call, or with undefined at the end. One call at a time. */
  changed(): Promise<bigint | undefined>;
  /** Gives it up. Idempotent. */
  end(): void;
}

/** Wakes whoever waits for news of one topic or of all. */
export class Notifier {
  readonly #listeners = new Map<string | undefined, Set<Listener>>();
  #closed = false;

  /** Listens to one topic, or to all with undefined, until `signal`, `close()` or the subscription's own end. */
  subscribe(topic: string | undefined, signal: AbortSignal): Subscription {
    const end = () => {
      signal.removeEventListener("abort", end);
      const listeners = this.#listeners.get(topic);
      if (listeners?.delete(listener) && listeners.size === 0) this.#listeners.delete(topic);
      listener.finish();
    };
    const listener = new Listener(end);
    if (this.#closed || signal.aborted) {
      listener.finish();
      return listener;
    }
    signal.addEventListener("abort", end, { once: true });
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(listener));
    return listener;
  }

  /** Tells that something is new under a topic as of `seq`. */
  publish(topic: string, seq: bigint): void {
    for (const listener of this.#listeners.get(topic) ?? []) listener.notify(seq);
    for (const listener of this.#listeners.get(undefined) ?? []) listener.notify(seq);
  }

  /** Ends all subscriptions, those to come included. */
  close(): void {
    this.#closed = true;
    for (const listeners of [...this.#listeners.values()]) for (const listener of [...listeners]) listener.end();
  }
}

class Listener implements Subscription {
  ended = false;
  readonly end: () => void;
  #newsSeq: bigint | undefined;
  #wake: (() => void) | undefined;

  constructor(end: () => void) {
    this.end = end;
  }

  notify(seq: bigint): void {
    this.#newsSeq ??= seq;
    this.#wake?.();
  }

  finish(): void {
    this.ended = true;
    this.#wake?.();
  }

  clear(): void {
    this.#newsSeq = undefined;
  }

  async changed(): Promise<bigint | undefined> {
    if (this.#newsSeq === undefined && !this.ended) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = undefined;
    }
    const seq = this.#newsSeq;
    this.clear();
    return this.ended ? undefined : seq;
  }
}
