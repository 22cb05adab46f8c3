import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Growth of the heap over what was in use after the last collection, at which V8 collects again. */
const growthPercent = 50;

/** The heap of a process, and a timer. */
export interface Heap {
  /** Returns unused memory to the system. */
  release(): void;
  /** Collects earlier from now on, so that less garbage lies in memory. */
  limitGrowth(): void;
  /** Calls back once after `delayMs`, unless the process ends before. */
  schedule(delayMs: number, callback: () => void): void;
}

type Collect = (options: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;

/** The heap of this process. */
export const processHeap: Heap = {
  /**
   * V8 does not return memory by itself while the process is quiet: it keeps the pages of collected objects. Blocks for a full
   * collection, some tenths of a second after hundreds of megabytes.
   */
  release() {
    collect ??= createCollector();
    collect({ type: "major", execution: "sync", flavor: "last-resort" });
  },

  /** V8 by default lets a small heap grow to four times of what was in use after the last collection. This costs 2 % of the CPU time. */
  limitGrowth() {
    setFlagsFromString(`--heap-growing-percent=${growthPercent}`);
  },

  schedule(delayMs, callback) {
    setTimeout(callback, delayMs).unref();
  },
};

let collect: Collect | undefined;

function createCollector(): Collect {
  // Node has no other way to call the collector. The flag takes effect in contexts that are created afterwards.
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc");
}

/** Returns the memory of this process. */
export function processMemory(): { rssBytes: number; heapUsedBytes: number } {
  const { rss: rssBytes, heapUsed: heapUsedBytes } = process.memoryUsage();
  return { rssBytes, heapUsedBytes };
}

/** A peak of fewer streams is not worth a collection. */
const minPeak = 1_000;
/** Clients that were cut off have come back by then. */
const reliefDelayMs = 5_000;

/** Returns an observer of the number of open streams. It releases memory once after most of many streams have ended. */
export function createStreamRelief(heap: Pick<Heap, "release" | "schedule"> = processHeap): (open: number) => void {
  let openNow = 0;
  let peak = 0;
  let isScheduled = false;
  const haveMostEnded = () => openNow <= peak / 2;
  const relieve = () => {
    isScheduled = false;
    if (!haveMostEnded()) return;
    peak = openNow;
    heap.release();
  };
  return (open) => {
    openNow = open;
    peak = Math.max(peak, open);
    if (isScheduled || peak < minPeak || !haveMostEnded()) return;
    isScheduled = true;
    heap.schedule(reliefDelayMs, relieve);
  };
}

/** Fewer connections leave too little behind for a collection. */
const minConnections = 10;
/** Time without a new connection after which a burst counts as over. */
const burstEndMs = 3_000;

/**
 * Returns a function to call for each engine that is opened. Handshakes and logins leave tens of megabytes of garbage, which V8 would
 * keep until the heap grows again. So growth is limited from the first engine on, and memory is released once after each burst.
 */
export function createConnectRelief(heap: Heap = processHeap): () => void {
  let isLimited = false;
  let connections = 0;
  let isRecent = false;
  let isScheduled = false;
  const relieve = () => {
    if (isRecent) {
      wait();
      return;
    }
    isScheduled = false;
    if (connections < minConnections) return;
    connections = 0;
    heap.release();
  };
  const wait = () => {
    isRecent = false;
    heap.schedule(burstEndMs, relieve);
  };
  return () => {
    if (!isLimited) heap.limitGrowth();
    isLimited = true;
    connections += 1;
    isRecent = true;
    if (isScheduled) return;
    isScheduled = true;
    wait();
  };
}
