import { create } from "@bufbuild/protobuf";
import type {
  OutgoingContent,
  OutgoingContent_File,
  OutgoingMessage,
} from "../../../gen/sessiond/store/v1/store_pb.js";
import {
  MessagePayload_Ack as Ack,
  type MessagePayload_Key,
  MessagePayload_KeySchema,
} from "../../../gen/sessiond/v1/event_pb.js";
import {
  type AckReport,
  ConnectionLost,
  type NamedMessage,
  type Sending,
  SendRefused,
  type SentMessage,
} from "../../ports/sending.ts";
import { chatId as chatIdOf, isLid, isNumber, isPerson } from "../engine/chat-id.ts";
import type { EngineLife } from "../engine/engine-life.ts";
import { newMessageId } from "../engine/message-id.ts";
import { refusalReason, strangerMentioned } from "../engine/refusal-reason.ts";
import { Accounts } from "./accounts.ts";
import type { WebClient } from "./client.ts";
import { chunksOf, fileOf } from "./outgoing-file.ts";
import type { PageAck, PageFile, PageOutcome, PageRequest } from "./page-sending.ts";
import { refusalIn } from "./send-errors.ts";
import type { Settings } from "./settings.ts";

/** Times that a message is handed to a page that gives it up. */
const maxTries = 3;
/** Time after which a page that changes documents is asked again. */
const betweenDocumentsMs = 500;
/** Bytes per second at which the upload of a file counts as under way. */
const slowestUpload = 50_000;
const noBytes = new Uint8Array();

/** The parts of an engine that messages are sent with. */
export interface SendingParts {
  readonly settings: Settings;
  readonly life: EngineLife;
  /** Returns the page that is logged in, if there is one. */
  page(): WebClient | undefined;
  /** Resolves when the page is connected to WhatsApp. */
  online(): Promise<void>;
  /** Returns all ids of a chat. */
  namesOf(chatId: string): Promise<string[]>;
}

/** Sends messages through whatsapp-web.js. The page stores them, so it answers recipients that ask again. */
export class WebSending implements Sending {
  readonly #parts: SendingParts;
  readonly #accounts: Accounts;
  /** Reports on messages that are being handed over. They wait, so that a message is known to have left before it is acknowledged. */
  readonly #held = new Map<string, AckReport[]>();
  /** Errors with which WhatsApp has refused messages, until the page reports the refusal. */
  readonly #errors = new Map<string, string>();

  constructor(parts: SendingParts) {
    this.#parts = parts;
    this.#accounts = new Accounts(parts.settings.clock);
  }

  newId(): string {
    return newMessageId();
  }

  async send(message: OutgoingMessage, file?: () => AsyncIterable<Uint8Array>): Promise<SentMessage> {
    const { id, content } = message;
    const held = this.#held.get(id) ?? [];
    this.#held.set(id, held);
    try {
      switch (content?.kind.case) {
        case "text":
          return await this.#sendMessage(message, content, content.kind.value);
        case "file":
          return await this.#sendFile(message, content, content.kind.value, file);
        case "reaction":
          return await this.#react(message, content.kind.value);
        default:
          throw new SendRefused("NOT_SUPPORTED", "WEBJS cannot send this kind of message");
      }
    } finally {
      this.#release(id);
    }
  }

  async findMessage({ id, chatId, fromMe, participant }: NamedMessage): Promise<MessagePayload_Key | undefined> {
    const found = await this.findInPage({ id, chatId, fromMe, participant });
    if (!found) return undefined;
    return create(MessagePayload_KeySchema, {
      remoteJid: jidOf(found.chat),
      fromMe: found.fromMe,
      id,
      ...(found.participant !== undefined && { participant: jidOf(found.participant) }),
    });
  }

  async strangers(chatId: string, mentions: readonly string[]): Promise<string[]> {
    const persons = mentions.filter((one) => one !== "all");
    if (persons.length === 0 || !(isPerson(chatId) || chatId.endsWith("@g.us"))) return [];
    const chat = await this.#addressee(chatId);
    const ids = await this.ask((page) => page.membersOf(chat));
    if (!ids) return [];
    const others = await this.ask((page) => page.otherIds(ids));
    const members = new Set([...ids, ...others].flatMap((id) => (id === null ? [] : chatIdOf(id))));
    const strangers = [];
    for (const person of persons) if (!(await this.#isAmong(members, person))) strangers.push(person);
    return strangers;
  }

  /** Marks the whole chat as read: the page knows no other way. */
  async markSeen(chatId: string): Promise<void> {
    const chat = await this.#addressee(chatId);
    await this.ask((page) => page.sendSeen(chat));
  }

  async setTyping(chatId: string, isTyping: boolean): Promise<void> {
    const chat = await this.#addressee(chatId);
    await this.ask((page) => page.setTyping(chat, isTyping));
  }

  async findAccount(phoneNumber: string): Promise<{ chatId: string; lid?: string } | undefined> {
    const id = await this.#lookUp(phoneNumber);
    if (id === null) return undefined;
    const names = await this.#pairOf(id);
    const number = names.find(isNumber) ?? id;
    const lid = names.find(isLid);
    return { chatId: number, ...(lid !== undefined && { lid }) };
  }

  /** Takes the page's report on a message, and reports it unless the message is being handed over. */
  acknowledge({ id, ack, participant }: PageAck): void {
    const state = Math.min(Math.max(ack, Ack.ERROR), Ack.PLAYED);
    if (state === Ack.PENDING) return;
    const reason = state === Ack.ERROR ? refusalReason(this.#errors.get(id) ?? "") : undefined;
    this.#errors.delete(id);
    const report = {
      id,
      ack: state,
      ...(participant !== undefined && { participant: chatIdOf(participant) }),
      ...(reason !== undefined && { reason }),
    };
    const held = this.#held.get(id);
    if (held) held.push(report);
    else this.#parts.life.enqueueReport({ type: "ack", report });
  }

  /** Remembers WhatsApp's error for the refusal that the page reports next. */
  takeError(id: string, error: string): void {
    this.#errors.set(id, error);
  }

  /** Reports what was held back, after the caller has seen the message leave. */
  #release(id: string): void {
    const { life, settings } = this.#parts;
    settings.clock.schedule(0, () => {
      const held = this.#held.get(id) ?? [];
      this.#held.delete(id);
      for (const report of held) life.enqueueReport({ type: "ack", report });
    });
  }

  async #sendFile(
    message: OutgoingMessage,
    content: OutgoingContent,
    file: OutgoingContent_File,
    open: (() => AsyncIterable<Uint8Array>) | undefined,
  ): Promise<SentMessage> {
    const shown = fileOf(file);
    if (!open || !shown) throw new SendRefused("NOT_SUPPORTED", "WEBJS cannot send this kind of file");
    return this.#sendMessage(message, content, { text: file.caption, linkPreview: false }, { ...shown, open });
  }

  async #sendMessage(
    { id, chatId, jid }: OutgoingMessage,
    { mentions, replyTo }: OutgoingContent,
    { text, linkPreview }: { text: string; linkPreview: boolean },
    file?: PageFile & { open(): AsyncIterable<Uint8Array> },
  ): Promise<SentMessage> {
    const { settings } = this.#parts;
    const chat = await this.#addressee(jid === "" ? chatId : chatIdOf(jid));
    const [stranger] = await this.strangers(chatId, mentions);
    if (stranger !== undefined) throw strangerMentioned(stranger);
    const quoted = replyTo && (await this.findInPage({ ...replyTo, chatId: chatIdOf(replyTo.remoteJid) }));
    if (replyTo && !quoted) {
      throw new SendRefused("QUOTE_UNKNOWN", "replyTo names a message that the page does not have");
    }
    const { open, ...shown } = file ?? {};
    const request: PageRequest = {
      ...{ id, chatId: chat, text, quotedId: quoted?.key, mentions, linkPreview },
      ...{ patienceMs: settings.resendPatienceMs, waitMs: settings.sendTimeoutMs },
      file: file && (shown as PageFile),
    };
    const sent = { jid: jidOf(chat), encoded: noBytes };
    for (let tries = 1; tries <= maxTries; tries++) {
      const isThere = file && (await this.findInPage({ id, chatId, fromMe: true }));
      const outcome = await this.#retried(async (page) => {
        if (open && !isThere) await this.#bring(page, id, open());
        return this.#handed(page, request);
      });
      // The page goes on without an answer so far.
      if (!outcome) return sent;
      if (outcome.isKnown) this.acknowledge({ id, ack: outcome.ack });
      if (!outcome.isFailed) return sent;
    }
    return sent;
  }

  /** Brings a file into the page in parts that the DevTools protocol takes quickly. */
  async #bring(page: WebClient, id: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    let at = 0;
    try {
      for await (const chunk of chunksOf(content)) {
        await this.#answered(page.addToFile(id, at, chunk));
        at += chunk.length;
      }
    } catch (error) {
      await page.dropFile(id).catch(() => {});
      throw error;
    }
  }

  /** Hands a message to the page; returns null if WhatsApp has not answered in time. */
  async #handed(page: WebClient, request: PageRequest): Promise<PageOutcome | null> {
    const { settings, life } = this.#parts;
    const { clock, sendTimeoutMs } = settings;
    const untilMs = clock.nowMs() + ((request.file?.size ?? 0) / slowestUpload) * 1_000;
    for (;;) {
      const outcome = await life.within(sendTimeoutMs + settings.answerTimeoutMs, page.send(request));
      if (outcome) return outcome;
      if (outcome === undefined || clock.nowMs() >= untilMs) return null;
    }
  }

  async #react(
    { id, jid, chatId }: OutgoingMessage,
    { key, text }: { key?: MessagePayload_Key | undefined; text: string },
  ): Promise<SentMessage> {
    const target = key && (await this.findInPage({ ...key, chatId: chatIdOf(key.remoteJid) }));
    if (!target) throw new SendRefused("NOT_SUPPORTED", "messageId names a message that the page does not have");
    try {
      await this.#retried((page) => this.#answered(page.react({ id, messageId: target.key, text })));
    } catch (error) {
      const refused = this.#errors.get(id);
      if (refused === undefined) throw error;
      this.#errors.delete(id);
      throw new SendRefused(refusalReason(refused), "WhatsApp refused the reaction");
    }
    this.acknowledge({ id, ack: Ack.SERVER });
    return { jid: jid || jidOf(chatId), encoded: noBytes };
  }

  /** Returns the page's id of a chat. Rejects with SendRefused if WhatsApp has no account, or the account no group, of this id. */
  async #addressee(chatId: string): Promise<string> {
    const id = isNumber(chatId) ? await this.#accountOf(chatId) : chatId;
    // Without a person's other id, the page fails with "No LID for user".
    if (isLid(id) || isNumber(id)) await this.ask((page) => page.getContactLidAndPhone([id]));
    const chat = await this.ask((page) => page.chatIdOf(id));
    if (chat !== undefined) return chat;
    if (isLid(id) || isNumber(id)) throw new SendRefused("NO_ACCOUNT", "chatId names nobody whom WhatsApp knows");
    throw new SendRefused("NOT_A_MEMBER", "chatId names no chat of the account");
  }

  async #accountOf(chatId: string): Promise<string> {
    if ((await this.#pairOf(chatId)).some(isLid)) return chatId;
    const id = await this.#lookUp(chatId.slice(0, chatId.indexOf("@")));
    if (id !== null) return id;
    throw new SendRefused("NO_ACCOUNT", "chatId names a number that has no account at WhatsApp; a LID ends with @lid");
  }

  async #isAmong(members: ReadonlySet<string>, person: string): Promise<boolean> {
    const isMember = async (id: string) => (await this.#pairOf(id)).some((name) => members.has(name));
    if (await isMember(person)) return true;
    // The page may have only one of two ids so far.
    await this.ask((page) => page.getContactLidAndPhone([person]));
    if (await isMember(person)) return true;
    const id = isNumber(person) ? await this.#lookUp(person.slice(0, person.indexOf("@"))) : null;
    return id !== null && isMember(id);
  }

  /** Returns a person's ids as far as the page knows them. */
  async #pairOf(id: string): Promise<string[]> {
    const [other] = await this.ask((page) => page.otherIds([id]));
    return other ? [id, chatIdOf(other)] : [id];
  }

  async #lookUp(number: string): Promise<string | null> {
    const id = await this.#accounts.find(number, (asked) =>
      this.ask(async (page) => (await page.getNumberId(asked))?._serialized ?? null),
    );
    return id === null ? null : chatIdOf(id);
  }

  /** Returns a message in the page; undefined if the page does not have it. */
  async findInPage({ id, chatId, fromMe, participant }: NamedMessage) {
    const { namesOf } = this.#parts;
    const [chats, participants] = [await namesOf(chatId), participant ? await namesOf(chatIdOf(participant)) : []];
    return this.ask((page) => page.findMessage({ id, chats, fromMe, participants }));
  }

  /** Asks the page. Rejects with ConnectionLost if it does not answer in time. */
  async ask<T>(question: (page: WebClient) => Promise<T>, limitMs?: number): Promise<T> {
    return this.#retried((page) => this.#answered(question(page), limitMs));
  }

  async #answered<T>(answer: Promise<T>, limitMs = this.#parts.settings.answerTimeoutMs): Promise<T> {
    const { life } = this.#parts;
    const answered = await life.within(
      limitMs,
      answer.then((value) => ({ value })),
    );
    if (!answered) throw new ConnectionLost("the page does not answer");
    return answered.value;
  }

  /** Runs `work` on the connected page, again if it changes its document. Rejects with ConnectionLost if the engine ends. */
  async #retried<T>(work: (page: WebClient) => Promise<T>): Promise<T> {
    const { settings, life, online, page } = this.#parts;
    const { clock, reconnectTimeoutMs } = settings;
    const untilMs = clock.nowMs() + reconnectTimeoutMs;
    for (;;) {
      const client = page();
      if (!client) throw new ConnectionLost("the engine is not logged in");
      await life.within(reconnectTimeoutMs, online());
      if (life.closed) throw new ConnectionLost("the engine has ended");
      try {
        const result = await work(client);
        if (life.closed) throw new ConnectionLost("the engine has ended");
        return result;
      } catch (error) {
        if (life.closed) throw new ConnectionLost("the engine has ended", { cause: error });
        const refusal = refusalIn(error);
        if (refusal !== "between documents") throw refusal;
        if (clock.nowMs() > untilMs) throw new ConnectionLost("the page is not ready", { cause: error });
        await life.within(betweenDocumentsMs, new Promise<void>(() => {}));
      }
    }
  }
}

/** Returns an id in the form of WhatsApp's stanzas. */
const jidOf = (id: string): string => id.replace(/@c\.us$/, "@s.whatsapp.net");
