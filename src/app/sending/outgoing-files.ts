import type { OutgoingContent_File as File, OutgoingMessage } from "../../../gen/sessiond/store/v1/store_pb.js";
import { base64Step, plainBase64 } from "../../domain/base64.ts";
import { invalidArgument, SessionError } from "../../domain/errors.ts";
import { contradictedType, headBytes } from "../../domain/file-content.ts";
import { isUnsent } from "../../domain/outgoing.ts";
import {
  type FileFetcher,
  FileUnavailable,
  type Spool,
  type SpooledFile,
  type UploadsElsewhere,
} from "../../ports/media.ts";
import { SendRefused } from "../../ports/sending.ts";
import type { Clock } from "../../ports/system.ts";
import { withPassed } from "./passed-parts.ts";
import { Slots } from "./slots.ts";
import { nodeOfUpload, uploadIdAt, uploadIn } from "./upload-id.ts";

/** Place that a caller's file comes from. */
export type FileSource =
  | { readonly field: "file.url"; readonly url: string }
  | { readonly field: "file.data"; readonly base64: string }
  | { readonly field: "file.mediaId"; readonly mediaId: string };

/** A file that was uploaded to be sent later. */
export interface Upload {
  readonly id: string;
  readonly size: number;
  /** Unix time (ms). */
  readonly expiresAtMs: number;
}

/** Dependencies of the files. */
export interface OutgoingFilesOptions {
  readonly fetcher: Pick<FileFetcher, "fetch">;
  readonly spool: Spool;
  readonly clock: Clock;
  /** Left out where there are no other nodes. */
  readonly elsewhere?: UploadsElsewhere | undefined;
  /** Size of a file, at most. */
  readonly maxBytes: number;
  /** Called with the size of each part of a file that passes through this process. */
  passed?(bytes: number): void;
}

/** Files that arrive from URLs at the same time, at most, and files that are on their way to WhatsApp. */
const maxArriving = 16;
const maxLeaving = 4;
/** Time for which an uploaded file can be sent, and number of such files, at most. */
const uploadMs = 3_600_000;
const maxUploads = 1_000;

/** The files of messages that are to be sent: they go to the spool before the message is accepted, and leave it with the message. */
export class OutgoingFiles {
  readonly #options: OutgoingFilesOptions;
  readonly #arriving = new Slots(maxArriving);
  readonly #leaving = new Slots(maxLeaving);
  /** Uploaded files by their id, the oldest first. */
  readonly #uploads = new Map<string, { readonly session: string; readonly file: SpooledFile; cancel(): void }>();

  constructor(options: OutgoingFilesOptions) {
    this.#options = options;
  }

  /** Puts a caller's file into the spool. Rejects with INVALID_ARGUMENT, which names the field, if it cannot be had or sent. */
  async take(session: string, source: FileSource, file: File, signal: AbortSignal): Promise<File> {
    const { spool, passed } = this.#options;
    const open = () => withPassed(this.#open(session, source, signal), passed);
    const add = async () => spool.add(session, checked(open(), file.mimetype));
    try {
      const spooled = await ("url" in source ? this.#arriving.run(add) : add());
      if (spooled.size > 0) return { ...file, spoolId: spooled.id, spoolKey: spooled.key, size: BigInt(spooled.size) };
      await spool.remove(session, spooled.id);
      throw new FileUnavailable("is empty");
    } catch (error) {
      if (!(error instanceof FileUnavailable)) throw error;
      throw invalidArgument([{ field: source.field, description: error.message }]);
    }
  }

  /** Puts a file into the spool that a caller may send later. Rejects with INVALID_ARGUMENT if it is empty or too large. */
  async upload(session: string, content: AsyncIterable<Uint8Array>): Promise<Upload> {
    const { spool, clock, elsewhere, maxBytes, passed } = this.#options;
    try {
      const file = await spool.add(session, limited(withPassed(content, passed), maxBytes));
      const id = uploadIdAt(elsewhere?.self, file.id);
      const cancel = clock.schedule(uploadMs, () => void this.#forget(id));
      this.#uploads.set(id, { session, file, cancel });
      for (const oldest of this.#uploads.keys()) {
        if (this.#uploads.size <= maxUploads) break;
        await this.#forget(oldest);
      }
      return { id, size: file.size, expiresAtMs: clock.wallMs() + uploadMs };
    } catch (error) {
      if (!(error instanceof FileUnavailable)) throw error;
      throw invalidArgument([{ field: "content", description: error.message }]);
    }
  }

  /** Yields an uploaded file of a session for another node. Throws FILE_NOT_FOUND if this node has none of this id. */
  async *readUpload(session: string, id: string): AsyncGenerator<Uint8Array> {
    const upload = this.#uploads.get(id);
    if (upload?.session !== session) throw new SessionError("FILE_NOT_FOUND", noUpload);
    yield* this.#options.spool.read(session, upload.file);
  }

  /** Forgets all uploaded files. */
  async close(): Promise<void> {
    await Promise.all([...this.#uploads.keys()].map((id) => this.#forget(id)));
  }

  /** Yields the content of a message's file. Throws SendRefused if this machine no longer has it. */
  async *read(session: string, file: File): AsyncGenerator<Uint8Array> {
    try {
      yield* withPassed(this.#options.spool.read(session, spooledFile(file)), this.#options.passed);
    } catch (error) {
      if (!(error instanceof FileUnavailable)) throw error;
      throw new SendRefused("FILE_LOST", "the file of the message is no longer on this machine");
    }
  }

  /** Runs `work`, which sends a file, once few enough others are on their way. */
  leave<T>(work: () => Promise<T>): Promise<T> {
    return this.#leaving.run(work);
  }

  /** Removes the file of a message that needs it no longer: WhatsApp has it, or the message will not be sent. Never rejects. */
  async release(session: string, { content, encoded, state }: OutgoingMessage): Promise<void> {
    if (content?.kind.case !== "file" || (isUnsent(state) && encoded.length === 0)) return;
    await this.drop(session, content.kind.value);
  }

  /** Removes a file from the spool. Never rejects: what is left is removed when the session's messages are read. */
  async drop(session: string, { spoolId }: File): Promise<void> {
    if (spoolId !== "") await this.#options.spool.remove(session, spoolId).catch(() => {});
  }

  /** Removes the files that are left of an earlier process, except those of messages that are still to be sent. */
  async retain(session: string, unsent: readonly OutgoingMessage[]): Promise<void> {
    const ids = unsent.flatMap(({ content }) => (content?.kind.case === "file" ? content.kind.value.spoolId : []));
    await this.#options.spool.retain(session, ids).catch(() => {});
  }

  #open(session: string, source: FileSource, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const { fetcher, spool, elsewhere, maxBytes } = this.#options;
    if ("base64" in source) return decode(source.base64, maxBytes);
    const uploadId = ("url" in source ? uploadIn(source.url) : source.mediaId) ?? "";
    const upload = this.#uploads.get(uploadId);
    if (upload?.session === session) return spool.read(session, upload.file);
    const node = nodeOfUpload(uploadId);
    if (elsewhere && node !== undefined && node !== elsewhere.self) {
      return limited(elsewhere.read(node, session, uploadId, signal), maxBytes);
    }
    if ("url" in source) return fetcher.fetch(source.url, maxBytes, signal);
    throw new FileUnavailable(noUpload);
  }

  async #forget(id: string): Promise<void> {
    const upload = this.#uploads.get(id);
    this.#uploads.delete(id);
    upload?.cancel();
    if (upload) await this.#options.spool.remove(upload.session, upload.file.id).catch(() => {});
  }
}

const noUpload =
  "names no uploaded file of this session: an upload can be sent for an hour, while the node that took it runs";

const spooledFile = ({ spoolId: id, spoolKey: key, size }: File): SpooledFile => ({ id, key, size: Number(size) });

/** Yields a file as it is. Throws FileUnavailable if it is empty or too large. */
async function* limited(content: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const bytes of content) {
    size += bytes.length;
    if (size > maxBytes) throw new FileUnavailable(`must not be larger than ${maxBytes} bytes`);
    yield bytes;
  }
  if (size === 0) throw new FileUnavailable("is empty");
}

/** Yields the bytes of base64. Throws FileUnavailable if it is not base64, or has too many. */
async function* decode(text: string, maxBytes: number): AsyncGenerator<Uint8Array> {
  const base64 = plainBase64(text);
  if (base64 === undefined) throw new FileUnavailable("must be base64");
  const size = Math.floor((base64.replace(/=+$/, "").length * 3) / 4);
  if (size > maxBytes) throw new FileUnavailable(`must not be larger than ${maxBytes} bytes`);
  for (let at = 0; at < base64.length; at += base64Step) {
    yield Buffer.from(base64.slice(at, at + base64Step), "base64");
  }
}

/** Yields a file as it is. Throws INVALID_ARGUMENT before its first byte if it is of another type than its caller says. */
async function* checked(content: AsyncIterable<Uint8Array>, mimetype: string): AsyncGenerator<Uint8Array> {
  let head: Uint8Array = new Uint8Array();
  let isChecked = false;
  const check = () => {
    isChecked = true;
    const type = contradictedType(mimetype, head);
    if (type !== undefined) {
      const description = `says ${mimetype}, but the file is ${type}: send it with its own type`;
      throw invalidArgument([{ field: "file.mimetype", description }]);
    }
  };
  for await (const bytes of content) {
    if (isChecked) {
      yield bytes;
      continue;
    }
    head = Buffer.concat([head, bytes]);
    if (head.length < headBytes) continue;
    check();
    yield head;
  }
  if (isChecked) return;
  check();
  yield head;
}
