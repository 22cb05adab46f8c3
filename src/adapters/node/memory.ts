import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

type Collect = (options: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;

/** The memory of this process. */
export const processMemory = {
  /**
   * Gives what is not used any more back to the system. V8 does not do so by itself while the process is quiet: it keeps the pages of what
   * it has collected. Takes as long as a full collection: some tenths of a second after hundreds of megabytes were let go.
   */
  release(): void {
    collect ??= collector();
    collect({ type: "major", execution: "sync", flavor: "last-resort" });
  },

  /** Calls back once after a while; keeps no process alive that has nothing else to do. */
  schedule(delayMs: number, callback: () => void): void {
    setTimeout(callback, delayMs).unref();
  },
};

let collect: Collect | undefined;

function collector(): Collect {
  // Node gives scripts no other way to it: the flag takes effect for contexts made from then on.
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc");
}
