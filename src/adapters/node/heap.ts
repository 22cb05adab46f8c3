import { setFlagsFromString } from "node:v8";

/**
 * Growth of the heap over what was in use after the last collection, at which V8 collects again, in percent. Little growth keeps garbage
 * out of memory, but costs a third of the CPU time where much is allocated: each collection marks all that lives.
 */
const growth = { usual: 25, allowed: 100 };
/** More than the 64 MB of memory outside of the heap at which V8 begins a collection. */
const pressureBytes = 65 * 1_048_576;

/** The heap of a process, and a timer. */
export interface Heap {
  /** Begins to return unused memory to the system. */
  release(): void;
  /** Number of releases so far. */
  readonly releases: number;
  /** Collects after little growth from now on, except where growth is allowed. */
  limitGrowth(): void;
  /** Lets the heap double between two collections until the returned function is called. */
  allowGrowth(): () => void;
  /** Calls back once after `delayMs`, unless the process ends before. */
  schedule(delayMs: number, callback: () => void): void;
}

let releases = 0;
let isLimited = false;
const allowances = new Set<object>();

/** V8 by default lets a small heap grow to four times of what was in use after the last collection, and the first time even further. */
function setGrowth(): void {
  if (!isLimited) return;
  setFlagsFromString(`--heap-growing-percent=${allowances.size > 0 ? growth.allowed : growth.usual}`);
}

/** The heap of this process. */
export const processHeap: Heap = {
  /**
   * V8 does not collect while the process is quiet, and keeps the pages of collected objects. It begins a collection when memory outside
   * of the heap passes its limit, and returns pages while it optimizes for size. It marks beside the program and in short steps, whereas
   * its `gc()` would block for seconds with a thousand sessions.
   */
  release() {
    releases += 1;
    setFlagsFromString("--optimize-for-size");
    try {
      // Nothing touches it, so it takes no memory. The collection that it causes removes it.
      new ArrayBuffer(pressureBytes);
    } catch (error) {
      // The system has no room for it. V8 collects for itself then.
      if (!(error instanceof RangeError)) throw error;
    } finally {
      setFlagsFromString("--no-optimize-for-size");
    }
  },

  get releases() {
    return releases;
  },

  limitGrowth() {
    isLimited = true;
    setGrowth();
  },

  allowGrowth() {
    const allowance = {};
    allowances.add(allowance);
    setGrowth();
    return () => {
      allowances.delete(allowance);
      setGrowth();
    };
  },

  schedule(delayMs, callback) {
    setTimeout(callback, delayMs).unref();
  },
};
