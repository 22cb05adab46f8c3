import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import { type LogPage, pageSize } from "./followers.ts";

/** The newest events of the log, in memory, for all readers together. */
export class EventWindow {
  readonly #capacity: number;
  readonly #events: Event[] = [];
  #afterSeq: bigint;
  #throughSeq: bigint;

  /** Begins after `afterSeq` and holds at least the last `capacity` events. */
  constructor(afterSeq: bigint, capacity = Number.POSITIVE_INFINITY) {
    this.#afterSeq = afterSeq;
    this.#throughSeq = afterSeq;
    this.#capacity = capacity;
  }

  /** Takes in the next events of the log. */
  add(events: readonly Event[]): void {
    this.#events.push(...events);
    this.#throughSeq = events.at(-1)?.seq ?? this.#throughSeq;
    // Twice the room, so that moving the rest is rare.
    if (this.#events.length <= this.#capacity * 2) return;
    const dropped = this.#events.splice(0, this.#events.length - this.#capacity);
    this.#afterSeq = dropped.at(-1)?.seq ?? this.#afterSeq;
  }

  /** Forgets a session's events. */
  drop(session: string): void {
    this.#keep((event) => event.session !== session);
  }

  /** Names of all sessions with events. */
  get sessions(): Set<string> {
    return new Set(this.#events.map(({ session }) => session));
  }

  /** A session's events, oldest first. */
  of(session: string): Event[] {
    return this.#events.filter((event) => event.session === session);
  }

  /** Drops a session's events through `seq`. */
  dropThrough(session: string, seq: bigint): void {
    this.#keep((event) => event.session !== session || event.seq > seq);
  }

  /** Returns true if it has all that follows `afterSeq`. */
  covers(afterSeq: bigint): boolean {
    return afterSeq >= this.#afterSeq;
  }

  /** The page after `afterSeq`, of one session or of all; only where it covers that. */
  page(session: string | undefined, afterSeq: bigint): LogPage {
    const events: Event[] = [];
    for (let index = this.#indexAfter(afterSeq); index < this.#events.length; index += 1) {
      const event = this.#events[index];
      if (!event || (session !== undefined && event.session !== session)) continue;
      events.push(event);
      if (events.length === pageSize) return { events, throughSeq: event.seq, drained: false };
    }
    return { events, throughSeq: this.#throughSeq, drained: true };
  }

  #keep(keeps: (event: Event) => boolean): void {
    const kept = this.#events.filter(keeps);
    this.#events.length = 0;
    for (const event of kept) this.#events.push(event);
  }

  #indexAfter(seq: bigint): number {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const event = this.#events[middle];
      if (event && event.seq > seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
