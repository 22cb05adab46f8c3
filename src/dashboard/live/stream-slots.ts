import { baseUrl } from "../base-url.ts";
import { createElection } from "./election.ts";

/**
 * Streams that the views of all tabs together may hold over HTTP/1.1, where a browser has six connections to a server. One of the others is
 * the stream of statuses; two are left for calls.
 */
const slotCount = 3;

const names = Array.from({ length: slotCount }, (_, index) => `sessiond-stream-${index} ${baseUrl}`);

/**
 * Runs `work` while this tab has a slot, with a signal that aborts when the tab loses it or when `signal` aborts. Calls `onWait` while all
 * slots are taken. Resolves after `work` has ended by itself, or after `signal` has aborted.
 */
export async function withStreamSlot(
  signal: AbortSignal,
  onWait: () => void,
  work: (held: AbortSignal) => Promise<void>,
): Promise<void> {
  if (isMultiplexed()) return await work(signal);
  const done = new AbortController();
  const waiting = setTimeout(onWait, 500);
  try {
    while (!signal.aborted && !done.signal.aborted) {
      await raceForSlot(AbortSignal.any([signal, done.signal]), async (held) => {
        clearTimeout(waiting);
        await work(held);
        // The slot is given back. After the loss of a slot the tab waits for another one.
        if (!held.aborted) done.abort();
      });
    }
  } finally {
    clearTimeout(waiting);
  }
}

/** Waits for all slots at once, and takes the first that is free. Resolves when it is lost or given back, or when the signal aborts. */
async function raceForSlot(signal: AbortSignal, work: (held: AbortSignal) => Promise<void>): Promise<void> {
  const candidates = names.map((name) => ({ election: createElection(name), leaving: new AbortController() }));
  let isTaken = false;
  await Promise.all(
    candidates.map(({ election, leaving }) =>
      election.lead(AbortSignal.any([signal, leaving.signal]), async (held) => {
        if (isTaken) return;
        isTaken = true;
        for (const other of candidates) if (other.leaving !== leaving) other.leaving.abort();
        await work(held);
        leaving.abort();
      }),
    ),
  );
}

/** Returns true if the page came by HTTP/2 or 3, whose connections carry many streams. */
function isMultiplexed(): boolean {
  const [page] = performance.getEntriesByType("navigation");
  return page instanceof PerformanceNavigationTiming && /^h[23]/.test(page.nextHopProtocol);
}
