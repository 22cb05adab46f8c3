import { setFlagsFromString } from "node:v8";

/**
 * Growth of the heap over what was in use after the last collection, at which V8 collects again, in percent. Most of what a mass start
 * allocates stays, so that each collection would only mark it again.
 */
const growth = { usual: 25, massStart: 100 };
/** More than the 64 MB of memory outside of the heap at which V8 begins a collection. */
const pressureBytes = 65 * 1_048_576;

/** The heap of a process, and a timer. */
export interface Heap {
  /** Begins to return unused memory to the system. */
  release(): void;
  /** Collects from now on when the heap has grown by this much, so that less garbage lies in memory. */
  limitGrowth(percent: number): void;
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
  limitGrowth(percent) {
    setFlagsFromString(`--heap-growing-percent=${percent}`);
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

/** Time from a collection to the next one that brings live objects together on fewer pages. */
const againMs = 1_000;

/** Fewer connections leave too little behind for a collection. */
const minConnections = 10;
/** Connections in one look that make a mass start. The connect gate's default admits fewer. */
const massStart = 50;
/** Time without a new connection after which a burst counts as over, and between two looks at it. */
const burstEndMs = 1_000;
/** Collections after a burst. */
const releases = { usual: 2, massStart: 8 };

/**
 * Returns a function to call for each engine that is opened. Handshakes and logins leave tens of megabytes of garbage, which V8 would
 * keep until the heap grows again. So memory is released after each burst. Growth is limited soon after the first engine, with a
 * collection: earlier, the flag would keep Node from using the cached code of Baileys.
 */
export function createConnectRelief(heap: Heap = processHeap): () => void {
  let growthNow: number | undefined;
  /** Connections of the burst, and those since the last look. */
  let connections = 0;
  let recent = 0;
  let isMassStart = false;
  let isScheduled = false;
  const limitGrowth = (percent: number) => {
    if (percent === growthNow) return;
    heap.limitGrowth(percent);
    // V8 computes the limit at the end of a collection. Without one now, the heap would first grow to twice of what it needs.
    if (growthNow === undefined) heap.release();
    growthNow = percent;
  };
  const release = (times: number) => {
    heap.release();
    if (times > 1) heap.schedule(againMs, () => release(times - 1));
  };
  const look = () => {
    if (recent >= massStart) isMassStart = true;
    const isOver = recent === 0;
    limitGrowth(isMassStart && !isOver ? growth.massStart : growth.usual);
    if (!isOver) return wait();
    isScheduled = false;
    if (connections < minConnections) return;
    release(isMassStart ? releases.massStart : releases.usual);
    connections = 0;
    isMassStart = false;
  };
  const wait = () => {
    recent = 0;
    heap.schedule(burstEndMs, look);
  };
  return () => {
    connections += 1;
    recent += 1;
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
