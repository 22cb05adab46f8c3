import { Worker } from "node:worker_threads";
import { currentSession } from "./session-scope.ts";

/** What the watchdog goes by. */
export interface WatchdogOptions {
  readonly format: "PRETTY" | "JSON";
  /** An event loop that has not turned for so long is worth a line in the log. */
  readonly warnAfterMs: number;
  /** After so long it will not turn again, and the process is ended. */
  readonly killAfterMs: number;
}

/** Also what the thread gets. `beats` counts the turns of the event loop. */
export interface WatchdogData extends WatchdogOptions {
  readonly beats: Int32Array;
}

/** Where the thread finds out whose code is running. */
export const currentSessionName = "sessiond.currentSession";

/** How often the event loop is felt: four times before it is missed. */
export const beatMs = ({ warnAfterMs }: WatchdogOptions): number => warnAfterMs / 4;

/**
 * Watches the event loop from a thread of its own, since code that loops for ever can neither be interrupted nor noticed here: says
 * which session's code and what stack holds it up, and in the end ends the process by SIGKILL, which every start is made to
 * recover from. The function returned stops watching.
 */
export function watchEventLoop(options: WatchdogOptions): () => Promise<void> {
  const beats = new Int32Array(new SharedArrayBuffer(4));
  Reflect.set(globalThis, Symbol.for(currentSessionName), currentSession);
  const timer = setInterval(() => Atomics.add(beats, 0, 1), beatMs(options)).unref();
  const workerData: WatchdogData = { ...options, beats };
  const worker = new Worker(new URL("./watchdog-thread.ts", import.meta.url), { workerData });
  worker.unref();
  return async () => {
    clearInterval(timer);
    await worker.terminate();
  };
}
