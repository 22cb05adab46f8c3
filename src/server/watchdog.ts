import inspector from "node:inspector";
import { watchEventLoop } from "../adapters/node/watchdog.ts";
import type { Config } from "../config/config.ts";

/** Ends the process when the event loop is blocked for good. */
export interface Watchdog {
  /** Begins to watch. Idempotent. */
  start(): void;
  stop(): Promise<void>;
}

/**
 * Creates the watchdog, which watches nothing if the configuration or a debugger that is attached now forbids it. Its thread takes
 * memory, and only sessions run code that could loop forever, so it is started for the first of them.
 */
export function createWatchdog({ blockedLimitMs: killAfterMs, logFormat: format }: Config): Watchdog {
  if (killAfterMs === 0 || inspector.url() !== undefined) return { start: () => {}, stop: async () => {} };
  let stopWatching: (() => Promise<void>) | undefined;
  return {
    start() {
      stopWatching ??= watchEventLoop({ format, warnAfterMs: Math.min(2_000, killAfterMs / 2), killAfterMs });
    },
    stop: async () => stopWatching?.(),
  };
}
