import type { OutgoingMessage } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../gen/sessiond/v1/event_pb.js";
import type { Outgoing_State } from "../../gen/sessiond/v1/outgoing_pb.js";
import type { NewEvent } from "./outbox.ts";
import type { Lease } from "./sessions.ts";

/** A change of a session's outgoing messages, in one write with the events that announce it. */
export interface OutgoingChange {
  /** Messages to write, each in place of the one with its id. */
  readonly messages: readonly OutgoingMessage[];
  readonly events?: readonly NewEvent[];
}

/** A filter on a session's outgoing messages. */
export interface OutgoingQuery {
  /** Only messages in these states; left out: all. */
  readonly states?: readonly Outgoing_State[];
  readonly chatId?: string;
  /** Only messages accepted before the one in this place. */
  readonly before?: bigint;
  readonly limit: number;
}

/**
 * Messages that sessions have sent or are to send. Only the owner of a session writes them. They are removed with the session, and
 * finished ones by `Upkeep.trim`.
 */
export interface OutgoingStore {
  /**
   * Writes a new message in the next place, unless its id, or its key, is stored already. Returns the stored message, and whether this
   * call has added it. `isNewId`: the id was made for this message, so it is not looked up. On disk when it resolves. Rejects with
   * LeaseLost.
   */
  accept(
    lease: Lease,
    message: OutgoingMessage,
    options?: { readonly isNewId?: boolean },
  ): Promise<{ message: OutgoingMessage; isNew: boolean }>;
  /** Writes messages and logs events; returns the events with their `seq`. On disk when it resolves. Rejects with LeaseLost. */
  write(lease: Lease, change: OutgoingChange): Promise<Event[]>;
  /** Returns one message; undefined if it is unknown. */
  get(session: string, id: string): Promise<OutgoingMessage | undefined>;
  /** Returns the message that was accepted with an idempotency key, by the hash of the key; undefined if there is none. */
  getByKey(session: string, keyHash: Uint8Array): Promise<OutgoingMessage | undefined>;
  /** Returns messages, the one accepted last first. */
  list(session: string, query: OutgoingQuery): Promise<OutgoingMessage[]>;
  /** Returns the messages that have not reached an end or WhatsApp's server, in the order in which they were accepted. */
  unsent(session: string): Promise<OutgoingMessage[]>;
}
