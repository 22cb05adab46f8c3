import { proto, toNumber, type WAMessage } from "@whiskeysockets/baileys";
import type { Credentials } from "../../ports/engine.ts";
import { chatId } from "../engine/chat-id.ts";
import { withFileOnly } from "./media-content.ts";

/** Files of a session that are remembered, at most. */
const maxFiles = 10_000;

const rangeKey = "media-range";
const fileKey = (chat: string, id: string) => `media:${chat}:${id}`;
const placeKey = (place: number) => `media-at:${place}`;

type Changes = Map<string, Uint8Array | null>;

/** Keys and places of the files in the messages of a session, so that they can be fetched after a restart too. The oldest are forgotten. */
export class ReceivedFiles {
  readonly #credentials: Credentials;
  #first: number;
  #next: number;

  /** Use `open`. */
  constructor(credentials: Credentials, first: number, next: number) {
    this.#credentials = credentials;
    this.#first = first;
    this.#next = next;
  }

  static async open(credentials: Credentials): Promise<ReceivedFiles> {
    const [range] = await credentials.read([rangeKey]);
    const [first = 0, next = 0] = range ? Buffer.from(range).toString().split("-").map(Number) : [];
    return new ReceivedFiles(credentials, first, next);
  }

  /** Returns the changes that remember the files of messages. They are written together with the messages. */
  add(messages: readonly WAMessage[]): Changes {
    const changes: Changes = new Map();
    for (const message of messages) {
      const { remoteJid, id } = message.key;
      const file = remoteJid && id ? withFileOnly(message) : undefined;
      if (!remoteJid || !id || !file) continue;
      const key = fileKey(chatId(remoteJid), id);
      changes.set(key, proto.WebMessageInfo.encode(file).finish());
      changes.set(placeKey(this.#next), Buffer.from(key));
      this.#next += 1;
    }
    if (changes.size > 0) this.#setRange(changes);
    return changes;
  }

  /** Returns the change that remembers another place of a message's file. */
  moved(message: WAMessage): Changes {
    const { remoteJid, id } = message.key;
    const file = withFileOnly(message);
    if (!remoteJid || !id || !file) return new Map();
    return new Map([[fileKey(chatId(remoteJid), id), proto.WebMessageInfo.encode(file).finish()]]);
  }

  /** Returns the changes that forget the oldest files, if there are too many. */
  async trim(): Promise<Changes> {
    const changes: Changes = new Map();
    const surplus = this.#next - this.#first - maxFiles;
    if (surplus <= 0) return changes;
    const places = Array.from({ length: surplus }, (_, i) => placeKey(this.#first + i));
    this.#first += surplus;
    const keys = await this.#credentials.read(places);
    for (const place of places) changes.set(place, null);
    for (const key of keys) if (key) changes.set(Buffer.from(key).toString(), null);
    return this.#setRange(changes);
  }

  /** Returns a message of one of these chats, with its file alone, and the time at which it was sent (Unix ms). */
  async find(id: string, chats: readonly string[]): Promise<{ message: WAMessage; sentAtMs: number } | undefined> {
    const stored = await this.#credentials.read(chats.map((chat) => fileKey(chat, id)));
    const bytes = stored.find((value) => value !== undefined);
    if (!bytes) return undefined;
    const message = proto.WebMessageInfo.decode(bytes);
    return {
      message: { ...message, key: message.key ?? {} },
      sentAtMs: toNumber(message.messageTimestamp ?? 0) * 1_000,
    };
  }

  #setRange(changes: Changes): Changes {
    return changes.set(rangeKey, Buffer.from(`${this.#first}-${this.#next}`));
  }
}
