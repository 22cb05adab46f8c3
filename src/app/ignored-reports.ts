import type { SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import { chatOfChange, chatOfMessage, isIgnored } from "../domain/ignored-chats.ts";
import type { EngineEvent } from "../ports/engine.ts";
import type { RunnerDeps } from "./runner-deps.ts";

/** Returns true for the chat of a session of which nothing is reported. */
export const isIgnoredChat = (chatId: string, { config }: SessionRecord, deps: Pick<RunnerDeps, "ignore">): boolean =>
  isIgnored(chatId, config?.ignore ?? deps.ignore ?? {});

/** Returns true for a report on a message of such a chat. */
export function isIgnoredReport(event: EngineEvent, record: SessionRecord, deps: Pick<RunnerDeps, "ignore">): boolean {
  switch (event.type) {
    case "message":
      return isIgnoredChat(chatOfMessage(event.message), record, deps);
    case "message_change":
      return isIgnoredChat(chatOfChange(event.change), record, deps);
    default:
      return false;
  }
}
