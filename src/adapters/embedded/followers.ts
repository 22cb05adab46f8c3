import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import { LogTrimmed } from "../../ports/event-log.ts";
import type { Subscription } from "./notifier.ts";

/** A stretch of the log. */
export interface LogPage {
  readonly events: readonly Event[];
  /** The log has been read up to here. */
  readonly throughSeq: bigint;
  /** Nothing is left after it for now. */
  readonly drained: boolean;
}

/** How many events a reader holds at most while it is slow. */
export const pageSize = 32;

/** A log as it is stored. */
export interface ReadableLog {
  page(afterSeq: bigint): Promise<LogPage>;
  /** Returns the `seq` from which on the log is complete, apart from removed sessions. */
  oldestSeq(): bigint;
}

/** Yields the log after `afterSeq`, then new events, up to `throughSeq`. The subscription is to the topic that `log` reads. */
export async function* followLog(
  subscribe: () => Subscription,
  log: ReadableLog,
  afterSeq: bigint,
  throughSeq: bigint | undefined,
): AsyncGenerator<Event, void, void> {
  const subscription = subscribe();
  let cursor = afterSeq;
  try {
    while (!subscription.ended) {
      const page = await unlessEnded(subscription, () => log.page(cursor));
      // Asked after reading: events trimmed during the read are missing in the page.
      if (page && log.oldestSeq() > cursor + 1n) throw new LogTrimmed(log.oldestSeq());
      for (const event of page?.events ?? []) {
        if (subscription.ended || (throughSeq !== undefined && event.seq > throughSeq)) return;
        yield event;
      }
      if (page && page.throughSeq > cursor) cursor = page.throughSeq;
      if (throughSeq !== undefined && (page?.drained || cursor >= throughSeq)) return;
      if (!page?.drained) continue;
      const newsSeq = await subscription.changed();
      // No event of this topic lies between the last one read and the one that woke the reader.
      if (newsSeq !== undefined && newsSeq - 1n > cursor) cursor = newsSeq - 1n;
    }
  } finally {
    subscription.end();
  }
}

/** The value now, then after each change; changes while the reader is busy become one. */
export async function* followLatest<T>(
  subscribe: () => Subscription,
  read: () => Promise<T>,
): AsyncGenerator<T, void, void> {
  const subscription = subscribe();
  try {
    while (!subscription.ended) {
      subscription.clear();
      const value = await unlessEnded(subscription, read);
      if (value === undefined || subscription.ended) return;
      yield value;
      await subscription.changed();
    }
  } finally {
    subscription.end();
  }
}

/** A read that the end overtakes is no failure. */
async function unlessEnded<T>(subscription: Subscription, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (subscription.ended) return undefined;
    throw error;
  }
}
