import type { OutgoingMessage } from "../../../gen/sessiond/store/v1/store_pb.js";
import { Outgoing_State as State } from "../../../gen/sessiond/v1/outgoing_pb.js";
import { isUnsent } from "../../domain/outgoing.ts";
import type { NewEvent } from "../../ports/outbox.ts";
import type { OutgoingStore } from "../../ports/outgoing.ts";
import type { Lease } from "../../ports/sessions.ts";

/** Messages of a session that are remembered after their acknowledgement: the receipt of a phone mostly follows soon. */
const maxSent = 8;

/** Returns a message after a change; undefined to leave it as it is. */
export type Change = (message: OutgoingMessage) => OutgoingMessage | undefined;

/** Options of a book. */
export interface BookOptions {
  readonly store: OutgoingStore;
  readonly lease: Lease;
  /** Returns the events that announce a change. */
  events(before: OutgoingMessage, after: OutgoingMessage): readonly NewEvent[];
  /** Called after each change that is written. */
  changed(message: OutgoingMessage): void;
}

/** The outgoing messages of one session: changes of one message are written one after another, each with its events. */
export class OutgoingBook {
  readonly #options: BookOptions;
  /** Messages that are not finished, as they are in the store. */
  readonly #open = new Map<string, OutgoingMessage>();
  /** Messages that WhatsApp has acknowledged last and no phone has confirmed, as they are in the store, the oldest first. */
  readonly #sent = new Map<string, OutgoingMessage>();
  /** Changes that the next write of their message includes. */
  readonly #noted = new Map<string, Change>();
  /** The last change of each message that is under way. */
  readonly #tails = new Map<string, Promise<unknown>>();

  constructor(options: BookOptions) {
    this.#options = options;
  }

  /** Name of the session. */
  get session(): string {
    return this.#options.lease.session;
  }

  /** See OutgoingStore.accept. */
  async accept(message: OutgoingMessage, isNewId: boolean): Promise<{ message: OutgoingMessage; isNew: boolean }> {
    const { store, lease } = this.#options;
    const accepted = await store.accept(lease, message, { isNewId });
    if (accepted.isNew) this.#open.set(accepted.message.id, accepted.message);
    return accepted;
  }

  /** Reads the unsent messages, in the order of their acceptance. */
  async load(): Promise<OutgoingMessage[]> {
    const { store, lease } = this.#options;
    const unsent = await store.unsent(lease.session);
    for (const message of unsent) this.#open.set(message.id, message);
    return unsent;
  }

  /** Returns a message; undefined if the session has none with this id. */
  async get(id: string): Promise<OutgoingMessage | undefined> {
    const { store, lease } = this.#options;
    return this.#open.get(id) ?? this.#sent.get(id) ?? store.get(lease.session, id);
  }

  /** Returns a message with the change that its next write includes. */
  async present(id: string): Promise<OutgoingMessage | undefined> {
    const stored = await this.get(id);
    return (stored && this.#noted.get(id)?.(stored)) ?? stored;
  }

  /** Changes a message and logs the events of the change in one write. Returns it as it is afterwards; undefined if it is unknown. */
  change(id: string, change: Change): Promise<OutgoingMessage | undefined> {
    const changed = (this.#tails.get(id) ?? Promise.resolve()).then(() => this.#change(id, change));
    const tail = changed.catch(() => {});
    this.#tails.set(id, tail);
    void tail.then(() => {
      if (this.#tails.get(id) === tail) this.#tails.delete(id);
    });
    return changed;
  }

  /** Has the next call of `change` for a message include a change that is worth no write of its own. A crash before loses it. */
  note(id: string, change: Change): void {
    this.#noted.set(id, change);
  }

  /** Returns true if a message has left or ended, and no change of it is noted. */
  async isAnswered(id: string): Promise<boolean> {
    const message = await this.get(id);
    return message !== undefined && !isUnsent(message.state) && !this.#noted.has(id);
  }

  /** Ends the work on a message: only its receipts are still to come. */
  forget(id: string): void {
    const message = this.#open.get(id);
    this.#open.delete(id);
    this.#noted.delete(id);
    if (message?.state !== State.SENT) return;
    this.#sent.set(id, message);
    for (const oldest of this.#sent.keys()) {
      if (this.#sent.size <= maxSent) return;
      this.#sent.delete(oldest);
    }
  }

  async #change(id: string, change: Change): Promise<OutgoingMessage | undefined> {
    const { store, lease, events, changed } = this.#options;
    const before = await this.get(id);
    const noted = before && this.#noted.get(id)?.(before);
    const present = noted ?? before;
    const after = (present && change(present)) ?? noted;
    if (!before || !after) return before;
    await store.write(lease, { messages: [after], events: events(before, after) });
    if (noted) this.#noted.delete(id);
    if (this.#open.has(id)) this.#open.set(id, after);
    // Later receipts are rare.
    this.#sent.delete(id);
    changed(after);
    return after;
  }
}
