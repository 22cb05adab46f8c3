import type { Writable } from "node:stream";
import type { DescMessage, Message } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextValues,
  createContextKey,
  createContextValues,
  type Interceptor,
  type StreamResponse,
} from "@connectrpc/connect";
import { type Compression, encodeEnvelope, type UniversalServerResponse } from "@connectrpc/connect/protocol";
import { endStreamFlag, endStreamToJson } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { type HttpResponse, isGone, waitForDrain } from "../exchange.ts";
import { createFramer, type Encoding } from "./stream-frames.ts";

// Connect passes each message of a stream through ten generators and holds them while the stream is open. Here Connect negotiates a
// stream and sends its first message; the rest is written directly. An open stream then takes three quarters of the memory, and a
// message to 1000 streams half the time (`npm run bench:streams`).

/** A stream after its first message, which Connect sends. */
interface BegunStream {
  readonly messages: AsyncIterator<Message>;
  readonly output: DescMessage;
  readonly trailer: Headers;
}

/** A call whose stream can be taken over from Connect. */
export class DirectCall {
  /** The stream, once taken over. */
  stream: BegunStream | undefined;
  /** Context values of the call: they lead `takeOverStreams` to this object. */
  readonly contextValues: ContextValues = createContextValues().set(callKey, this);
}

const callKey = createContextKey<DirectCall | undefined>(undefined);

/**
 * Gives Connect only the first message of a server stream, and stores the rest in the call's DirectCall. Must be the outermost
 * interceptor. Leaves streams with a deadline to Connect, which enforces it.
 */
export const takeOverStreams: Interceptor = (next) => async (req) => {
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

/** Sends Connect's answer up to the first message. A function of its own, so that Connect's objects can be collected afterwards. */
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

/** Sends the remaining messages of a stream and its final status. */
export async function sendRest(stream: BegunStream, encoding: Encoding, res: HttpResponse): Promise<void> {
  const { messages, output, trailer } = stream;
  const frameOf = createFramer(output, encoding);
  let error: ConnectError | undefined;
  try {
    for (let next = await messages.next(); !next.done && !isGone(res); next = await messages.next()) {
      const frame = frameOf(next.value);
      await write(res, frame instanceof Promise ? await frame : frame);
    }
  } catch (thrown) {
    error = thrown instanceof ConnectError ? thrown : new ConnectError("internal error", Code.Internal);
  }
  messages.return?.()?.catch(() => {});
  if (!isGone(res)) end(res, encoding.contentType, trailer, error);
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
  if (!isGone(res) && !out.write(bytes) && !isGone(res)) await waitForDrain(out);
}
