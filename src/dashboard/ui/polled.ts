import { type ReadonlySignal, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { messageOf } from "../api/errors.ts";
import { pause } from "../live/signals.ts";
import { whileVisible } from "../live/visibility.ts";

/** Pause before a changed request, so that typing does not ask for each letter. */
const typingMs = 200;

interface Options<T> {
  readonly load: (signal: AbortSignal) => Promise<T>;
  /** Time until the next load. `value` is undefined after a failure before the first success. */
  readonly everyMs: (value: T | undefined) => number;
}

/** A value that is loaded again and again while the page is visible. */
export class Polled<T> {
  readonly #value = signal<T | undefined>(undefined);
  readonly #fault = signal("");
  #options: Options<T> | undefined;
  #isForOtherRequest = false;
  #refresh = new AbortController();

  /** The latest value. It stays while the server cannot be reached. */
  get value(): ReadonlySignal<T | undefined> {
    return this.#value;
  }

  /** Why the latest load failed; "" if it did not. */
  get fault(): ReadonlySignal<string> {
    return this.#fault;
  }

  /** Loads at once. */
  readonly refresh = (): void => this.#refresh.abort();

  /** Loads until the signal aborts. The value of an earlier request stays until there is a new one. */
  async run(signal: AbortSignal, options: Options<T>): Promise<void> {
    this.#isForOtherRequest = this.#options !== undefined;
    this.#options = options;
    if (this.#isForOtherRequest) await pause(typingMs, signal);
    await whileVisible(signal, async (visible) => {
      while (!visible.aborted) {
        this.#refresh = new AbortController();
        await this.#loadOnce(options, visible);
        await pause(options.everyMs(this.#value.peek()), AbortSignal.any([visible, this.#refresh.signal]));
      }
    });
  }

  async #loadOnce({ load }: Options<T>, signal: AbortSignal): Promise<void> {
    try {
      const value = await load(signal);
      if (signal.aborted) return;
      this.#value.value = value;
      this.#fault.value = "";
      this.#isForOtherRequest = false;
    } catch (error) {
      if (signal.aborted) return;
      if (this.#isForOtherRequest) this.#value.value = undefined;
      this.#fault.value = messageOf(error);
    }
  }
}

/** Polls as long as the component is shown; with new options as soon as `request` changes. */
export function usePolled<T>(request: string, options: Options<T>): Polled<T> {
  const polled = useMemo(() => new Polled<T>(), []);
  useEffect(() => {
    const closed = new AbortController();
    void polled.run(closed.signal, options);
    return () => closed.abort();
  }, [polled, request]);
  return polled;
}
