import type { OutgoingMessage } from "../../gen/sessiond/store/v1/store_pb.js";
import type { MessagePayload_Ack, MessagePayload_Key } from "../../gen/sessiond/v1/event_pb.js";
import type { MessageCapping, ReachoutTimelock } from "../../gen/sessiond/v1/session_pb.js";

/** Result of handing a message to WhatsApp. */
export interface SentMessage {
  /** JID that it was sent to. */
  readonly jid: string;
  /** The message as the engine encoded it, to be stored for recipients that ask again. Empty for engines that store it themselves. */
  readonly encoded: Uint8Array;
}

/** WhatsApp refused a message, or the engine cannot send it. It has not been delivered. The message of the error contains no secret. */
export class SendRefused extends Error {
  override readonly name = "SendRefused";
  /** A word such as "NO_ACCOUNT", "REACHOUT_LOCKED", "STALE_DEVICES", "RATE" or "MEDIA_REFUSED". */
  readonly reason: string;
  /** Unix time (ms) before which another try is refused too, if it is known. */
  readonly untilMs: number | undefined;

  constructor(reason: string, message: string, untilMs?: number) {
    super(message);
    this.reason = reason;
    this.untilMs = untilMs;
  }
}

/** The engine's connection has ended, or does not answer. The message has to be sent again by the next engine. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

/** The report of WhatsApp on a message that was sent. The engine sends it as an EngineEvent. */
export interface AckReport {
  /** WhatsApp's id of the message. */
  readonly id: string;
  readonly ack: MessagePayload_Ack;
  /** Chat id of the chat, where the report tells it: the message may come from another device of the account. */
  readonly chatId?: string;
  /** Chat id of the participant that it is about, in a group. */
  readonly participant?: string;
  /** With ACK_ERROR: a word as in SendRefused. */
  readonly reason?: string;
}

/** A message of a chat as callers name it. */
export interface NamedMessage {
  /** WhatsApp's id. */
  readonly id: string;
  readonly chatId: string;
  /** Undefined if the caller did not say it. */
  readonly fromMe?: boolean | undefined;
  readonly participant?: string | undefined;
}

/** Opens the content of a file message, in clear, from its start. May be called again. Throws SendRefused if it is lost. */
export type OpenFile = () => AsyncIterable<Uint8Array>;
/** WhatsApp's limits on an account, as an engine knows them. */
export interface AccountLimits {
  /** Asks WhatsApp for its lock on new chats. A change is reported as `me_changed` too. */
  timelock(): Promise<ReachoutTimelock>;
  /** Asks WhatsApp for the quota of messages that start chats. A change is reported as `me_changed` too. */
  capping(): Promise<MessageCapping>;
  /** Returns true if a message to this chat would start it: the person has sent the account none, as far as is known. */
  isNewChat(chatId: string): Promise<boolean>;
}

/** Engines that send messages. All methods reject with ConnectionLost if the engine is not logged in or closes. */
export interface Sending {
  /** Left out by engines that do not know the limits. */
  readonly limits?: AccountLimits | undefined;
  /** Returns a new message id of the engine's form. */
  newId(): string;
  /**
   * Brings the file of a message to WhatsApp, and returns the message as the engine encodes it. The message is stored with that before it
   * is sent, so the file is not needed again. Left out by engines that take the file with the message.
   */
  upload?(message: OutgoingMessage, file: OpenFile): Promise<Uint8Array>;
  /**
   * Hands a message to WhatsApp under its id, and resolves when it has left this machine; WhatsApp's acknowledgement comes as a report.
   * Safe to repeat with the same id. Engines without `upload` get the file. Rejects with SendRefused or ConnectionLost.
   */
  send(message: OutgoingMessage, file?: OpenFile): Promise<SentMessage>;
  /** Returns the chat id by which events show a chat: a person's number instead of the LID, if it is known. Left out: each has one. */
  chatIdOf?(chatId: string): Promise<string>;
  /** Returns the key of a message that another one can reply or react to; undefined if the engine does not know the message. */
  findMessage(name: NamedMessage): Promise<MessagePayload_Key | undefined>;
  /** Returns those of these persons (chat ids, and "all") who are not in a chat. Left out by engines that cannot tell. */
  strangers?(chatId: string, mentions: readonly string[]): Promise<string[]>;
  /** Marks messages of a chat as read: WhatsApp's ids, or all that are unread if empty. */
  markSeen(chatId: string, ids: readonly string[], participant?: string): Promise<void>;
  /** Shows or hides that the account is typing. */
  setTyping(chatId: string, isTyping: boolean): Promise<void>;
  /** Looks up the account of a phone number (digits); undefined if it has none. */
  findAccount(phoneNumber: string): Promise<{ chatId: string; lid?: string } | undefined>;
}
