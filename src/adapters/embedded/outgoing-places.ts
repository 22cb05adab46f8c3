import type { OutgoingMessage } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Lease } from "../../ports/sessions.ts";

/** Reads of a session's outgoing messages, as a backend offers them. */
export interface OutgoingReads {
  byId(session: string, id: string): Promise<OutgoingMessage | undefined>;
  byKey(session: string, keyHash: Uint8Array): Promise<OutgoingMessage | undefined>;
  /** Returns the place of the message accepted last; 0 if there is none. */
  lastPlace(session: string): Promise<bigint>;
}

/** Acceptances under one lease. */
interface Places {
  /** Resolves when the acceptance before is written. */
  tail: Promise<unknown>;
  /** Undefined before the first one. */
  last: bigint | undefined;
}

/** Accepts the messages of each session one after another, so that none is accepted twice and each has a place of its own. */
export class OutgoingPlaces {
  readonly #reads: OutgoingReads;
  readonly #byLease = new WeakMap<Lease, Places>();

  constructor(reads: OutgoingReads) {
    this.#reads = reads;
  }

  /** See OutgoingStore.accept. `write` writes the message with its place. */
  accept(
    lease: Lease,
    { message, isNewId }: { readonly message: OutgoingMessage; readonly isNewId: boolean },
    write: (message: OutgoingMessage) => Promise<unknown>,
  ): Promise<{ message: OutgoingMessage; isNew: boolean }> {
    const places: Places = this.#byLease.get(lease) ?? { tail: Promise.resolve(), last: undefined };
    this.#byLease.set(lease, places);
    const accepted = places.tail.then(async () => {
      const known = await this.#known(lease.session, message, isNewId);
      if (known) return { message: known, isNew: false };
      const last = places.last ?? (await this.#reads.lastPlace(lease.session));
      const placed = { ...message, place: last + 1n };
      await write(placed);
      places.last = placed.place;
      return { message: placed, isNew: true };
    });
    places.tail = accepted.catch(() => {});
    return accepted;
  }

  async #known(
    session: string,
    { id, keyHash }: OutgoingMessage,
    isNewId: boolean,
  ): Promise<OutgoingMessage | undefined> {
    const byKey = keyHash.length > 0 ? await this.#reads.byKey(session, keyHash) : undefined;
    return byKey ?? (isNewId ? undefined : this.#reads.byId(session, id));
  }
}
