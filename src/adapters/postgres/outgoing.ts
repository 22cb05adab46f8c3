import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type OutgoingMessage, OutgoingMessageSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import { isUnsent } from "../../domain/outgoing.ts";
import type { NewEvent } from "../../ports/outbox.ts";
import type { OutgoingChange, OutgoingQuery, OutgoingStore } from "../../ports/outgoing.ts";
import type { Lease } from "../../ports/sessions.ts";
import { changeByAppending } from "../embedded/change.ts";
import { OutgoingPlaces } from "../embedded/outgoing-places.ts";
import type { SessionJournal } from "./session-journal.ts";
import type { Parameter } from "./store/connection.ts";
import type { OpenStore } from "./store/opening.ts";
import type { Operation } from "./store/operation.ts";
import { toStoredText } from "./store/text.ts";

/** Number of messages that are read at a time. */
const pageSize = 100;

interface Row extends Record<string, unknown> {
  readonly place: bigint;
  readonly value: Buffer;
}

/** Outgoing messages in the database. */
export class PostgresOutgoing implements OutgoingStore {
  readonly #store: Pick<OpenStore, "reads" | "values" | "endpoints">;
  readonly #journal: SessionJournal;
  readonly #places: OutgoingPlaces;

  constructor(store: OpenStore, journal: SessionJournal) {
    this.#store = store;
    this.#journal = journal;
    this.#places = new OutgoingPlaces({
      byId: (session, id) => this.get(session, id),
      byKey: (session, keyHash) => this.getByKey(session, keyHash),
      lastPlace: async (session) => {
        const [row] = await store.reads.query<{ last: bigint | null }>(
          "SELECT max(place) AS last FROM sessiond.outgoing WHERE session = $1",
          [toStoredText(session)],
        );
        return row?.last ?? 0n;
      },
    });
  }

  accept(
    lease: Lease,
    message: OutgoingMessage,
    { isNewId = false } = {},
  ): Promise<{ message: OutgoingMessage; isNew: boolean }> {
    return this.#places.accept(lease, { message, isNewId }, async (placed) => {
      await this.#write(lease, [placed], []);
      this.#journal.retention.added("sent", lease.session, 1);
    });
  }

  write(lease: Lease, { messages, events = [] }: OutgoingChange): Promise<Event[]> {
    return this.#write(lease, messages, events);
  }

  get(session: string, id: string): Promise<OutgoingMessage | undefined> {
    return this.#one(session, "id = $2", toStoredText(id));
  }

  getByKey(session: string, keyHash: Uint8Array): Promise<OutgoingMessage | undefined> {
    return this.#one(session, "key_hash = $2", keyHash);
  }

  async list(session: string, { states, chatId, before, limit }: OutgoingQuery): Promise<OutgoingMessage[]> {
    const found: OutgoingMessage[] = [];
    const conditions = [
      "place < coalesce($2::bigint, 9223372036854775807)",
      ...(states ? ["state = ANY ($3::bigint[])"] : []),
    ];
    let from: bigint | null = before ?? null;
    while (found.length < limit) {
      const values: Parameter[] = [from, ...(states ? [states.map(BigInt)] : [])];
      const page = await this.#read(session, conditions.join(" AND "), `place DESC LIMIT ${pageSize}`, ...values);
      for (const message of page) {
        if ((chatId === undefined || message.chatId === chatId) && found.length < limit) found.push(message);
      }
      const last = page.at(-1);
      if (!last || page.length < pageSize) break;
      from = last.place;
    }
    return found;
  }

  unsent(session: string): Promise<OutgoingMessage[]> {
    return this.#read(session, "is_unsent", "place");
  }

  #write(lease: Lease, messages: readonly OutgoingMessage[], events: readonly NewEvent[]): Promise<Event[]> {
    const { session } = lease;
    return this.#journal.write(lease, {
      operations: () => messages.map((message) => operationOf(session, message)),
      change: (afterSeq) => changeByAppending(session, events, this.#store.endpoints, afterSeq),
      written: () => {},
    });
  }

  async #one(session: string, condition: string, value: Parameter): Promise<OutgoingMessage | undefined> {
    const [message] = await this.#read(session, condition, "place", value);
    return message;
  }

  async #read(
    session: string,
    condition: string,
    order: string,
    ...values: readonly Parameter[]
  ): Promise<OutgoingMessage[]> {
    const rows = await this.#store.reads.query<Row>(
      `SELECT place, value FROM sessiond.outgoing WHERE session = $1 AND ${condition} ORDER BY ${order}`,
      [toStoredText(session), ...values],
    );
    return rows.map(({ place, value }) =>
      fromBinary(OutgoingMessageSchema, this.#store.values.open(value, "outgoing", session, place)),
    );
  }
}

const operationOf = (session: string, message: OutgoingMessage): Operation => ({
  type: "outgoing",
  session,
  place: message.place,
  id: message.id,
  keyHash: message.keyHash,
  state: message.state,
  isUnsent: isUnsent(message.state),
  wallMs: message.acceptedAt ? timestampMs(message.acceptedAt) : 0,
  value: toBinary(OutgoingMessageSchema, message),
});
