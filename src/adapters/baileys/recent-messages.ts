import { jidNormalizedUser, proto, toNumber, type WAMessage, type WAMessageKey } from "@whiskeysockets/baileys";
import type { Clock } from "../../ports/system.ts";
import { chatId } from "../engine/chat-id.ts";

/** Limits for each session: enough for answers to the latest messages, little beside what a session takes anyway. */
const maxMessages = 200;
const maxBytes = 128 * 1_024;
const unreadMs = 7 * 24 * 60 * 60_000;

interface Recent {
  readonly key: WAMessageKey;
  readonly content: Uint8Array;
  /** Chat ids that name the chat: a person may have two. */
  readonly chats: readonly string[];
  readonly sentAtMs: number;
  isUnread: boolean;
}

/** Remembers the latest messages of a session in memory, so that others can quote them and they can be marked as read. */
export class RecentMessages {
  readonly #clock: Clock;
  /** By WhatsApp's id, the oldest first. */
  readonly #messages = new Map<string, Recent>();
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Remembers messages that came in or that another device sent. */
  add(messages: readonly WAMessage[]): void {
    for (const { key, message, messageTimestamp } of messages) {
      if (!key.id || !key.remoteJid || !message || message.protocolMessage || message.reactionMessage) continue;
      const content = proto.Message.encode(message).finish();
      if (content.length > maxBytes) continue;
      this.#remove(key.id);
      const chats = [key.remoteJid, key.remoteJidAlt].flatMap((id) => (id ? chatId(id) : []));
      const sentAtMs = toNumber(messageTimestamp ?? 0) * 1_000;
      const isUnread = key.fromMe !== true;
      this.#messages.set(key.id, { key, content, chats, sentAtMs, isUnread });
      this.#bytes += content.length;
    }
    for (const oldest of this.#messages.keys()) {
      if (this.#messages.size <= maxMessages && this.#bytes <= maxBytes) break;
      this.#remove(oldest);
    }
  }

  /** Returns a message of one of these chats. */
  find(id: string, chats: readonly string[]): { key: WAMessageKey; message: proto.IMessage } | undefined {
    const found = this.#messages.get(id);
    if (!found?.chats.some((chat) => chats.includes(chat))) return undefined;
    return { key: keyOf(found.key), message: proto.Message.decode(found.content) };
  }

  /** Returns true if one of these chats has a message that came in. */
  hasFrom(chats: readonly string[]): boolean {
    return [...this.#messages.values()].some(
      ({ key, chats: names }) => key.fromMe !== true && names.some((name) => chats.includes(name)),
    );
  }

  /** Returns the latest unread messages of one of these chats that came within seven days, at most `limit`. */
  unread(chats: readonly string[], limit: number): WAMessageKey[] {
    const sinceMs = this.#clock.wallMs() - unreadMs;
    return [...this.#messages.values()]
      .filter((one) => one.isUnread && one.sentAtMs >= sinceMs && one.chats.some((chat) => chats.includes(chat)))
      .slice(-limit)
      .map(({ key }) => keyOf(key));
  }

  /** Counts messages as read. */
  markRead(ids: readonly (string | null | undefined)[]): void {
    for (const id of ids) {
      const one = id ? this.#messages.get(id) : undefined;
      if (one) one.isUnread = false;
    }
  }

  #remove(id: string): void {
    this.#bytes -= this.#messages.get(id)?.content.length ?? 0;
    this.#messages.delete(id);
  }
}

const keyOf = ({ remoteJid, fromMe, id, participant }: WAMessageKey): WAMessageKey => ({
  remoteJid: jidNormalizedUser(remoteJid ?? ""),
  fromMe: fromMe === true,
  id: id ?? "",
  ...(participant && { participant: jidNormalizedUser(participant) }),
});
