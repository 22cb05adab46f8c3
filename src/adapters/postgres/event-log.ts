import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import type { EventLog } from "../../ports/event-log.ts";
import type { PostgresConsumers } from "./consumers.ts";
import type { SessionJournal } from "./session-journal.ts";
import type { OpenStore } from "./store/opening.ts";

/** The log of events in the database, and its named readers. */
export class PostgresEventLog implements EventLog {
  readonly #store: OpenStore;
  readonly #journal: SessionJournal;
  readonly #consumers: PostgresConsumers;

  constructor(store: OpenStore, journal: SessionJournal, consumers: PostgresConsumers) {
    this.#store = store;
    this.#journal = journal;
    this.#consumers = consumers;
  }

  events(
    session: string | undefined,
    afterSeq: bigint,
    signal: AbortSignal,
    throughSeq?: bigint,
  ): AsyncIterable<Event> {
    const { readers, events } = this.#journal;
    return readers.events(session, afterSeq, signal, throughSeq, {
      page: (cursor) => events.page(session, cursor, this.#journal.lastSeq),
      oldestSeq: () => this.#store.trimmed.oldestSeq(session),
    });
  }

  async latest(session: string, beforeSeq: bigint, limit: number): Promise<Event[]> {
    const endSeq = this.#journal.lastSeq + 1n;
    return this.#journal.events.latest(session, beforeSeq < endSeq ? beforeSeq : endSeq, limit);
  }

  async lastSeq(): Promise<bigint> {
    const { solitude, tail } = this.#journal;
    if (!solitude.holds) await tail.follow();
    return this.#journal.lastSeq;
  }

  seenSeq(): bigint {
    return this.#journal.lastSeq;
  }

  async oldestSeq(session: string | undefined): Promise<bigint> {
    if (!this.#journal.solitude.holds) return this.#journal.events.oldestSeq(session);
    return this.#store.trimmed.oldestSeq(session);
  }

  acknowledge(consumer: string, cursor: bigint): Promise<bigint> {
    return this.#consumers.acknowledge(consumer, cursor);
  }

  acknowledged(consumer: string): Promise<bigint | undefined> {
    return this.#consumers.acknowledged(consumer);
  }
}
