/** A listener's state: the first news since it last looked, as one number, however far behind it is. */
export interface Subscription {
  readonly ended: boolean;
  /** Forgets the news so far. */
  clear(): void;
  /** Resolves with the first `seq` published since the last call, or with undefined at the end. One call at a time. */
  changed(): Promise<bigint | undefined>;
  /** Gives it up. Idempotent. */
  end(): void;
}

/** How many are woken at a time: the first of a thousand should not wait until the last has been seen to. */
const wokenAtOnce = 64;

/** Wakes the listeners of one topic or of all. */
export class Notifier {
  readonly #listeners = new Map<string | undefined, Set<Listener>>();
  /** Listeners still to be woken, each once, with the first news that they have not heard. */
  readonly #waiting = new Map<Listener, bigint>();
  #isWaking = false;
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

  /** Publishes that a topic has news as of `seq`. */
  publish(topic: string, seq: bigint): void {
    for (const name of [topic, undefined]) {
      for (const listener of this.#listeners.get(name) ?? []) {
        if (!this.#waiting.has(listener)) this.#waiting.set(listener, seq);
      }
    }
    if (!this.#isWaking) this.#wake();
  }

  #wake(): void {
    let left = wokenAtOnce;
    for (const [listener, seq] of this.#waiting) {
      this.#waiting.delete(listener);
      listener.notify(seq);
      left -= 1;
      if (left === 0) break;
    }
    this.#isWaking = this.#waiting.size > 0;
    if (this.#isWaking) setImmediate(() => this.#wake());
  }

  /** Ends all subscriptions, including later ones. */
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
