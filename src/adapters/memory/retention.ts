import { timestampMs } from "@bufbuild/protobuf/wkt";
import { WebhookDelivery_State as State } from "../../../gen/sessiond/v1/webhook_pb.js";
import { stateOf } from "../../domain/delivery.ts";
import type { Limits, Retention } from "../../ports/upkeep.ts";
import type { EventWindow } from "../embedded/event-window.ts";
import type { Trimmed } from "../embedded/trimmed.ts";
import type { MemoryDeliveryStore } from "./delivery-store.ts";

/** Trims events and settled deliveries of some sessions; returns the number of entries removed. */
export function trim(
  sessions: Iterable<string>,
  retention: Retention,
  nowMs: number,
  kept: { log: EventWindow; trimmed: Trimmed; deliveries: MemoryDeliveryStore },
): number {
  let removed = 0;
  for (const session of sessions) {
    const events = kept.log.of(session);
    const excess = excessOf(events.toReversed(), retention.events, nowMs, ({ time }) => time);
    const last = excess[0];
    if (last) {
      kept.trimmed.mark(session, last.seq);
      kept.log.dropThrough(session, last.seq);
    }
    removed += excess.length;
    for (const [state, limits] of [
      [State.DELIVERED, retention.delivered],
      [State.FAILED, retention.failed],
    ] as const) {
      const settled = kept.deliveries.settled(session).filter((delivery) => stateOf(delivery) === state);
      const going = new Set(excessOf(settled, limits, nowMs, ({ settledAt }) => settledAt));
      removed += kept.deliveries.forget(session, (delivery) => going.has(delivery));
    }
  }
  return removed;
}

/** Returns the entries, newest first, that exceed the limits. */
export function excessOf<T>(
  entries: readonly T[],
  { maxCount, maxAgeMs }: Limits,
  nowMs: number,
  timeOf: (entry: T) => Parameters<typeof timestampMs>[0] | undefined,
): T[] {
  return entries.filter((entry, index) => {
    const time = timeOf(entry);
    return index >= maxCount || (time ? timestampMs(time) : 0) < nowMs - maxAgeMs;
  });
}
