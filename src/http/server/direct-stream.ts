import type { Writable } from "node:stream";
import { type DescMessage, type Message, toBinary, toJsonString } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextValues,
  createContextKey,
  createContextValues,
  type Interceptor,
  type StreamResponse,
} from "@connectrpc/connect";
import {
  type Compression,
  encodeEnvelope,
  envelopeCompress,
  type UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import { endStreamFlag, endStreamToJson } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { drained, type HttpResponse, isGone } from "../exchange.ts";

// The library passes each message of a stream through ten generators, and keeps them for as long as the stream is open. Here it
// begins a stream, with all that there is to negotiate and to refuse, and the rest is written without it: three quarters of the
// memory of an open stream, and half the time to tell a thousand of them (`npm run bench:streams`).

/** A stream whose first message the library has been given. */
interface BegunStream {
  readonly messages: AsyncIterator<Message>;
  readonly output: DescMessage;
  readonly trailer: Headers;
}

/** One call that can be taken from the library once it has begun. */
export class DirectCall {
  stream: BegunStream | undefined;
  /** For the library to hand to `handingOver`. */
  readonly contextValues: ContextValues = createContextValues().set(callKey, this);
}

const callKey = createContextKey<DirectCall | undefined>(undefined);

/** Outermost: takes note of what is left of a stream after its first message. One with a deadline stays with the library, which ends it. */
export const handingOver: Interceptor = (next) => async (req) => {
  const res = await next(req);
  const call = req.contextValues.get(callKey);
  const hasDeadline = req.header.has("grpc-timeout") || req.header.has("connect-timeout-ms");
  if (!call || !res.stream || hasDeadline || res.method.methodKind !== "server_streaming") return res;
  return { ...res, message: firstOf(res, call) };
};

async function* firstOf({ message, method, trailer }: StreamResponse, call: DirectCall): AsyncGenerator<Message> {
  const messages = message[Symbol.asyncIterator]();
  const first = await messages.next();
  if (first.done) return;
  call.stream = { messages, output: method.output, trailer };
  yield first.value;
}

/** How messages become bytes: what the library has agreed on with the client. */
export interface Encoding {
  readonly contentType: string;
  readonly compression: Compression | null;
}

/** Sends what the library has made of the first message. Apart from what follows, which would keep all that the library holds. */
export async function sendFirst(
  { status, header = new Headers(), body }: UniversalServerResponse,
  res: HttpResponse,
  compressions: readonly Compression[],
): Promise<Encoding> {
  const chunk = await body?.[Symbol.asyncIterator]().next();
  res.statusCode = status;
  for (const [name, value] of header) res.setHeader(name, value);
  if (chunk && !chunk.done) await write(res, chunk.value);
  const name = header.get("grpc-encoding") ?? header.get("connect-content-encoding");
  return {
    contentType: header.get("content-type") ?? "",
    compression: compressions.find((one) => one.name === name) ?? null,
  };
}

/** Sends the other messages of a stream, and how it ended. */
export async function sendRest(stream: BegunStream, encoding: Encoding, res: HttpResponse): Promise<void> {
  const { messages, output, trailer } = stream;
  let error: ConnectError | undefined;
  try {
    for (let next = await messages.next(); !next.done && !isGone(res); next = await messages.next()) {
      await write(res, await frame(next.value, output, encoding));
    }
  } catch (thrown) {
    error = thrown instanceof ConnectError ? thrown : new ConnectError("internal error", Code.Internal);
  }
  messages.return?.()?.catch(() => {});
  if (!isGone(res)) end(res, encoding.contentType, trailer, error);
}

/** Smaller messages are not worth it: the library's own measure. */
const compressMinBytes = 1024;

async function frame(message: Message, output: DescMessage, { contentType, compression }: Encoding) {
  const isJson = contentType.endsWith("+json");
  const data = isJson ? new TextEncoder().encode(toJsonString(output, message)) : toBinary(output, message);
  if (!compression || data.byteLength < compressMinBytes) return encodeEnvelope(0, data);
  const compressed = await envelopeCompress({ flags: 0, data }, compression, compressMinBytes);
  return encodeEnvelope(compressed.flags, compressed.data);
}

function end(res: HttpResponse, contentType: string, trailer: Headers, error: ConnectError | undefined): void {
  if (contentType.startsWith("application/connect+")) {
    res.end(
      encodeEnvelope(
        endStreamFlag,
        new TextEncoder().encode(JSON.stringify(endStreamToJson(trailer, error, undefined))),
      ),
    );
    return;
  }
  setTrailerStatus(trailer, error);
  if (contentType.startsWith("application/grpc-web")) {
    res.end(encodeEnvelope(trailerFlag, trailerSerialize(trailer)));
  } else {
    res.addTrailers(Object.fromEntries(trailer));
    res.end();
  }
}

async function write(res: HttpResponse, bytes: Uint8Array): Promise<void> {
  const out: Writable = res;
  if (!isGone(res) && !out.write(bytes) && !isGone(res)) await drained(out);
}
