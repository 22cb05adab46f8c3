import { randomUUID } from "node:crypto";
import { FileGone, FileUnavailable, type MessageFile, type MessageFiles } from "../../ports/media.ts";
import type { NamedMessage } from "../../ports/sending.ts";
import type { WebClient } from "./client.ts";
import { chunkBytes } from "./outgoing-file.ts";
import { Semaphore } from "./semaphore.ts";

/** Files that the page holds at the same time, at most: each is in its memory as a whole. */
const maxOpen = 2;
/** Time for the page to fetch a file. */
const fetchLimitMs = 120_000;

/** The parts of an engine that files are fetched with. */
export interface MessageFilesParts {
  /** Returns the key of a message in the page; undefined if the page does not have it. */
  find(name: NamedMessage): Promise<{ readonly key: string } | undefined>;
  /** Asks the page. Rejects with ConnectionLost if it does not answer in time. */
  ask<T>(question: (page: WebClient) => Promise<T>, limitMs?: number): Promise<T>;
}

/** Fetches the files of messages through the page, which decrypts them. */
export class WebMessageFiles implements MessageFiles {
  readonly #parts: MessageFilesParts;
  readonly #open = new Semaphore(maxOpen);

  constructor(parts: MessageFilesParts) {
    this.#parts = parts;
  }

  async find(name: NamedMessage): Promise<MessageFile | undefined> {
    const { find, ask } = this.#parts;
    const message = await find(name);
    const file = message && (await ask((page) => page.describeFile(message.key)));
    if (!file) return undefined;
    const { mimetype, filename, size, t } = file;
    return {
      mimetype: mimetype || "application/octet-stream",
      filename,
      size,
      sentAtMs: t * 1_000,
      open: (start, signal) => this.#read(message.key, start, signal),
    };
  }

  /** Has the page fetch a file, and returns its content from `start` on. */
  async #read(key: string, start: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const { ask } = this.#parts;
    const id = randomUUID();
    const release = await this.#open.acquire(signal);
    const close = once(() => {
      signal.removeEventListener("abort", close);
      release();
      void ask((page) => page.closeFile(id)).catch(() => {});
    });
    // The content of an aborted call may never be read.
    signal.addEventListener("abort", close, { once: true });
    try {
      const size = await ask((page) => page.openFile(key, id), fetchLimitMs);
      if (size === "gone") throw new FileGone("is no longer at WhatsApp, and the phone did not upload it again");
      if (size === "unavailable") throw new FileUnavailable("could not be fetched by the page; try again");
      return this.#partsOf(id, start, size, close);
    } catch (error) {
      close();
      throw error;
    }
  }

  async *#partsOf(id: string, start: number, size: number, close: () => void): AsyncGenerator<Uint8Array> {
    try {
      for (let at = start; at < size; at += chunkBytes) {
        const part = await this.#parts.ask((page) => page.readFile(id, at, chunkBytes));
        if (!part) throw new FileUnavailable("stopped arriving: the page has begun anew");
        yield part;
      }
    } finally {
      close();
    }
  }
}

/** Returns a function that runs `work` at its first call only. */
function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}
