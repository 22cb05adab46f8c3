import type { Violation } from "./errors.ts";

/** Servers of chats that can be written to, and the server that events show. */
const servers: Readonly<Record<string, string>> = {
  "c.us": "c.us",
  "s.whatsapp.net": "c.us",
  lid: "lid",
  "g.us": "g.us",
  newsletter: "newsletter",
  broadcast: "broadcast",
};

/** Forms of the part before the "@", by server. */
const users: Readonly<Record<string, RegExp>> = {
  "c.us": /^\d{5,15}$/,
  lid: /^\d{1,20}$/,
  "g.us": /^\d{5,25}(-\d{5,15})?$/,
  newsletter: /^\d{5,25}$/,
  broadcast: /^(status|\d{5,25})$/,
};

/** Characters that people put into phone numbers. */
const separators = /[\s\p{Pd}.()+]/gu;

/**
 * Returns the chat id that a caller names: a JID of any form, or a phone number alone. Otherwise the rule that it breaks. `field`: name of
 * the field that holds it.
 */
export function chatIdOf(text: string, field = "chatId"): string | Violation {
  const trimmed = text.trim();
  if (trimmed === "") return { field, description: "must not be empty" };
  const at = trimmed.lastIndexOf("@");
  const host = at < 0 ? "c.us" : trimmed.slice(at + 1).toLowerCase();
  const server = Object.hasOwn(servers, host) ? servers[host] : undefined;
  if (server === undefined) {
    return { field, description: "must end with @c.us, @lid, @g.us, @newsletter or @broadcast" };
  }
  const user = (at < 0 ? trimmed : trimmed.slice(0, at)).replace(server === "c.us" ? separators : "", "");
  // A device of a person stands for the person.
  const [name = ""] = server === "c.us" || server === "lid" ? user.split(/[:_]/, 1) : [user];
  if (users[server]?.test(name)) return `${name}@${server}`;
  const example = server === "g.us" ? "123456789012345678@g.us" : `11111111111@${server}`;
  return { field, description: `must be a chat id such as ${example}` };
}

/** Returns true for a chat id that belongs to one person. */
export const isPersonId = (chatId: string): boolean => chatId.endsWith("@c.us") || chatId.endsWith("@lid");

/** Returns true for the chat id of a group. */
export const isGroupId = (chatId: string): boolean => chatId.endsWith("@g.us");

/** A message as callers name it. Parts that WhatsApp's id alone does not contain are undefined. */
export interface MessageName {
  readonly id: string;
  readonly fromMe?: boolean;
  readonly chatId?: string;
  readonly participant?: string;
}

/**
 * Returns the message that a caller names: as events show ids, "false_11111111111@c.us_AAAA", in a group with the author at the end, or
 * WhatsApp's id alone. Otherwise the rule that it breaks.
 */
export function messageNameOf(text: string, field: string): MessageName | Violation {
  const [fromMe = "", chat = "", id = "", author] = text.trim().split("_");
  if (fromMe !== "true" && fromMe !== "false") {
    return isMessageId(text.trim()) ? { id: text.trim() } : { field, description: notAnId };
  }
  const chatId = chatIdOf(chat, field);
  const participant = author === undefined ? undefined : chatIdOf(author, field);
  if (typeof chatId !== "string" || !isMessageId(id)) return { field, description: notAnId };
  if (participant !== undefined && typeof participant !== "string") return { field, description: notAnId };
  return { id, fromMe: fromMe === "true", chatId, ...(participant !== undefined && { participant }) };
}

const notAnId = "must be a message id such as false_11111111111@c.us_3EB0ABCDEF0123456789";

/** Returns true for the form of WhatsApp's message ids. */
export const isMessageId = (text: string): boolean => /^[0-9A-Za-z.:-]{1,64}$/.test(text);
