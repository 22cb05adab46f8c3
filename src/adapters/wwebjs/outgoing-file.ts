import {
  type OutgoingContent_File as File,
  OutgoingContent_File_Kind as Kind,
} from "../../../gen/sessiond/store/v1/store_pb.js";
import type { PageFile } from "./page-sending.ts";

/** Size of the parts in which files go into the page and leave it: 1 MB as base64. */
export const chunkBytes = 768 * 1_024;
const unnamed = "file";

/** Options of whatsapp-web.js by the kind of a file. It has none for video notes. */
const kinds: Readonly<Partial<Record<Kind, PageFile["options"]>>> = {
  [Kind.IMAGE]: {},
  [Kind.VIDEO]: {},
  [Kind.DOCUMENT]: { sendMediaAsDocument: true },
  [Kind.VOICE]: { sendAudioAsVoice: true },
};

/** Returns a file as the page sends it; undefined for a kind that it cannot send. */
export function fileOf({ kind, mimetype, filename, size, waveform }: File): PageFile | undefined {
  const options = kinds[kind];
  return options && { name: filename || unnamed, mimetype, size: Number(size), options, waveform: [...waveform] };
}

/** Yields bytes in parts of 768 KiB; the last one may be shorter. */
export async function* chunksOf(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (let bytes of content) {
    while (length + bytes.length >= chunkBytes) {
      const rest = chunkBytes - length;
      yield Buffer.concat([...parts, bytes.subarray(0, rest)]);
      bytes = bytes.subarray(rest);
      [parts, length] = [[], 0];
    }
    parts.push(bytes);
    length += bytes.length;
  }
  if (length > 0) yield Buffer.concat(parts);
}
