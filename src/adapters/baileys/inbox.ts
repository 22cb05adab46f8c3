import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { EventSchema, MessagePayloadSchema } from "../../../gen/sessiond/v1/event_pb.js";
import type { Credentials } from "../../ports/engine.ts";
import { readCredentials } from "../engine/credentials.ts";
import type { Report } from "../engine/message-report.ts";
import { changeOf, storedChange } from "./message-change.ts";

/** Changes to write together with the ratchet that the message has advanced. */
export type InboxChanges = ReadonlyMap<string, Uint8Array | null>;

/** A message or a change in the inbox, and its place in the order. */
export interface StoredMessage extends Report {
  readonly place: number;
}

const rangeKey = "inbox";
const messageKey = (place: number) => `inbox:${place}`;
/** Under a key of its own: earlier versions know messages only. */
const changeKey = (place: number) => `inbox-change:${place}`;

/**
 * Messages that are decrypted and not yet committed as events. WhatsApp repeats a message until it is acknowledged, but a message can
 * be decrypted only once. So its content is stored in the same write as the ratchet it has advanced, until it is committed.
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

  /** Reads the messages that an earlier engine has left, oldest first. Rejects with CredentialsUnreadable or LeaseLost. */
  static async open(credentials: Credentials): Promise<{ inbox: Inbox; left: StoredMessage[] }> {
    const [range] = await readCredentials(credentials, [rangeKey]);
    const { first, next } = rangeOf(range);
    const places = Array.from({ length: next - first }, (_, i) => first + i);
    const keys = [...places.map(messageKey), ...places.map(changeKey)];
    const stored = places.length > 0 ? await readCredentials(credentials, keys) : [];
    const left = places.flatMap((place, i) => {
      const report = reportOf(stored[i], stored[places.length + i]);
      return report ? [{ place, ...report }] : [];
    });
    return { inbox: new Inbox(first, next), left };
  }

  /** Returns true if all messages are committed. */
  get isEmpty(): boolean {
    return this.#first === this.#next;
  }

  /** Adds messages; returns them with their places, and the changes to write. */
  add(reports: readonly Report[]): { stored: StoredMessage[]; changes: InboxChanges } {
    const stored = reports.map((report, i) => ({ place: this.#next + i, ...report }));
    this.#next += stored.length;
    const bytes = stored.map((one) =>
      one.kind === "message"
        ? ([messageKey(one.place), toBinary(MessagePayloadSchema, one.message)] as const)
        : ([changeKey(one.place), toBinary(EventSchema, storedChange(one))] as const),
    );
    return { stored, changes: new Map([...bytes, this.#range()]) };
  }

  /** Removes a committed message and all before it; returns the changes to write. */
  remove(place: number): InboxChanges {
    const changes = new Map<string, Uint8Array | null>();
    for (; this.#first <= place; this.#first += 1) {
      changes.set(messageKey(this.#first), null);
      changes.set(changeKey(this.#first), null);
    }
    const [key, range] = this.#range();
    this.#resolveWaiting();
    return changes.set(key, range);
  }

  /** Resolves when all messages that are in it now are committed, or at `giveUp()`. */
  async emptied(): Promise<void> {
    if (this.isEmpty) return;
    const place = this.#next - 1;
    await new Promise<void>((resolve) => this.#waiting.push({ place, resolve }));
  }

  /** Counts all messages as committed, because the device is being unlinked. */
  giveUp(): void {
    this.#first = this.#next;
    this.#resolveWaiting();
  }

  #resolveWaiting(): void {
    const before = this.#waiting;
    this.#waiting = before.filter(({ place }) => place >= this.#first);
    for (const { place, resolve } of before) if (place < this.#first) resolve();
  }

  #range(): readonly [string, Uint8Array] {
    return [rangeKey, Buffer.from(JSON.stringify({ first: this.#first, next: this.#next }))];
  }
}

/** Reads what is stored in a place: a message or a change. */
function reportOf(message: Uint8Array | undefined, change: Uint8Array | undefined): Report | undefined {
  if (message) return { kind: "message", message: fromBinary(MessagePayloadSchema, message), targetId: "" };
  return change && changeOf(fromBinary(EventSchema, change));
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
