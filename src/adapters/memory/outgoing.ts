import { clone } from "@bufbuild/protobuf";
import { type OutgoingMessage, OutgoingMessageSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import { isUnsent } from "../../domain/outgoing.ts";
import type { OutgoingChange, OutgoingQuery, OutgoingStore } from "../../ports/outgoing.ts";
import type { Lease } from "../../ports/sessions.ts";
import type { Limits } from "../../ports/upkeep.ts";
import { OutgoingPlaces } from "../embedded/outgoing-places.ts";
import type { MemoryJournal } from "./journal.ts";
import { excessOf } from "./retention.ts";

/** Outgoing messages, in maps by place. */
export class MemoryOutgoing implements OutgoingStore {
  readonly #journal: MemoryJournal;
  readonly #messages = new Map<string, Map<bigint, OutgoingMessage>>();
  readonly #places: OutgoingPlaces;

  constructor(journal: MemoryJournal) {
    this.#journal = journal;
    this.#places = new OutgoingPlaces({
      byId: (session, id) => this.get(session, id),
      byKey: (session, keyHash) => this.getByKey(session, keyHash),
      lastPlace: async (session) => this.#newestFirst(session)[0]?.place ?? 0n,
    });
  }

  accept(
    lease: Lease,
    message: OutgoingMessage,
    { isNewId = false } = {},
  ): Promise<{ message: OutgoingMessage; isNew: boolean }> {
    return this.#places.accept(lease, { message, isNewId }, (placed) => this.write(lease, { messages: [placed] }));
  }

  async write(lease: Lease, { messages, events = [] }: OutgoingChange): Promise<Event[]> {
    this.#journal.assertOpen();
    this.#journal.ownership.check(lease);
    const stored = this.#messages.get(lease.session) ?? new Map<bigint, OutgoingMessage>();
    this.#messages.set(lease.session, stored);
    for (const message of messages) stored.set(message.place, clone(OutgoingMessageSchema, message));
    return this.#journal.append(lease.session, events);
  }

  async get(session: string, id: string): Promise<OutgoingMessage | undefined> {
    return this.#newestFirst(session).find((message) => message.id === id);
  }

  async getByKey(session: string, keyHash: Uint8Array): Promise<OutgoingMessage | undefined> {
    return this.#newestFirst(session).find((message) => Buffer.compare(message.keyHash, keyHash) === 0);
  }

  async list(session: string, { states, chatId, before, limit }: OutgoingQuery): Promise<OutgoingMessage[]> {
    return this.#newestFirst(session)
      .filter((message) => before === undefined || message.place < before)
      .filter((message) => !states || states.includes(message.state))
      .filter((message) => chatId === undefined || message.chatId === chatId)
      .slice(0, limit);
  }

  async unsent(session: string): Promise<OutgoingMessage[]> {
    return this.#newestFirst(session)
      .filter(({ state }) => isUnsent(state))
      .reverse();
  }

  /** Removes finished messages that exceed limits; returns their number. */
  trim(limits: Limits, nowMs: number): number {
    let removed = 0;
    for (const [session, stored] of this.#messages) {
      const finished = this.#newestFirst(session).filter(({ state }) => !isUnsent(state));
      const excess = excessOf(finished, limits, nowMs, ({ acceptedAt }) => acceptedAt);
      for (const { place } of excess) stored.delete(place);
      removed += excess.length;
    }
    return removed;
  }

  /** Removes the messages of a session. */
  forget(session: string): void {
    this.#messages.delete(session);
  }

  #newestFirst(session: string): OutgoingMessage[] {
    const stored = [...(this.#messages.get(session)?.values() ?? [])];
    return stored.sort((a, b) => Number(b.place - a.place)).map((one) => clone(OutgoingMessageSchema, one));
  }
}
