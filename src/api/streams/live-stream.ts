import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import type { MonotonicClock, WallClock } from "../../app/shown-time.ts";
import { SessionError } from "../../domain/errors.ts";
import type { EventLog } from "../../ports/event-log.ts";

/** The part of the log that streams read. */
export type LogSource = Pick<EventLog, "events" | "lastSeq" | "seenSeq">;

/** Limits and heartbeats of streams. */
export interface StreamPolicy {
  /** How long a stream is quiet before its reader is sent the server's time. */
  readonly heartbeatMs: number;
  /** When a stream is ended, to be opened again where it was. */
  readonly maxAgeMs: number;
  /** A reader that is more events than this behind the end of the log is too slow. Events logged before it came do not count. */
  readonly maxLag: number;
}

export const defaultStreamPolicy: StreamPolicy = { heartbeatMs: 15_000, maxAgeMs: 24 * 3_600_000, maxLag: 1024 };

/** Options of a live stream. */
export interface LiveStreamOptions<T> {
  readonly policy: Pick<StreamPolicy, "heartbeatMs" | "maxAgeMs">;
  readonly clock: MonotonicClock & WallClock;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Returns the item to send after a quiet time, given the Unix time (ms); left out: none is sent. */
  readonly beat?: (wallMs: number) => T;
  /** Throws when the reader's key is no longer valid. Called once per heartbeat interval, also on busy streams. */
  check?(): void;
  /** Returns true if the stream ends with this item. */
  readonly isLast?: (item: T) => boolean;
}

/** Time of the first heartbeat, which tells the reader that the stream is open. */
const firstBeatMs = 1_000;

/** The items of a source, read one by one, and heartbeats between them when it is quiet; ends with STREAM_TOO_OLD at its age. */
export async function* liveStream<T>(
  open: (signal: AbortSignal) => AsyncIterable<T>,
  { policy, clock, signal, beat, check, isLast }: LiveStreamOptions<T>,
): AsyncGenerator<T, void, void> {
  const ending = new AbortController();
  const end = () => ending.abort(signal.reason);
  if (signal.aborted) end();
  signal.addEventListener("abort", end, { once: true });
  const next = new NextItem(open(ending.signal)[Symbol.asyncIterator](), clock);
  const endMs = clock.nowMs() + policy.maxAgeMs;
  let checkMs = clock.nowMs() + policy.heartbeatMs;
  let beatMs = clock.nowMs() + Math.min(firstBeatMs, policy.heartbeatMs);
  try {
    for (;;) {
      const isThere = await next.isThereBy(Math.min(beatMs, checkMs, endMs));
      const nowMs = clock.nowMs();
      if (nowMs >= endMs) throw tooOld();
      if (!isThere || nowMs >= checkMs) {
        check?.();
        checkMs = nowMs + policy.heartbeatMs;
      }
      if (isThere) {
        const result = next.take();
        if (result.done) return;
        yield result.value;
        if (isLast?.(result.value)) return;
      } else if (nowMs < beatMs) continue;
      else if (beat) yield beat(clock.wallMs());
      beatMs = clock.nowMs() + policy.heartbeatMs;
    }
  } finally {
    signal.removeEventListener("abort", end);
    ending.abort(signal.reason);
    next.close();
  }
}

const tooOld = () => new SessionError("STREAM_TOO_OLD", "The stream has come to its age: open it again where it was");

type Settled<T> = { readonly result: IteratorResult<T> } | { readonly error: unknown };

/** The next item of an iterator, requested once and awaited repeatedly. Racing one promise many times would leak its reactions. */
class NextItem<T> {
  readonly #iterator: AsyncIterator<T>;
  readonly #clock: MonotonicClock;
  #settled: Settled<T> | undefined;
  #asked = false;
  #wake = () => {};
  /** The time of the timer. It outlives items, as setting one for each item of a thousand streams is slow. */
  #timerMs = Number.POSITIVE_INFINITY;
  #cancelTimer = () => {};

  constructor(iterator: AsyncIterator<T>, clock: MonotonicClock) {
    this.#iterator = iterator;
    this.#clock = clock;
  }

  /** Resolves to true once an item is there, or to false at `limitMs`. */
  async isThereBy(limitMs: number): Promise<boolean> {
    this.#ask();
    do {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      this.#wakeBy(limitMs);
      await promise;
      // The timer may have been set for an earlier limit.
    } while (!this.#settled && this.#clock.nowMs() < limitMs);
    return this.#settled !== undefined;
  }

  take(): IteratorResult<T> {
    const settled = this.#settled;
    this.#settled = undefined;
    this.#asked = false;
    if (!settled) throw new TypeError("there is no item to take");
    if ("error" in settled) throw settled.error;
    return settled.result;
  }

  /** Ends the iterator; later items and errors are dropped. */
  close(): void {
    this.#cancelTimer();
    this.#iterator.return?.().catch(() => {});
  }

  #ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#iterator.next().then(this.#keepResult, this.#keepError);
  }

  readonly #keepResult = (result: IteratorResult<T>) => this.#settle({ result });
  readonly #keepError = (error: unknown) => this.#settle({ error });

  #settle(settled: Settled<T>): void {
    this.#settled = settled;
    this.#wake();
  }

  /** Sets the timer, unless it is due earlier. */
  #wakeBy(limitMs: number): void {
    if (this.#timerMs <= limitMs) return;
    this.#cancelTimer();
    this.#timerMs = limitMs;
    this.#cancelTimer = this.#clock.schedule(Math.max(limitMs - this.#clock.nowMs(), 0), () => {
      this.#timerMs = Number.POSITIVE_INFINITY;
      this.#wake();
    });
  }
}

/** Which sessions a stream is of. */
export interface SessionFilter {
  /** The only one, where it is one: the part of the log that holds all that can pass. */
  readonly topic: string | undefined;
  /** undefined: no other than `topic`, or all. */
  readonly names: ReadonlySet<string> | undefined;
  readonly metadata: readonly (readonly [key: string, value: string])[];
}

/** The filter that a request's fields make; no names stand for all sessions. */
export function sessionFilter(
  session: string,
  sessions: readonly string[],
  metadata: Readonly<Record<string, string>> = {},
): SessionFilter {
  const [topic, ...others] = session === "" ? sessions : [session];
  const isOne = others.length === 0;
  return {
    topic: isOne ? topic : undefined,
    names: isOne ? undefined : new Set(sessions),
    metadata: Object.entries(metadata),
  };
}

/** Returns true if a session of this name and metadata passes. */
export function passes(filter: SessionFilter, name: string, metadata: Readonly<Record<string, string>> = {}): boolean {
  return (
    (filter.topic === undefined || filter.topic === name) &&
    (filter.names === undefined || filter.names.has(name)) &&
    filter.metadata.every(([key, value]) => Object.hasOwn(metadata, key) && metadata[key] === value)
  );
}

/** Returns true if an event of the log passes. */
export const passesEvent = (filter: SessionFilter, { session, metadata }: Event): boolean =>
  passes(filter, session, metadata);
