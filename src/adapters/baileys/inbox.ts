import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type MessagePayload, MessagePayloadSchema } from "../../../gen/sessiond/v1/event_pb.js";
import type { Credentials } from "../../ports/engine.ts";
import { readStored } from "./stored-login.ts";

/** What is to be written, with the ratchet that the message has turned. */
export type InboxChanges = ReadonlyMap<string, Uint8Array | null>;

/** A message that is kept, and its place in line. */
export interface Kept {
  readonly place: number;
  readonly message: MessagePayload;
}

const rangeKey = "inbox";
const messageKey = (place: number) => `inbox:${place}`;

/**
 * Messages that were decrypted and not yet committed as events. WhatsApp sends a message until it is acknowledged, but it can be
 * decrypted only once: so what it says is kept in the same write as the ratchet it has turned, until somebody has taken it.
 */
export class Inbox {
  #first: number;
  #next: number;
  #waiting: { readonly place: number; readonly resolve: () => void }[] = [];

  /** Use `open`. */
  constructor(first: number, next: number) {
    this.#first = first;
    this.#next = next;
  }

  /** Reads what an engine before has left, oldest first. */
  static async open(credentials: Credentials): Promise<{ inbox: Inbox; left: Kept[] }> {
    const [range] = await readStored(credentials, [rangeKey]);
    const { first, next } = rangeOf(range);
    const places = Array.from({ length: next - first }, (_, i) => first + i);
    const stored = places.length > 0 ? await readStored(credentials, places.map(messageKey)) : [];
    const left = places.flatMap((place, i) => {
      const bytes = stored[i];
      return bytes ? [{ place, message: fromBinary(MessagePayloadSchema, bytes) }] : [];
    });
    return { inbox: new Inbox(first, next), left };
  }

  get isEmpty(): boolean {
    return this.#first === this.#next;
  }

  /** Takes messages in. */
  add(messages: readonly MessagePayload[]): { kept: Kept[]; changes: InboxChanges } {
    const kept = messages.map((message, i) => ({ place: this.#next + i, message }));
    this.#next += kept.length;
    const bytes = kept.map(
      ({ place, message }) => [messageKey(place), toBinary(MessagePayloadSchema, message)] as const,
    );
    return { kept, changes: new Map([...bytes, this.#range()]) };
  }

  /** Lets go of a message, and of those before it: they are committed. */
  done(place: number): InboxChanges {
    const changes = new Map<string, Uint8Array | null>();
    for (; this.#first <= place; this.#first += 1) changes.set(messageKey(this.#first), null);
    const [key, range] = this.#range();
    this.#settle();
    return changes.set(key, range);
  }

  /** Resolves when all that is in it now is committed, or with `giveUp()`. */
  async emptied(): Promise<void> {
    if (this.isEmpty) return;
    const place = this.#next - 1;
    await new Promise<void>((resolve) => this.#waiting.push({ place, resolve }));
  }

  /** Nobody waits for it any more: the device is being unlinked. */
  giveUp(): void {
    this.#first = this.#next;
    this.#settle();
  }

  #settle(): void {
    const before = this.#waiting;
    this.#waiting = before.filter(({ place }) => place >= this.#first);
    for (const { place, resolve } of before) if (place < this.#first) resolve();
  }

  #range(): readonly [string, Uint8Array] {
    return [rangeKey, Buffer.from(JSON.stringify({ first: this.#first, next: this.#next }))];
  }
}

function rangeOf(bytes: Uint8Array | undefined): { first: number; next: number } {
  const none = { first: 0, next: 0 };
  if (!bytes) return none;
  try {
    const { first, next } = JSON.parse(Buffer.from(bytes).toString());
    return Number.isSafeInteger(first) && Number.isSafeInteger(next) && first <= next ? { first, next } : none;
  } catch {
    return none;
  }
}
