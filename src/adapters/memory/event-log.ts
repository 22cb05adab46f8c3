import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import type { EventLog } from "../../ports/event-log.ts";
import type { MemoryJournal } from "./journal.ts";

/** The log of events and the cursors of its named readers, in memory. */
export class MemoryEventLog implements EventLog {
  readonly #journal: MemoryJournal;
  readonly #consumers = new Map<string, bigint>();

  constructor(journal: MemoryJournal) {
    this.#journal = journal;
  }

  events(
    session: string | undefined,
    afterSeq: bigint,
    signal: AbortSignal,
    throughSeq?: bigint,
  ): AsyncIterable<Event> {
    const { readers, log, trimmed } = this.#journal;
    return readers.events(session, afterSeq, signal, throughSeq, {
      page: async (cursor) => log.page(session, cursor),
      oldestSeq: () => trimmed.oldestSeq(session),
    });
  }

  async latest(session: string, beforeSeq: bigint, limit: number): Promise<Event[]> {
    const events = this.#journal.log.of(session).filter(({ seq }) => seq < beforeSeq);
    return events.slice(-limit).reverse();
  }

  async lastSeq(): Promise<bigint> {
    return this.#journal.lastSeq;
  }

  seenSeq(): bigint {
    return this.#journal.lastSeq;
  }

  async oldestSeq(session: string | undefined): Promise<bigint> {
    return this.#journal.trimmed.oldestSeq(session);
  }

  async acknowledge(consumer: string, cursor: bigint): Promise<bigint> {
    this.#journal.assertOpen();
    const stored = this.#consumers.get(consumer);
    const furthest = stored !== undefined && stored > cursor ? stored : cursor;
    this.#consumers.set(consumer, furthest);
    return furthest;
  }

  async acknowledged(consumer: string): Promise<bigint | undefined> {
    this.#journal.assertOpen();
    return this.#consumers.get(consumer);
  }
}
