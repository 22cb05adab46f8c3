import type { WAMessage } from "@whiskeysockets/baileys";
import { FileGone, type MessageFile, type MessageFiles } from "../../ports/media.ts";
import { ConnectionLost, type NamedMessage } from "../../ports/sending.ts";
import type { Clock } from "../../ports/system.ts";
import type { Connection } from "./connection.ts";
import { fileIn, mimetypeOf, type ShownFile, sizeOf } from "./media-content.ts";
import { download } from "./media-download.ts";
import type { MediaRoute } from "./media-host.ts";
import type { ReceivedFiles } from "./received-files.ts";
import type { SentMessages } from "./sent-messages.ts";

/** Time for the phone to upload a file again. */
const phoneLimitMs = 20_000;

/** The parts of an engine that files are fetched with. */
export interface MessageFilesParts {
  readonly clock: Clock;
  readonly sent: SentMessages;
  /** Undefined until the login is read. */
  received(): ReceivedFiles | undefined;
  mediaRoute(): MediaRoute;
  connection(): Connection | undefined;
  /** Remembers a message whose file has another place. */
  remember(message: WAMessage): void;
}

/** Fetches the files of messages from WhatsApp's hosts. */
export class BaileysMessageFiles implements MessageFiles {
  readonly #parts: MessageFilesParts;

  constructor(parts: MessageFilesParts) {
    this.#parts = parts;
  }

  async find({ id, chatId, fromMe }: NamedMessage): Promise<MessageFile | undefined> {
    const { received, sent, clock } = this.#parts;
    const { people } = this.#connection();
    const other = await people.otherOf(chatId);
    const chats = other === undefined ? [chatId] : [chatId, other];
    const known = await received()?.find(id, chats);
    if (known) return this.#file(known.message, known.sentAtMs);
    const key = fromMe === false ? undefined : await sent.keyOf(id, chats);
    const message = key && (await sent.contentOf(id));
    return message && this.#file({ key, message }, clock.wallMs());
  }

  #file(message: WAMessage, sentAtMs: number): MessageFile | undefined {
    const file = fileIn(message.message);
    if (!file) return undefined;
    return {
      mimetype: mimetypeOf(file.fields),
      filename: file.fields.fileName ?? "",
      size: sizeOf(file.fields),
      sentAtMs,
      open: async (start, signal) => {
        try {
          return await this.#download(file, start, signal);
        } catch (error) {
          if (!(error instanceof FileGone)) throw error;
          return this.#download(await this.#uploadedAgain(message), start, signal);
        }
      },
    };
  }

  async #download(file: ShownFile, start: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const { socket } = this.#connection();
    const { hosts } = await socket.refreshMediaConn(false);
    const route = this.#parts.mediaRoute();
    return download(file, start, { hosts: hosts.map(({ hostname }) => hostname), route, signal });
  }

  /** Asks the phone for a file that WhatsApp has removed. Rejects with FileGone. */
  async #uploadedAgain(message: WAMessage): Promise<ShownFile> {
    const { clock, remember } = this.#parts;
    const { socket } = this.#connection();
    const late = Promise.withResolvers<undefined>();
    const cancel = clock.schedule(phoneLimitMs, () => late.resolve(undefined));
    const updated = socket.updateMediaMessage(message).catch(() => undefined);
    const found = fileIn((await Promise.race([updated, late.promise]))?.message);
    cancel();
    if (!found) throw new FileGone("is no longer at WhatsApp, and the phone did not upload it again");
    remember(message);
    return found;
  }

  #connection(): Connection {
    const connection = this.#parts.connection();
    if (connection) return connection;
    throw new ConnectionLost("the engine is not logged in");
  }
}
