import { fromBinary } from "@bufbuild/protobuf";
import { type OutgoingMessage, OutgoingMessageSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import type { NewEvent } from "../../ports/outbox.ts";
import type { OutgoingChange, OutgoingQuery, OutgoingStore } from "../../ports/outgoing.ts";
import type { Lease } from "../../ports/sessions.ts";
import { changeByAppending } from "../embedded/change.ts";
import { OutgoingPlaces } from "../embedded/outgoing-places.ts";
import { hashPart, outgoingAdditions, outgoingWrites } from "./outgoing-entries.ts";
import type { SessionJournal } from "./session-journal.ts";
import type { Database, Operation } from "./store/database.ts";
import { keyOf, numberOf, partsOf, rangeOf } from "./store/key.ts";
import type { OpenStore } from "./store/opening.ts";

/** Number of messages that are read at a time. */
const pageSize = 100;

/** Outgoing messages in the store, by session and place, with indexes of their ids, keys and of those that are unsent. */
export class LevelOutgoing implements OutgoingStore {
  readonly #store: Pick<OpenStore, "database" | "endpoints">;
  readonly #journal: SessionJournal;
  readonly #places: OutgoingPlaces;

  constructor(store: OpenStore, journal: SessionJournal) {
    this.#store = store;
    this.#journal = journal;
    this.#places = new OutgoingPlaces({
      byId: (session, id) => this.get(session, id),
      byKey: (session, keyHash) => this.getByKey(session, keyHash),
      lastPlace: async (session) => {
        const [key] = await this.#database.keys({ ...rangeOf("outgoing", session), reverse: true, limit: 1 }).all();
        return key ? placeOf(key) : 0n;
      },
    });
  }

  get #database(): Database {
    return this.#store.database;
  }

  accept(
    lease: Lease,
    message: OutgoingMessage,
    { isNewId = false } = {},
  ): Promise<{ message: OutgoingMessage; isNew: boolean }> {
    return this.#places.accept(lease, { message, isNewId }, async (placed) => {
      await this.#write(lease, outgoingAdditions(lease.session, placed), []);
      this.#journal.retention.added("outgoing", lease.session, 1);
    });
  }

  write(lease: Lease, { messages, events = [] }: OutgoingChange): Promise<Event[]> {
    const operations = messages.flatMap((message) => outgoingWrites(lease.session, message));
    return this.#write(lease, operations, events);
  }

  get(session: string, id: string): Promise<OutgoingMessage | undefined> {
    return this.#indexed(session, keyOf("outgoingId", session, id));
  }

  getByKey(session: string, keyHash: Uint8Array): Promise<OutgoingMessage | undefined> {
    return this.#indexed(session, keyOf("outgoingKey", session, hashPart(keyHash)));
  }

  async list(session: string, { states, chatId, before, limit }: OutgoingQuery): Promise<OutgoingMessage[]> {
    const found: OutgoingMessage[] = [];
    const isWanted = (message: OutgoingMessage) =>
      (!states || states.includes(message.state)) && (chatId === undefined || message.chatId === chatId);
    let lt = before === undefined ? rangeOf("outgoing", session).lt : keyOf("outgoing", session, before);
    while (found.length < limit) {
      const range = { gte: rangeOf("outgoing", session).gte, lt, reverse: true, limit: pageSize };
      const page = await this.#database.entries(range);
      for (const [, value] of page) {
        const message = fromBinary(OutgoingMessageSchema, value);
        if (isWanted(message) && found.length < limit) found.push(message);
      }
      const last = page.at(-1);
      if (!last || page.length < pageSize) break;
      lt = last[0];
    }
    return found;
  }

  async unsent(session: string): Promise<OutgoingMessage[]> {
    const keys = await this.#database.keys(rangeOf("outgoingUnsent", session)).all();
    return this.#at(
      session,
      keys.map((key) => placeOf(key)),
    );
  }

  #write(lease: Lease, operations: readonly Operation[], events: readonly NewEvent[]): Promise<Event[]> {
    const { session } = lease;
    return this.#journal.write(lease, {
      operations: () => [...operations],
      change: (afterSeq) => changeByAppending(session, events, this.#store.endpoints, afterSeq),
      written: () => {},
    });
  }

  async #indexed(session: string, key: Uint8Array): Promise<OutgoingMessage | undefined> {
    const place = await this.#database.get(key);
    if (!place) return undefined;
    const [message] = await this.#at(session, [numberOf(place)]);
    return message;
  }

  async #at(session: string, places: readonly bigint[]): Promise<OutgoingMessage[]> {
    const values = await this.#database.getMany(places.map((place) => keyOf("outgoing", session, place)));
    return values.flatMap((value) => (value ? [fromBinary(OutgoingMessageSchema, value)] : []));
  }
}

const placeOf = (key: Uint8Array): bigint => partsOf(key, 1).numbers[0] ?? 0n;
