import { type Heap, processHeap } from "./heap.ts";

/** Returns the memory of this process. */
export function processMemory(): { rssBytes: number; heapUsedBytes: number } {
  const { rss: rssBytes, heapUsed: heapUsedBytes } = process.memoryUsage();
  return { rssBytes, heapUsedBytes };
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

/** Memory that is worth a collection, whose time grows with all that lives. Less comes from timers alone. */
const worthwhile = { bytes: 3_145_728, share: 0.1 };

function isWorthwhile(bytes: number, ofBytes: number): boolean {
  return bytes >= Math.max(worthwhile.bytes, ofBytes * worthwhile.share);
}

/** Time from a collection to the next one that brings live objects together on fewer pages. */
const againMs = 1_000;

/** Fewer streams are not worth a collection, and do not make one long. */
const minStreams = 1_000;
/** Clients that were cut off have come back by then. */
const reliefDelayMs = 5_000;
/** Time between two looks at a number of streams that still changes by more than this share. */
const settling = { lookMs: 1_000, share: 0.05 };

/**
 * Returns an observer of the number of open streams. It releases memory once many have been opened, or most of many have ended. While there
 * are many, the heap may grow: a collection that marks all that they hold delays what they send.
 */
export function createStreamRelief(
  heap: Pick<Heap, "release" | "allowGrowth" | "schedule"> = processHeap,
): (open: number) => void {
  let openNow = 0;
  /** Number at the last release, and the largest one since. */
  let released = 0;
  let peak = 0;
  /** Set while many streams are open. */
  let endGrowth: (() => void) | undefined;
  let isScheduled = false;
  const isDue = () => {
    const haveManyBegun = openNow >= released + minStreams && openNow >= released * 1.5;
    const haveMostEnded = peak >= minStreams && openNow <= peak / 2;
    return haveManyBegun || haveMostEnded;
  };
  const limitGrowth = () => {
    if (openNow >= minStreams) {
      endGrowth ??= heap.allowGrowth();
    } else if (openNow <= minStreams / 2) {
      endGrowth?.();
      endGrowth = undefined;
    }
  };
  const relieveAfter = (delayMs: number, seen: number) => {
    isScheduled = true;
    heap.schedule(delayMs, () => {
      isScheduled = false;
      if (!isDue()) return;
      if (Math.abs(openNow - seen) > openNow * settling.share) return relieveAfter(settling.lookMs, openNow);
      released = peak = openNow;
      heap.release();
      if (openNow < minStreams) heap.schedule(againMs, heap.release);
    });
  };
  return (open) => {
    openNow = open;
    peak = Math.max(peak, open);
    limitGrowth();
    if (!isScheduled && isDue()) relieveAfter(reliefDelayMs, open);
  };
}

/** Fewer connections leave too little behind for a collection. */
const minConnections = 10;
/** Garbage that a handshake and a login leave behind, roughly. */
const connectionBytes = 400_000;
/** Connections in one look that make a mass start. The connect gate's default admits fewer. */
const massStart = 75;
/** Time without a new connection after which a burst counts as over, and between two looks at it. */
const burstEndMs = 1_000;
/** Collections after a burst. */
const releases = { usual: 2, massStart: 4 };

/**
 * Returns a function to call for each engine that is opened. Handshakes and logins leave tens of megabytes of garbage, which V8 would
 * keep until the heap grows again. So memory is released after each burst. Growth is limited soon after the first engine, with a
 * collection: earlier, the flag would keep Node from using the cached code of Baileys.
 */
export function createConnectRelief(
  heap: Omit<Heap, "releases"> = processHeap,
  usage: Pick<Usage, "rssBytes"> = processUsage,
): () => void {
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
    if (connections < minConnections || !isWorthwhile(connections * connectionBytes, usage.rssBytes())) return;
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
export function createSendRelief(heap: Omit<Heap, "releases"> = processHeap): () => void {
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

/** Time from the start to the first look at whether the process rests. */
const firstLookMs = 1_000;
const lookIntervalMs = 3_000;
/** CPU time between two looks up to which a process rests. */
const restingCpuMs = 60;

/**
 * Releases memory each time the process comes to rest and has grown: what it loaded and compiled to start, or to answer some calls, leaves
 * garbage that V8 keeps until the heap has grown much further. Returns the function that ends it.
 */
export function startRestRelief(
  heap: Pick<Heap, "release" | "releases" | "schedule"> = processHeap,
  usage = processUsage,
): () => void {
  let isStopped = false;
  let cpuMs = usage.cpuMs();
  /** Memory at the first rest after the last release. The first rest is always worth one. */
  let restingBytes: number | undefined = 0;
  let releases: number | undefined;
  const releaseIfWorthwhile = () => {
    const bytes = usage.rssBytes();
    // Others have released memory meanwhile.
    if (releases !== undefined && heap.releases !== releases) restingBytes = undefined;
    restingBytes ??= bytes;
    releases = heap.releases;
    if (!isWorthwhile(bytes - restingBytes, restingBytes)) return;
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
