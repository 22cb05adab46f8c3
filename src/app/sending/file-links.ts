import type { SessionRecord } from "../../../gen/sessiond/store/v1/store_pb.js";
import type {
  MessagePayload,
  MessagePayload_Media,
  MessagePayload_ReplyTo,
} from "../../../gen/sessiond/v1/event_pb.js";
import { essenceOf } from "../../domain/file-content.ts";
import { filePath, quotedIdOf } from "../../domain/file-url.ts";
import type { EngineFactory } from "../../ports/engine.ts";

/** Rules for the URLs of files. */
export interface FileLinksOptions {
  /** Returns the server's URL, as clients see it. */
  baseUrl(): string;
  readonly engines: readonly Pick<EngineFactory, "kind" | "abilities">[];
  /** False if no message shows its file. */
  readonly isEnabled: boolean;
  /** Media types, or their beginnings such as "image/", of files that are shown; empty: all. */
  readonly mimetypes: readonly string[];
}

/** Gives messages the URLs of their files. */
export class FileLinks {
  readonly #options: FileLinksOptions;

  constructor(options: FileLinksOptions) {
    this.#options = options;
  }

  /** Returns a message with the URLs of its file and of the one that it replies to; without those whose type is not shown. */
  link({ name, engine }: Pick<SessionRecord, "name" | "engine">, message: MessagePayload): MessagePayload {
    const { media: own, replyTo, ...rest } = message;
    if (!own && !replyTo?.media) return message;
    const isFetched = this.#options.engines.find(({ kind }) => kind === engine)?.abilities.includes("messageFiles");
    const linked = (media: MessagePayload_Media | undefined, id: string) => {
      if (!media || !this.#isShown(media)) return {};
      return { media: isFetched ? { ...media, url: this.#options.baseUrl() + filePath(name, id, media) } : media };
    };
    return { ...rest, ...linked(own, message.id), ...(replyTo && { replyTo: linkedReply(message, replyTo, linked) }) };
  }

  #isShown({ mimetype }: MessagePayload_Media): boolean {
    const { isEnabled, mimetypes } = this.#options;
    const type = essenceOf(mimetype);
    return isEnabled && (mimetypes.length === 0 || mimetypes.some((beginning) => type.startsWith(beginning)));
  }
}

function linkedReply(
  message: MessagePayload,
  { media, ...rest }: MessagePayload_ReplyTo,
  linked: (media: MessagePayload_Media | undefined, id: string) => { media?: MessagePayload_Media },
): MessagePayload_ReplyTo {
  return { ...rest, ...linked(media, quotedIdOf(message) ?? "") };
}
