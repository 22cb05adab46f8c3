import { create } from "@bufbuild/protobuf";
import {
  type AnyMessageContent,
  type BinaryNode,
  generateWAMessageFromContent,
  isJidGroup,
  isJidNewsletter,
  proto,
  type WAMessage,
  type WAMessageKey,
  type WAUrlInfo,
} from "@whiskeysockets/baileys";
import type { OutgoingContent, OutgoingMessage } from "../../../gen/sessiond/store/v1/store_pb.js";
import {
  MessagePayload_Ack as Ack,
  type MessagePayload_Key,
  MessagePayload_KeySchema,
} from "../../../gen/sessiond/v1/event_pb.js";
import type { LinkPreview } from "../../domain/link-preview.ts";
import type { LinkPreviews } from "../../ports/link-previews.ts";
import {
  type AckReport,
  ConnectionLost,
  type NamedMessage,
  type OpenFile,
  type Sending,
  SendRefused,
  type SentMessage,
} from "../../ports/sending.ts";
import type { Clock, Logger } from "../../ports/system.ts";
import { chatId as chatIdOf, isLid, isNumber } from "../engine/chat-id.ts";
import { errorFields } from "../engine/error-fields.ts";
import { newMessageId } from "../engine/message-id.ts";
import { refusalReason } from "../engine/refusal-reason.ts";
import { Accounts } from "./accounts.ts";
import type { Connection } from "./connection.ts";
import { fileMessage, mediaTypeOf } from "./file-message.ts";
import { BaileysLimits } from "./limits.ts";
import type { MediaRoute } from "./media-host.ts";
import { upload } from "./media-upload.ts";
import { Mentions } from "./mentions.ts";
import { jidOf } from "./name-sources.ts";
import type { RecentMessages } from "./recent-messages.ts";
import { refusalIn } from "./send-errors.ts";
import type { SentMessages } from "./sent-messages.ts";

/** Sent messages whose acknowledgement may still come, at most. */
const maxAwaited = 1_000;
/** Messages that are marked as read without being named, at most (WAHA's limits). */
const seenInChat = 30;
const seenInGroup = 100;
const staleDevices = "479";
const reachoutLocked = "463";

/** The parts of an engine that messages are sent with. */
export interface SendingParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly recent: RecentMessages;
  readonly sent: SentMessages;
  readonly previews: LinkPreviews | undefined;
  /** Aborted when the engine ends. */
  readonly signal: AbortSignal;
  /** Returns the way to the hosts for media. */
  mediaRoute(): MediaRoute;
  /** Called after WhatsApp has told something new of its limits. */
  limitsChanged(): void;
  /** Returns the logged-in connection; undefined without one. */
  connection(): Connection | undefined;
}

/** A message that WhatsApp's server has not acknowledged. */
interface Awaited {
  readonly jid: string;
  readonly chatId: string;
  content: proto.IMessage | undefined;
  isRepeated: boolean;
}

/** Sends messages through Baileys. */
export class BaileysSending implements Sending {
  readonly #parts: SendingParts;
  readonly limits: BaileysLimits;
  readonly #accounts: Accounts;
  readonly #mentions: Mentions;
  /** By message id, the oldest first. */
  readonly #awaited = new Map<string, Awaited>();

  constructor(parts: SendingParts) {
    this.#parts = parts;
    this.#accounts = new Accounts(parts.clock);
    this.#mentions = new Mentions(parts.clock, this.#accounts);
    const { clock, signal, recent, limitsChanged: changed } = parts;
    this.limits = new BaileysLimits({ clock, signal, recent, changed, connected: (work) => this.#connected(work) });
  }

  newId(): string {
    return newMessageId();
  }

  upload({ id, content, chatId }: OutgoingMessage, file: OpenFile): Promise<Uint8Array> {
    return this.#connected(async (connection) => {
      if (content?.kind.case !== "file" || isJidNewsletter(chatId)) {
        throw new SendRefused("NOT_SUPPORTED", "NOWEB cannot send files to this chat");
      }
      const { value } = content.kind;
      const { socket, me } = connection;
      const jid = await this.#addressee(chatId, connection);
      const options = { clock: this.#parts.clock, socket, route: this.#parts.mediaRoute() };
      const mentioned = await this.#mentions.jidsOf({ chatId }, content, connection);
      const uploaded = await upload(file, Number(value.size), mediaTypeOf(value), options);
      const shown = fileMessage(value, uploaded, mentioned);
      const quoted = await this.#quoted(content);
      const whole = generateWAMessageFromContent(jid, shown, {
        userJid: jidOf(me.id),
        messageId: id,
        ...(quoted && { quoted }),
      });
      return proto.Message.encode(whole.message ?? shown).finish();
    });
  }

  async send(message: OutgoingMessage): Promise<SentMessage> {
    const { id, content, chatId, encoded } = message;
    if (!content?.kind.case || (content.kind.case === "file" && encoded.length === 0)) {
      throw new SendRefused("NOT_SUPPORTED", "NOWEB cannot send this kind of message");
    }
    return this.#connected(async (connection) => {
      const { socket } = connection;
      const jid = message.jid || (await this.#addressee(chatId, connection));
      const awaited = this.#await(id, jid, chatId);
      if (encoded.length > 0) {
        awaited.content = proto.Message.decode(encoded);
        await socket.relayMessage(jid, awaited.content, { messageId: id });
        return { jid, encoded };
      }
      const quoted = await this.#quoted(content);
      const sent = await socket.sendMessage(jid, await this.#contentOf(content, chatId, connection), {
        messageId: id,
        ...(quoted && { quoted }),
      });
      awaited.content = sent?.message ?? undefined;
      return { jid, encoded: proto.Message.encode(sent?.message ?? {}).finish() };
    });
  }

  async findMessage(name: NamedMessage): Promise<MessagePayload_Key | undefined> {
    const { recent, sent } = this.#parts;
    const chats = await this.#namesOf(name.chatId);
    const key = recent.find(name.id, chats)?.key ?? (await sent.keyOf(name.id, chats));
    if (!key?.id || !key.remoteJid || (name.fromMe !== undefined && name.fromMe !== key.fromMe)) return undefined;
    const { remoteJid, id, participant } = key;
    return create(MessagePayload_KeySchema, {
      remoteJid,
      fromMe: key.fromMe === true,
      id,
      ...(participant && { participant }),
    });
  }

  async chatIdOf(chatId: string): Promise<string> {
    if (!isLid(chatId)) return chatId;
    return (await this.#parts.connection()?.people.otherOf(chatId)) ?? chatId;
  }

  strangers(chatId: string, mentions: readonly string[]): Promise<string[]> {
    return this.#connected((connection) => this.#mentions.strangers(chatId, mentions, connection));
  }

  markSeen(chatId: string, ids: readonly string[], participant?: string): Promise<void> {
    const { recent } = this.#parts;
    return this.#connected(async (connection) => {
      const chats = await this.#namesOf(chatId);
      const named = async (id: string): Promise<WAMessageKey> =>
        recent.find(id, chats)?.key ?? {
          remoteJid: await this.#addressee(chatId, connection),
          id,
          fromMe: false,
          ...(participant && { participant: jidOf(participant) }),
        };
      const limit = isJidGroup(chatId) ? seenInGroup : seenInChat;
      const keys = ids.length > 0 ? await Promise.all(ids.map(named)) : recent.unread(chats, limit);
      if (keys.length > 0) await connection.socket.readMessages(keys);
      recent.markRead(keys.map(({ id }) => id));
    });
  }

  setTyping(chatId: string, isTyping: boolean): Promise<void> {
    return this.#connected(async (connection) => {
      const jid = await this.#addressee(chatId, connection);
      await connection.socket.sendPresenceUpdate(isTyping ? "composing" : "paused", jid);
    });
  }

  findAccount(phoneNumber: string): Promise<{ chatId: string; lid?: string } | undefined> {
    return this.#connected(async ({ socket, people }) => {
      const jid = await this.#accounts.check(phoneNumber, socket);
      if (jid === undefined) return undefined;
      const chatId = chatIdOf(jid);
      const lid = await people.otherOf(chatId);
      return { chatId, ...(lid !== undefined && isLid(lid) && { lid }) };
    });
  }

  /**
   * Returns the server's report on a message that this engine has sent. If WhatsApp refuses a message because a recipient has other
   * devices by now, it is sent once more under its id, and nothing is reported yet.
   */
  acknowledged({ attrs: { id = "", error } }: BinaryNode): AckReport | undefined {
    const awaited = this.#awaited.get(id);
    if (!awaited) return undefined;
    if (error === staleDevices && awaited.content && !awaited.isRepeated) {
      awaited.isRepeated = true;
      void this.#repeat(id, awaited.jid, awaited.content);
      return undefined;
    }
    this.#awaited.delete(id);
    if (error === reachoutLocked) this.limits.refused(awaited.jid, awaited.chatId);
    return error ? { id, ack: Ack.ERROR, reason: refusalReason(error) } : { id, ack: Ack.SERVER };
  }

  /** Sends a message again after its recipients' devices are looked up anew. A failure leaves it without an acknowledgement. */
  async #repeat(id: string, jid: string, content: proto.IMessage): Promise<void> {
    const connection = this.#parts.connection();
    if (!connection) return;
    const { socket, me } = connection;
    try {
      if (!isJidGroup(jid)) await socket.getUSyncDevices([jid, jidOf((isLid(jid) && me.lid) || me.id)], false, false);
      await socket.relayMessage(jid, content, { messageId: id, useUserDevicesCache: false });
    } catch (error) {
      this.#parts.logger.warn({ ...errorFields(error), message: id }, "a message could not be sent again");
    }
  }

  #await(id: string, jid: string, chatId: string): Awaited {
    const awaited = { jid, chatId, content: undefined, isRepeated: false };
    this.#awaited.delete(id);
    this.#awaited.set(id, awaited);
    for (const oldest of this.#awaited.keys()) {
      if (this.#awaited.size <= maxAwaited) break;
      this.#awaited.delete(oldest);
    }
    return awaited;
  }

  /** Returns the JID to send to. Rejects with SendRefused for a number without an account. */
  async #addressee(chatId: string, { socket, people }: Connection): Promise<string> {
    if (!isNumber(chatId)) return chatId;
    const jid = await this.#accounts.addressee(chatId, socket, people);
    if (jid !== undefined) return jid;
    throw new SendRefused("NO_ACCOUNT", "chatId names a number that has no account at WhatsApp");
  }

  async #contentOf(content: OutgoingContent, chatId: string, connection: Connection): Promise<AnyMessageContent> {
    const { kind } = content;
    if (kind.case === "reaction") {
      const { key, text } = kind.value;
      if (!key) throw new SendRefused("NOT_SUPPORTED", "the reaction names no message");
      return { react: { text, key: rawKey(key) } };
    }
    const { text, linkPreview: isPreviewed } = kind.case === "text" ? kind.value : { text: "", linkPreview: false };
    const preview = isPreviewed ? await this.#parts.previews?.of(text) : undefined;
    const people = await this.#mentions.jidsOf({ chatId }, content, connection);
    // `null` keeps Baileys from fetching what the text links to.
    return { text, linkPreview: preview ? urlInfoOf(preview) : null, ...(people.length > 0 && { mentions: people }) };
  }

  /** Returns the message that another one replies to. Without its content, phones that have it show it by its id. */
  async #quoted({ replyTo }: OutgoingContent): Promise<WAMessage | undefined> {
    if (!replyTo) return undefined;
    const { recent, sent } = this.#parts;
    const content =
      recent.find(replyTo.id, [chatIdOf(replyTo.remoteJid)])?.message ??
      (replyTo.fromMe ? await sent.contentOf(replyTo.id) : undefined);
    return { key: rawKey(replyTo), message: content ?? { conversation: "" } };
  }

  /** Returns both chat ids of a person, if they are known. */
  async #namesOf(chatId: string): Promise<string[]> {
    const other = await this.#parts.connection()?.people.otherOf(chatId);
    return other === undefined ? [chatId] : [chatId, other];
  }

  /** Runs `work` on the logged-in connection. Rejects with ConnectionLost if there is none, or if it ends meanwhile. */
  async #connected<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = this.#parts.connection();
    if (!connection) throw new ConnectionLost("the engine is not logged in");
    try {
      return await work(connection);
    } catch (error) {
      if (error instanceof SendRefused) throw error;
      if (!this.#parts.connection()) throw new ConnectionLost("the connection has ended", { cause: error });
      throw refusalIn(error);
    }
  }
}

/** Returns a preview in Baileys' form. It names its fields with hyphens. */
const urlInfoOf = ({ url, title, description }: LinkPreview): WAUrlInfo => ({
  "canonical-url": url,
  "matched-text": url,
  title,
  ...(description !== "" && { description }),
});

const rawKey = ({ remoteJid, fromMe, id, participant }: MessagePayload_Key): WAMessageKey => ({
  remoteJid,
  fromMe,
  id,
  ...(participant !== undefined && { participant }),
});
