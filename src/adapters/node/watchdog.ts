import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { currentSession } from "./session-scope.ts";

/** Options for the watchdog. */
export interface WatchdogOptions {
  readonly format: "PRETTY" | "JSON";
  /** Time without a turn of the event loop after which a line is logged. */
  readonly warnAfterMs: number;
  /** Time without a turn of the event loop after which the process is killed. */
  readonly killAfterMs: number;
}

/** Data for the watchdog's thread. */
export interface WatchdogData extends WatchdogOptions {
  /** Counter of turns of the event loop, in shared memory. */
  readonly beats: Int32Array;
}

/** Name of the global symbol under which the thread finds `currentSession`. */
export const currentSessionName = "sessiond.currentSession";

/** The image runs JavaScript. */
const threadFile = `./watchdog-thread${extname(import.meta.filename)}`;

/** Returns the interval of beats: four per `warnAfterMs`. */
export const beatMs = ({ warnAfterMs }: WatchdogOptions): number => warnAfterMs / 4;

/**
 * Watches the event loop from a thread of its own, since an endless loop cannot be detected on the main thread. Logs the session and
 * the stack that block it, and at last kills the process by SIGKILL, from which every start recovers. Returns a function that stops it.
 */
export function watchEventLoop(options: WatchdogOptions): () => Promise<void> {
  const beats = new Int32Array(new SharedArrayBuffer(4));
  Reflect.set(globalThis, Symbol.for(currentSessionName), currentSession);
  const timer = setInterval(() => Atomics.add(beats, 0, 1), beatMs(options)).unref();
  const workerData: WatchdogData = { ...options, beats };
  const worker = new Worker(new URL(threadFile, import.meta.url), { workerData });
  worker.unref();
  return async () => {
    clearInterval(timer);
    await worker.terminate();
  };
}
