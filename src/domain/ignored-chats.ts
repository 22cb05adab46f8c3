import type { IgnoreConfig } from "../../gen/sessiond/v1/session_pb.js";
import type { MessageChange } from "./session-input.ts";

/** Kinds of chats that a session can ignore. */
export type IgnoredChats = Readonly<Partial<Pick<IgnoreConfig, "status" | "groups" | "channels" | "broadcast">>>;

const statusId = "status@broadcast";

/** Returns true if nothing of a chat is to be reported. */
export function isIgnored(chatId: string, { status, groups, channels, broadcast }: IgnoredChats): boolean {
  if (chatId === statusId) return status === true;
  if (chatId.endsWith("@g.us")) return groups === true;
  if (chatId.endsWith("@newsletter")) return channels === true;
  return chatId.endsWith("@broadcast") && broadcast === true;
}

/** Returns the chat that the change of a message is about. */
export function chatOfChange(change: MessageChange): string {
  switch (change.case) {
    case "messageReaction":
      return chatOfMessage(change.value);
    case "messageEdited":
      return chatOfMessage(change.value.message);
    case "messageRevoked":
      return chatOfMessage(change.value.after);
  }
}

/** Returns the chat of a message as events show it. */
export const chatOfMessage = (
  message: { readonly fromMe: boolean; readonly from: string; readonly to: string } | undefined,
): string => (message ? (message.fromMe ? message.to : message.from) : "");
