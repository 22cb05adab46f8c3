import { isPersonId } from "../../domain/chat-address.ts";
import { invalidArgument } from "../../domain/errors.ts";
import { ConnectionLost, type Sending } from "../../ports/sending.ts";

/**
 * Rejects with INVALID_ARGUMENT if persons are mentioned who are not in a chat. The engine checks again when it sends, so a message that
 * waits for it passes here.
 */
export async function refuseStrangers(
  sending: Sending | undefined,
  chatId: string,
  mentions: readonly string[],
): Promise<void> {
  if (mentions.length === 0) return;
  if (mentions.includes("all") && isPersonId(chatId)) throw wrong('must be chat ids of persons: "all" is for groups');
  const strangers = (await sending?.strangers?.(chatId, mentions).catch(skipIfLost)) ?? [];
  if (strangers.length > 0) throw wrong(`must be persons in the chat, and ${strangers.join(", ")} is not`);
}

const wrong = (description: string) => invalidArgument([{ field: "mentions", description }]);

function skipIfLost(error: unknown): undefined {
  if (!(error instanceof ConnectionLost)) throw error;
}
