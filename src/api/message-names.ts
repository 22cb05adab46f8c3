import { chatIdOf, isPersonId } from "../domain/chat-address.ts";
import { invalidArgument } from "../domain/errors.ts";

/** Returns the chat id that a field names. Throws INVALID_ARGUMENT if it names none. */
export function chatOf(text: string, field = "chatId"): string {
  const chat = chatIdOf(text, field);
  if (typeof chat === "string") return chat;
  throw invalidArgument([chat]);
}

/** Returns the chat ids of the persons mentioned; "all" stays. Throws INVALID_ARGUMENT if one is no person's. */
export const mentionsOf = (mentions: readonly string[]): string[] =>
  mentions.map((mention) => (mention === "all" ? mention : personOf(mention)));

function personOf(mention: string): string {
  const person = chatOf(mention, "mentions");
  if (isPersonId(person)) return person;
  throw invalidArgument([{ field: "mentions", description: 'must be chat ids of persons, or "all" in a group' }]);
}
