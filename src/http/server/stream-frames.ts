import { type DescMessage, type Message, toBinary, toJsonString } from "@bufbuild/protobuf";
import { type Compression, encodeEnvelope, envelopeCompress } from "@connectrpc/connect/protocol";

/** Content type and compression that Connect has negotiated with the client. */
export interface Encoding {
  readonly contentType: string;
  readonly compression: Compression | null;
}

/** Returns a message of a stream as it is sent; a promise if it has to be compressed. */
export type Framer = (message: Message) => Uint8Array | Promise<Uint8Array>;

/** Smaller messages are sent uncompressed, as by Connect. */
const compressMinBytes = 1024;

/** Frames of frozen messages, by the format of the stream. Many streams send the same message. */
const frames = new Map<string, WeakMap<Message, Uint8Array | Promise<Uint8Array>>>();

/** Creates the framer of a stream. The frame of a frozen message, which is frozen throughout, is made once for all streams. */
export function createFramer(output: DescMessage, { contentType, compression }: Encoding): Framer {
  const isJson = contentType.endsWith("+json");
  const makeFrame: Framer = (message) => {
    const data = isJson ? new TextEncoder().encode(toJsonString(output, message)) : toBinary(output, message);
    return compression && data.byteLength >= compressMinBytes ? compressed(data, compression) : envelope(0, data);
  };
  const known = framesIn(`${isJson ? "json" : "proto"} ${compression?.name ?? "identity"}`);
  return (message) => {
    if (!Object.isFrozen(message)) return makeFrame(message);
    const stored = known.get(message);
    if (stored !== undefined) return stored;
    const frame = makeFrame(message);
    known.set(message, frame);
    return frame;
  };
}

function framesIn(format: string) {
  const known = frames.get(format) ?? new WeakMap<Message, Uint8Array | Promise<Uint8Array>>();
  frames.set(format, known);
  return known;
}

async function compressed(data: Uint8Array, compression: Compression): Promise<Uint8Array> {
  const enveloped = await envelopeCompress({ flags: 0, data }, compression, compressMinBytes);
  return envelope(enveloped.flags, enveloped.data);
}

/** Returns a Buffer, since Node.js would wrap another Uint8Array in one for each write. */
function envelope(flags: number, data: Uint8Array): Uint8Array {
  const { buffer } = encodeEnvelope(flags, data);
  return Buffer.from(buffer);
}
