import type { SessionRecord } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { MessagePayload } from "../../../gen/sessiond/v1/event_pb.js";
import { essenceOf } from "../../domain/file-content.ts";
import { filePath } from "../../domain/file-url.ts";
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

  /** Returns a message with the URL of its file, or without its file if files of this type are not shown. */
  link({ name, engine }: Pick<SessionRecord, "name" | "engine">, message: MessagePayload): MessagePayload {
    const { baseUrl, engines, isEnabled, mimetypes } = this.#options;
    const { media, id } = message;
    if (!media) return message;
    const type = essenceOf(media.mimetype);
    const isShown = isEnabled && (mimetypes.length === 0 || mimetypes.some((beginning) => type.startsWith(beginning)));
    const isFetched = engines.find(({ kind }) => kind === engine)?.abilities.includes("messageFiles") ?? false;
    if (!isShown) {
      const { media: _, ...rest } = message;
      return rest;
    }
    return isFetched ? { ...message, media: { ...media, url: baseUrl() + filePath(name, id, media) } } : message;
  }
}
