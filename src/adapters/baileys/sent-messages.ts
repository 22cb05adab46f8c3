import { proto, type WAMessageKey } from "@whiskeysockets/baileys";
import type { EngineOptions } from "../../ports/engine.ts";
import type { SentMessage } from "../../ports/sending.ts";
import { chatId, isPerson } from "../engine/chat-id.ts";
import type { People } from "../engine/people.ts";
import type { ChatRecorder } from "./chat-store.ts";

/** The messages that the session has sent, by WhatsApp's id, from the outbox or else from the stored chats. */
export class SentMessages {
  readonly #read: EngineOptions["sentMessage"];
  /** Set where the session stores its chats. */
  chats: ChatRecorder | undefined;

  constructor(read: EngineOptions["sentMessage"]) {
    this.#read = read;
  }

  /**
   * Returns a message's content for a recipient that asks again, whether it names the chat by number or LID. Returns nothing to others:
   * callers may choose ids that can be guessed.
   */
  async forRecipient(key: WAMessageKey, people: People): Promise<proto.IMessage | undefined> {
    const sent = key.id ? await this.#read?.(key.id) : undefined;
    if (!sent) return this.chats?.message(key);
    const [asked, target] = [chatId(key.remoteJid ?? ""), chatId(sent.jid)];
    if (asked !== target && !(isPerson(asked) && (await people.otherOf(asked)) === target)) return undefined;
    return contentIn(sent);
  }

  /** Returns the content of a message that the account sent through this server. */
  async contentOf(id: string): Promise<proto.IMessage | undefined> {
    const sent = await this.#read?.(id);
    return sent && contentIn(sent);
  }

  /** Returns the key of a message in one of these chats. */
  async keyOf(id: string, chats: readonly string[]): Promise<WAMessageKey | undefined> {
    const sent = await this.#read?.(id);
    if (!sent) return this.chats?.key(id, chats);
    return chats.includes(chatId(sent.jid)) ? { remoteJid: sent.jid, fromMe: true, id } : undefined;
  }
}

const contentIn = ({ encoded }: SentMessage): proto.IMessage | undefined =>
  encoded.length > 0 ? proto.Message.decode(encoded) : undefined;
