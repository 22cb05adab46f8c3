import { setFlagsFromString } from "node:v8";

/** Growth of the heap over what was in use after the last collection, at which V8 collects again. */
const growthPercent = 25;
/** More than the 64 MB of memory outside of the heap at which V8 begins a collection. */
const pressureBytes = 65 * 1_048_576;

/** The heap of a process, and a timer. */
export interface Heap {
  /** Begins to return unused memory to the system. */
  release(): void;
  /** Collects earlier from now on, so that less garbage lies in memory. */
  limitGrowth(): void;
  /** Calls back once after `delayMs`, unless the process ends before. */
  schedule(delayMs: number, callback: () => void): void;
}

/** The heap of this process. */
export const processHeap: Heap = {
  /**
   * V8 does not collect while the process is quiet, and keeps the pages of collected objects. It begins a collection when memory outside
   * of the heap passes its limit, and returns pages while it optimizes for size. It marks beside the program and in short steps, whereas
   * its `gc()` would block for seconds with a thousand sessions.
   */
  release() {
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

  /** V8 by default lets a small heap grow to four times of what was in use after the last collection, and the first time even further. */
  limitGrowth() {
    setFlagsFromString(`--heap-growing-percent=${growthPercent}`);
  },

  schedule(delayMs, callback) {
    setTimeout(callback, delayMs).unref();
  },
};

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
/** Time from a collection to a second one, after which live objects lie on fewer pages. */
const againMs = 1_000;
/** Time without a new connection after which a burst counts as over. */
const burstEndMs = 1_000;

/**
 * Returns a function to call for each engine that is opened. Handshakes and logins leave tens of megabytes of garbage, which V8 would
 * keep until the heap grows again. So memory is released after each burst. Growth is limited soon after the first engine, with a
 * collection: earlier, the flag would keep Node from using the cached code of Baileys.
 */
export function createConnectRelief(heap: Heap = processHeap): () => void {
  let isLimited = false;
  let connections = 0;
  let isRecent = false;
  let isScheduled = false;
  const relieve = () => {
    if (!isLimited) {
      isLimited = true;
      heap.limitGrowth();
      // V8 computes the limit at the end of a collection. Without one now, the heap would first grow to twice of what it needs.
      heap.release();
    }
    if (isRecent) {
      wait();
      return;
    }
    isScheduled = false;
    if (connections < minConnections) return;
    connections = 0;
    heap.release();
    heap.schedule(againMs, heap.release);
  };
  const wait = () => {
    isRecent = false;
    heap.schedule(burstEndMs, relieve);
  };
  return () => {
    connections += 1;
    isRecent = true;
    if (isScheduled) return;
    isScheduled = true;
    wait();
  };
}

/** Readings of a process. */
export interface Usage {
  /** Returns the CPU time that the process has used, ms. */
  cpuMs(): number;
  /** Returns its resident memory, bytes. */
  rssBytes(): number;
}

const processUsage: Usage = {
  cpuMs() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  },
  rssBytes: () => process.memoryUsage.rss(),
};

/** Time from the start to the first look at whether the process rests. */
const firstLookMs = 1_000;
const lookIntervalMs = 3_000;
/** CPU time between two looks up to which a process rests. */
const restingCpuMs = 60;
/** Growth since the last rest that is worth a collection: less comes from timers alone. */
const worthwhileGrowth = { bytes: 3_145_728, share: 0.05 };

/**
 * Releases memory each time the process comes to rest and has grown: what it loaded and compiled to start, or to answer some calls, leaves
 * garbage that V8 keeps until the heap has grown much further. Returns the function that ends it.
 */
export function startRestRelief(
  heap: Pick<Heap, "release" | "schedule"> = processHeap,
  usage = processUsage,
): () => void {
  let isStopped = false;
  let cpuMs = usage.cpuMs();
  /** Memory after the last release; undefined until it can be read. */
  let restingBytes: number | undefined = 0;
  const releaseIfWorthwhile = () => {
    const bytes = usage.rssBytes();
    restingBytes ??= bytes;
    if (bytes - restingBytes < Math.max(worthwhileGrowth.bytes, restingBytes * worthwhileGrowth.share)) return;
    restingBytes = undefined;
    heap.release();
    heap.schedule(againMs, heap.release);
  };
  const look = () => {
    if (isStopped) return;
    const usedMs = usage.cpuMs() - cpuMs;
    cpuMs += usedMs;
    if (usedMs <= restingCpuMs) releaseIfWorthwhile();
    heap.schedule(lookIntervalMs, look);
  };
  heap.schedule(firstLookMs, look);
  return () => {
    isStopped = true;
  };
}
