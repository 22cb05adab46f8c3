import { type Heap, processHeap } from "./heap.ts";

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
const releases = { usual: 2, massStart: 4 };

/**
 * Returns a function to call for each engine that is opened. Handshakes and logins leave tens of megabytes of garbage, which V8 would
 * keep until the heap grows again. So memory is released after each burst. Growth is limited soon after the first engine, with a
 * collection: earlier, the flag would keep Node from using the cached code of Baileys.
 */
export function createConnectRelief(heap: Heap = processHeap): () => void {
  let isLimited = false;
  /** Connections of the burst, and those since the last look. */
  let connections = 0;
  let recent = 0;
  /** Set during a mass start. */
  let endGrowth: (() => void) | undefined;
  let isScheduled = false;
  const release = (times: number) => {
    heap.release();
    if (times > 1) heap.schedule(againMs, () => release(times - 1));
  };
  const endBurst = () => {
    isScheduled = false;
    const times = endGrowth ? releases.massStart : releases.usual;
    endGrowth?.();
    endGrowth = undefined;
    if (connections < minConnections) return;
    connections = 0;
    release(times);
  };
  const look = () => {
    if (recent >= massStart) endGrowth ??= heap.allowGrowth();
    if (!isLimited) {
      isLimited = true;
      heap.limitGrowth();
      // V8 computes the limit at the end of a collection. Without one now, the heap would first grow to twice of what it needs.
      heap.release();
    }
    if (recent > 0) wait();
    else endBurst();
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

/** Messages in a second from which on collections are worth saving. */
const manySends = 50;
const sendsLookMs = 1_000;

/** Returns a function to call for each message that is sent. While there are many, the heap may grow. Memory is released afterwards. */
export function createSendRelief(heap: Heap = processHeap): () => void {
  let sends = 0;
  /** Set while many messages are sent. */
  let endGrowth: (() => void) | undefined;
  let isScheduled = false;
  const look = () => {
    const areMany = sends >= manySends;
    sends = 0;
    isScheduled = areMany;
    if (areMany) {
      endGrowth ??= heap.allowGrowth();
      heap.schedule(sendsLookMs, look);
    } else if (endGrowth) {
      endGrowth();
      endGrowth = undefined;
      heap.release();
    }
  };
  return () => {
    sends += 1;
    if (isScheduled) return;
    isScheduled = true;
    heap.schedule(sendsLookMs, look);
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
