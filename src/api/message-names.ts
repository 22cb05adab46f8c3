import { chatIdOf } from "../domain/chat-address.ts";
import { invalidArgument } from "../domain/errors.ts";

/** Returns the chat id that a field names. Throws INVALID_ARGUMENT if it names none. */
export function chatOf(text: string, field = "chatId"): string {
  const chat = chatIdOf(text, field);
  if (typeof chat === "string") return chat;
  throw invalidArgument([chat]);
}

/** Returns the chat ids of the persons mentioned; "all" stays. */
export const mentionsOf = (mentions: readonly string[]): string[] =>
  mentions.map((mention) => (mention === "all" ? mention : chatOf(mention, "mentions")));
