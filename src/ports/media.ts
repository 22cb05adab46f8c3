import type { NamedMessage } from "./sending.ts";

/** A file cannot be had. The message is a phrase about it, such as "is empty" or "answered 404", without secrets. */
export class FileUnavailable extends Error {
  override readonly name = "FileUnavailable";
}

/** The file is no longer at WhatsApp, and the account's phone does not upload it again. The message is a phrase as in FileUnavailable. */
export class FileGone extends Error {
  override readonly name = "FileGone";
}

/** Fetches files from URLs that callers name. */
export interface FileFetcher {
  /**
   * Yields the content of an http or https URL. Nothing is sent to an address that the webhook guard refuses, also after redirects. Throws
   * FileUnavailable for every other outcome than a whole file of at most `maxBytes`.
   */
  fetch(url: string, maxBytes: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Closes all connections. Idempotent. */
  close(): Promise<void>;
}

/** A file in the spool. */
export interface SpooledFile {
  readonly id: string;
  /** Key that the file is encrypted with. A secret: nothing but the message that sends the file holds it. */
  readonly key: Uint8Array;
  /** Size of the content, bytes. */
  readonly size: number;
}

/** Files on this machine that wait to be sent. No content is on disk in clear. */
export interface Spool {
  /** Writes a file of a session under a new id and a new key. On disk when it resolves. Rejects with the error of `content`. */
  add(session: string, content: AsyncIterable<Uint8Array>): Promise<SpooledFile>;
  /** Yields the content from its start. Throws FileUnavailable if the file is not here, or was changed. */
  read(session: string, file: SpooledFile): AsyncIterable<Uint8Array>;
  /** Removes a file. Idempotent. */
  remove(session: string, id: string): Promise<void>;
  /** Removes the files that earlier processes have left of a session, except those with these ids. */
  retain(session: string, ids: readonly string[]): Promise<void>;
  /** Removes the files of sessions that are not among these. */
  retainSessions(sessions: readonly string[]): Promise<void>;
}

/** Uploaded files that lie at other nodes of a cluster. */
export interface UploadsElsewhere {
  /** Name of this node. */
  readonly self: string;
  /**
   * Yields the content of an upload of a session at a node. Throws FileUnavailable if that node has none of this id, and SessionError with
   * NODE_UNREACHABLE if it does not answer.
   */
  read(node: string, session: string, id: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** A file of a message at WhatsApp. */
export interface MessageFile {
  readonly mimetype: string;
  /** Name that its sender has given it; "" for none. */
  readonly filename: string;
  /** Size that its sender has stated, bytes. */
  readonly size: number;
  /** Unix time (ms) at which the message was sent. */
  readonly sentAtMs: number;
  /**
   * Asks WhatsApp for the content from byte `start` on, and resolves when it begins to arrive. A whole file that is not what its sender has
   * encrypted ends with an error. Rejects with FileUnavailable.
   */
  open(start: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
}

/** Engines that fetch the files of messages. */
export interface MessageFiles {
  /** Returns the file of a message; undefined if the engine knows no file of it. Rejects with ConnectionLost. */
  find(name: NamedMessage): Promise<MessageFile | undefined>;
}
