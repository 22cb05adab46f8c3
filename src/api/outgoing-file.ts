import { create } from "@bufbuild/protobuf";
import {
  type OutgoingContent_File_Kind as FileKind,
  type OutgoingContent,
  OutgoingContentSchema,
} from "../../gen/sessiond/store/v1/store_pb.js";
import type { OutgoingFile, UploadMediaRequest } from "../../gen/sessiond/v1/message_service_pb.js";
import type { FileSource } from "../app/sending/outgoing-files.ts";
import { invalidArgument } from "../domain/errors.ts";
import { cleanName, mimetypeProblem, nameInUrl } from "../domain/file-content.ts";
import { mentionsOf } from "./message-names.ts";

/** Fields of requests that send a file. */
export interface FileFields {
  readonly file?: OutgoingFile | undefined;
  readonly caption: string;
  readonly mentions: readonly string[];
  readonly seconds?: number;
  readonly waveform?: Uint8Array;
}

/** Returns a file message, still without its file, and where the file comes from. Throws INVALID_ARGUMENT. */
export function fileOf(
  { file, caption, mentions, seconds = 0, waveform = new Uint8Array() }: FileFields,
  kind: FileKind,
): { source: FileSource; content: OutgoingContent } {
  const { mimetype = "", filename = "", url = "", data = "", mediaId = "" } = file ?? {};
  const problem = mimetypeProblem(mimetype.trim(), kind);
  if (problem !== undefined) throw invalidArgument([{ field: "file.mimetype", description: problem }]);
  const value = {
    kind,
    mimetype: mimetype.trim(),
    filename: cleanName(filename) || nameInUrl(url),
    caption,
    seconds,
    waveform,
  };
  return {
    source:
      url !== ""
        ? { field: "file.url", url }
        : mediaId !== ""
          ? { field: "file.mediaId", mediaId }
          : { field: "file.data", base64: data },
    content: create(OutgoingContentSchema, { kind: { case: "file", value }, mentions: mentionsOf(mentions) }),
  };
}

/** Returns the session that the first message of an upload names, and the content of all. Throws INVALID_ARGUMENT if it names none. */
export async function splitUpload(
  requests: AsyncIterable<UploadMediaRequest>,
): Promise<{ session: string; content: AsyncIterable<Uint8Array> }> {
  const each = requests[Symbol.asyncIterator]();
  const { value: first } = await each.next();
  if (!first || first.session === "") throw invalidArgument([{ field: "session", description: "must not be empty" }]);
  async function* content(from: UploadMediaRequest): AsyncGenerator<Uint8Array> {
    yield from.content;
    for (let next = await each.next(); !next.done; next = await each.next()) yield next.value.content;
  }
  return { session: first.session, content: content(first) };
}
