import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
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

/** The log after `afterSeq`, then what comes. The subscription is to what `readPage` reads; made when reading begins. */
export async function* followLog(
  subscribe: () => Subscription,
  readPage: (afterSeq: bigint) => Promise<LogPage>,
  afterSeq: bigint,
): AsyncGenerator<Event, void, void> {
  const subscription = subscribe();
  let cursor = afterSeq;
  try {
    while (!subscription.ended) {
      const page = await unlessEnded(subscription, () => readPage(cursor));
      for (const event of page?.events ?? []) {
        if (subscription.ended) return;
        yield event;
      }
      if (page && page.throughSeq > cursor) cursor = page.throughSeq;
      if (!page?.drained) continue;
      const newsSeq = await subscription.changed();
      // Nothing of this topic lies between what was read and what woke the reader.
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
