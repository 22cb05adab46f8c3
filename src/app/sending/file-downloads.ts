import { messageNameOf } from "../../domain/chat-address.ts";
import { invalidArgument, SessionError } from "../../domain/errors.ts";
import { FileGone, FileUnavailable, type MessageFile } from "../../ports/media.ts";
import { ConnectionLost } from "../../ports/sending.ts";
import type { Clock } from "../../ports/system.ts";
import type { MessageSender } from "./message-sender.ts";
import { withPassed } from "./passed-parts.ts";

/** Dependencies and limits of downloads. */
export interface FileDownloadsOptions {
  readonly sender: Pick<MessageSender, "messageFiles">;
  readonly clock: Clock;
  /** Size of a file, at most. */
  readonly maxBytes: number;
  /** Time for which a message's file can be fetched after it was sent; 0 for no limit. */
  readonly lifetimeMs: number;
  /** Called with the size of each part of a file that passes through this process. */
  passed?(bytes: number): void;
}

/** The files of messages, for callers. Nothing of a file is stored here: it comes from WhatsApp when it is asked for. */
export class FileDownloads {
  readonly #options: FileDownloadsOptions;

  constructor(options: FileDownloadsOptions) {
    this.#options = options;
  }

  /** Returns the file of a message by the id that events show. Rejects with a SessionError if it cannot be fetched. */
  async find(session: string, messageId: string, signal: AbortSignal): Promise<MessageFile> {
    const { sender, clock, maxBytes, lifetimeMs, passed } = this.#options;
    const name = messageNameOf(messageId, "id");
    if ("field" in name) throw invalidArgument([name]);
    const { chatId } = name;
    if (chatId === undefined) {
      throw invalidArgument([{ field: "id", description: "must be the id as events show it, with its chat" }]);
    }
    const files = await sender.messageFiles(session, signal);
    const file = await known(session, () => files.find({ ...name, chatId }));
    if (!file) throw new SessionError("FILE_NOT_FOUND", "No file of this message is known", { session, id: messageId });
    if (lifetimeMs > 0 && clock.wallMs() - file.sentAtMs > lifetimeMs) {
      throw new SessionError("FILE_GONE", "The lifetime of this file has ended", { session, id: messageId });
    }
    if (file.size > maxBytes) {
      throw new SessionError("FILE_TOO_LARGE", `The file is larger than ${maxBytes} bytes`, { session, id: messageId });
    }
    const open = (start: number, ending: AbortSignal) => known(session, () => file.open(start, ending));
    return { ...file, open: async (start, ending) => withPassed(await open(start, ending), passed) };
  }
}

/** Runs `work`; turns its failures into the errors that callers get. */
async function known<T>(session: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FileGone) throw new SessionError("FILE_GONE", `The file ${error.message}`, { session });
    if (error instanceof FileUnavailable) {
      throw new SessionError("FILE_UNAVAILABLE", `The file ${error.message}`, { session });
    }
    if (error instanceof ConnectionLost) {
      throw new SessionError("FILE_UNAVAILABLE", "The session is reconnecting; try again", { session });
    }
    throw error;
  }
}
