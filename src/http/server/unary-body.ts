import type { Readable } from "node:stream";
import type { HttpRequest } from "../exchange.ts";

/** A request body that is not one plain message. */
export interface OtherBody {
  /** The bytes that have been read. */
  readonly read: Uint8Array;
  /** True if they are the whole body. */
  readonly isComplete: boolean;
}

/** The messages that `readMessage` reads. */
export interface MessageRules {
  /** True if a message has a prefix of five bytes: its flags and its length. */
  readonly isEnveloped: boolean;
  readonly maxBytes: number;
}

const prefixBytes = 5;

/**
 * Reads the only message of a request. Resolves to an OtherBody, and stops reading, once the body cannot be a single uncompressed
 * message of at most `maxBytes`. Stays pending if the client leaves before.
 */
export function readMessage(req: HttpRequest, rules: MessageRules): Promise<Uint8Array | OtherBody> {
  // An HTTP/2 request buffers the bytes of its stream a second time.
  const source: Readable = "stream" in req ? req.stream : req;
  return new Promise((resolve) => {
    const chunks: Uint8Array[] = [];
    let length = 0;

    function onData(chunk: Uint8Array): void {
      chunks.push(chunk);
      length += chunk.byteLength;
      if (isPlainSoFar(chunks, length, rules)) return;
      source.off("data", onData).off("end", onEnd);
      // The request is read on from here.
      if (source === req) req.pause();
      else req.read(0);
      resolve({ read: joined(chunks, length), isComplete: false });
    }

    function onEnd(): void {
      const bytes = joined(chunks, length);
      const promised = req.headers["content-length"];
      if (promised !== undefined && Number(promised) !== length) resolve({ read: bytes, isComplete: true });
      else resolve(messageIn(bytes, rules) ?? { read: bytes, isComplete: true });
    }

    // A stream of HTTP/2 without data ends by itself.
    if (source.readableEnded) onEnd();
    else source.on("data", onData).on("end", onEnd);
  });
}

function isPlainSoFar(chunks: Uint8Array[], length: number, { isEnveloped, maxBytes }: MessageRules): boolean {
  if (!isEnveloped) return length <= maxBytes;
  if (length < prefixBytes) return true;
  const [first = new Uint8Array()] = chunks;
  const start = first.byteLength < prefixBytes ? joined(chunks, length) : first;
  const announced = announcedBytes(start);
  return start[0] === 0 && announced <= maxBytes && length <= prefixBytes + announced;
}

/** Returns the message of a whole body; undefined if the body is not one message. */
function messageIn(bytes: Uint8Array, { isEnveloped }: MessageRules): Uint8Array | undefined {
  if (!isEnveloped) return bytes;
  const isWhole = bytes.byteLength >= prefixBytes && bytes.byteLength === prefixBytes + announcedBytes(bytes);
  return isWhole ? bytes.subarray(prefixBytes) : undefined;
}

/** Returns the length of a message by its prefix. */
const announcedBytes = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const [first] = chunks;
  return first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks, length);
}
