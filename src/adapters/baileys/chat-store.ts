import {
  type BaileysEventMap,
  BufferJSON,
  jidNormalizedUser,
  proto,
  type WAMessage,
  type WAMessageKey,
} from "@whiskeysockets/baileys";
import type { ChatStore } from "../../ports/engine.ts";
import { LeaseLost } from "../../ports/sessions.ts";
import type { Clock, Logger } from "../../ports/system.ts";
import { errorFields } from "../engine/error-fields.ts";
import { jidOf } from "./name-sources.ts";

/** Computes the new value from the stored one; null removes it. */
type Change = (old: Uint8Array | undefined) => Uint8Array | null;

/** A crash loses at most this much of the chats. */
const flushAfterMs = 1_000;
const maxWaiting = 500;

const contactKey = (jid: string) => `contact:${jidNormalizedUser(jid)}`;
const chatKey = (jid: string) => `chat:${jidNormalizedUser(jid)}`;
const messageKey = ({ remoteJid, id }: WAMessageKey) => `message:${jidNormalizedUser(remoteJid ?? "")}:${id}`;

/** Stores contacts, chats and messages as Baileys reports them, in batches. Logs errors and never throws, since chats may be lost. */
export class ChatRecorder {
  readonly #store: ChatStore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #waiting = new Map<string, Change[]>();
  #cancelFlush: (() => void) | undefined;
  #flushed: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(store: ChatStore, clock: Clock, logger: Logger) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Records the contacts, chats and messages in these events. */
  record(events: Partial<BaileysEventMap>): void {
    const history = events["messaging-history.set"];
    const messages = [...(history?.messages ?? []), ...(events["messages.upsert"]?.messages ?? [])];
    const contacts = [events["contacts.upsert"], events["contacts.update"], history?.contacts];
    const chats = [events["chats.upsert"], events["chats.update"], history?.chats];
    for (const message of messages) this.#change(messageKey(message.key), () => encodeMessage(message));
    for (const { key, update } of events["messages.update"] ?? []) this.#change(messageKey(key), updated(update));
    for (const contact of contacts.flatMap((some) => some ?? [])) this.#merge(contactKey, contact);
    for (const { messages: _, ...chat } of chats.flatMap((some) => some ?? [])) this.#merge(chatKey, chat);
    for (const id of events["chats.delete"] ?? []) this.#change(chatKey(id), () => null);
    const deleted = events["messages.delete"];
    if (deleted && "keys" in deleted) for (const key of deleted.keys) this.#change(messageKey(key), () => null);
  }

  /** Returns a message's content, for Baileys to send it again. Never rejects. */
  async message(key: WAMessageKey): Promise<proto.IMessage | undefined> {
    await this.#flush();
    try {
      const [stored] = await this.#store.read([messageKey(key)]);
      return (stored && proto.WebMessageInfo.decode(stored).message) ?? undefined;
    } catch (error) {
      this.#report(error);
      return undefined;
    }
  }

  /** Returns the key of a stored message in one of these chats. Never rejects. */
  async key(id: string, chats: readonly string[]): Promise<WAMessageKey | undefined> {
    await this.#flush();
    try {
      const found = await this.#store.read(chats.map((chat) => messageKey({ remoteJid: jidOf(chat), id })));
      const stored = found.find((bytes) => bytes !== undefined);
      return (stored && proto.WebMessageInfo.decode(stored).key) ?? undefined;
    } catch (error) {
      this.#report(error);
      return undefined;
    }
  }

  /** Writes all waiting changes; records nothing afterwards. */
  async close(): Promise<void> {
    await this.#flush();
    this.#closed = true;
  }

  #merge(keyOf: (jid: string) => string, fields: { id?: string | null | undefined }): void {
    if (fields.id) this.#change(keyOf(fields.id), merged(fields));
  }

  #change(key: string, change: Change): void {
    if (this.#closed) return;
    const changes = this.#waiting.get(key);
    if (changes) changes.push(change);
    else this.#waiting.set(key, [change]);
    if (this.#waiting.size >= maxWaiting) void this.#flush();
    else this.#cancelFlush ??= this.#clock.schedule(flushAfterMs, () => void this.#flush());
  }

  /** Never rejects. */
  #flush(): Promise<void> {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    this.#flushed = this.#flushed.then(() => this.#write());
    return this.#flushed;
  }

  async #write(): Promise<void> {
    const waiting = this.#waiting;
    if (waiting.size === 0 || this.#closed) return;
    this.#waiting = new Map();
    try {
      const keys = [...waiting.keys()];
      const stored = await this.#store.read(keys);
      const changes = keys.map((key, i): [string, Uint8Array | null] => {
        const value = (waiting.get(key) ?? []).reduce<Uint8Array | null | undefined>(
          (old, change) => change(old ?? undefined),
          stored[i],
        );
        return [key, value ?? null];
      });
      await this.#store.write(new Map(changes));
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    // A newer engine records the chats now.
    if (error instanceof LeaseLost) this.#closed = true;
    else this.#logger.warn(errorFields(error), "could not store chats");
  }
}

const encodeMessage = (message: WAMessage): Uint8Array =>
  proto.WebMessageInfo.encode(proto.WebMessageInfo.fromObject(message)).finish();

const updated =
  (update: Partial<WAMessage>): Change =>
  (old) =>
    old ? encodeMessage({ ...proto.WebMessageInfo.decode(old), ...update } as WAMessage) : null;

const merged =
  (fields: object): Change =>
  (old) =>
    Buffer.from(JSON.stringify({ ...(old && parse(old)), ...fields }, BufferJSON.replacer));

/** Returns an empty object for a value that cannot be read, so that it is replaced. */
function parse(bytes: Uint8Array): object {
  try {
    return Object(JSON.parse(Buffer.from(bytes).toString(), BufferJSON.reviver));
  } catch {
    return {};
  }
}
