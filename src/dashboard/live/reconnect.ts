import { pause } from "./signals.ts";

const firstDelayMs = 500;
const longestDelayMs = 10_000;
/** The server sends a heartbeat at least every 15 s unless it is configured otherwise. */
const silenceLimitMs = 45_000;

/** A connection's signal, and the functions that report its life. */
export interface Connection {
  readonly signal: AbortSignal;
  /** Reports that the server answers. The next failure is retried soon. */
  answered(): void;
}

/**
 * Calls `connect` until the signal aborts. After a failure, or an end, waits 0.5 s to 10 s; not at all once the browser is online again.
 * A connection that reports nothing for 45 s, or whose browser goes offline, is aborted.
 */
export async function keepConnected(
  signal: AbortSignal,
  connect: (connection: Connection) => Promise<void>,
  onLost: (error: unknown) => void,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const broken = new AbortController();
    const watchdog = new Watchdog(silenceLimitMs, () => broken.abort(new Error("the connection is silent")));
    const onOffline = () => broken.abort(new Error("the browser is offline"));
    addEventListener("offline", onOffline);
    try {
      await connect({
        signal: AbortSignal.any([signal, broken.signal]),
        answered() {
          failures = 0;
          watchdog.feed();
        },
      });
    } catch (error) {
      if (!signal.aborted) onLost(error);
    } finally {
      watchdog.stop();
      removeEventListener("offline", onOffline);
    }
    const delayMs = Math.min(longestDelayMs, firstDelayMs * 2 ** failures);
    failures += 1;
    await pauseUntilOnline(delayMs * (0.75 + Math.random() / 2), signal);
  }
}

async function pauseUntilOnline(ms: number, signal: AbortSignal): Promise<void> {
  const online = new AbortController();
  const onOnline = () => online.abort();
  addEventListener("online", onOnline);
  await pause(ms, AbortSignal.any([signal, online.signal]));
  removeEventListener("online", onOnline);
}

/** Calls a function unless it is fed in time. */
class Watchdog {
  readonly #limitMs: number;
  readonly #bark: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(limitMs: number, bark: () => void) {
    this.#limitMs = limitMs;
    this.#bark = bark;
    this.feed();
  }

  feed(): void {
    this.stop();
    this.#timer = setTimeout(this.#bark, this.#limitMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
