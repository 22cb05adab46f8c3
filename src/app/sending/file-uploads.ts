import type { MessageSender } from "./message-sender.ts";
import type { OutgoingFiles, Upload } from "./outgoing-files.ts";

/** Dependencies of uploads. */
export interface FileUploadsOptions {
  readonly sender: Pick<MessageSender, "list">;
  readonly files: Pick<OutgoingFiles, "upload">;
  /** Returns the server's URL, as clients see it. */
  baseUrl(): string;
}

/** Files that callers upload to send them later. */
export class FileUploads {
  readonly #options: FileUploadsOptions;

  constructor(options: FileUploadsOptions) {
    this.#options = options;
  }

  /** Stores a file for a session, and returns the names under which the session can send it. */
  async store(session: string, content: AsyncIterable<Uint8Array>): Promise<Upload & { readonly url: string }> {
    const { sender, files, baseUrl } = this.#options;
    await sender.list(session, { limit: 0 });
    const upload = await files.upload(session, content);
    return { ...upload, url: `${baseUrl()}/api/${encodeURIComponent(session)}/media/${upload.id}` };
  }
}
