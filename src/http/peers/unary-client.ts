import { type ClientHttp2Stream, constants, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from "node:http2";
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type UnaryResponse } from "@connectrpc/connect";
import { codeFromHttpStatus, contentTypeUnaryProto, errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import type { Http2SessionManager } from "@connectrpc/connect-node";
import { peerPrefix } from "./entry.ts";
import { callHeader, digestOf, type Prover, proofHeader, timeHeader } from "./proof.ts";

// Connect's client passes a unary call through generators, linked abort signals and copies of its headers, which together cost several
// times the call. Here calls without a deadline are written and read with Connect's serialization and error helpers alone.

/** The two nodes of a connection. */
export interface Ends {
  /** Name of the other node. */
  readonly name: string;
  readonly url: string;
  /** Name of this node. */
  readonly self: string;
}

/** Calls a unary RPC without a deadline. Rejects with the error that is the answer, or with the failure of the connection. */
export type UnaryClient = <I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  signal: AbortSignal | undefined,
  header: HeadersInit | undefined,
  input: MessageInitShape<I>,
) => Promise<UnaryResponse<I, O>>;

/** Creates the client for the unary RPCs of a node. */
export function createUnaryClient(manager: Http2SessionManager, prover: Prover, { name, self }: Ends): UnaryClient {
  /** Sends a call with a proof of its own. */
  async function send(call: Parameters<Prover["prove"]>[0], body: Uint8Array, signal: AbortSignal | undefined) {
    const { call: text, proof } = prover.prove(call);
    const fields = {
      "content-type": contentTypeUnaryProto,
      "connect-protocol-version": "1",
      [callHeader]: text,
      [proofHeader]: proof,
    };
    const stream = await manager.request("POST", `${peerPrefix}${call.path}`, fields, {});
    stream.end(body);
    return { ...(await readAnswer(stream, signal)), proof };
  }

  return async (method, signal, header, input) => {
    const body = toBinary(method.input, create(method.input, input));
    const path = `/${method.parent.typeName}/${method.name}`;
    const call = { from: self, to: name, path, digest: digestOf(body), headers: [...new Headers(header)] };
    let answer = await send(call, body, signal);
    const told = answer.fields[timeHeader];
    // A call whose time was wrong has not been carried out.
    if (answer.status === 401 && typeof told === "string" && prover.learnTime(name, told, answer.proof)) {
      answer = await send(call, body, signal);
    }
    const { status, fields, bytes } = answer;
    const headers = headersIn(fields, (field) => (field.startsWith("trailer-") ? undefined : field));
    const trailer = headersIn(fields, (field) => /^trailer-(.+)/.exec(field)?.[1]);
    if (status === 200) {
      const message = fromBinary(method.output, bytes);
      return { stream: false, service: method.parent, method, header: headers, trailer, message };
    }
    const unread = new ConnectError(`HTTP ${status}`, codeFromHttpStatus(status), headers);
    throw errorFromJsonBytes(bytes, new Headers([...headers, ...trailer]), unread);
  };
}

interface Answer {
  readonly status: number;
  readonly fields: IncomingHttpHeaders;
  readonly bytes: Uint8Array;
}

/** Reads the whole answer to a request. Cancels the request, and rejects, once `signal` aborts. */
function readAnswer(stream: ClientHttp2Stream, signal: AbortSignal | undefined): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const chunks: Uint8Array[] = [];
  let fields: IncomingHttpHeaders & IncomingHttpStatusHeader = {};
  const cancel = () => {
    stream.close(constants.NGHTTP2_CANCEL);
    reject(ConnectError.from(signal?.reason, Code.Canceled));
  };
  if (signal?.aborted) cancel();
  else signal?.addEventListener("abort", cancel, { once: true });
  stream
    .on("response", (head) => {
      fields = head;
    })
    .on("data", (chunk: Uint8Array) => chunks.push(chunk))
    .on("error", (error: unknown) => reject(ConnectError.from(error, Code.Unavailable)))
    // A stream that is reset without an error ends too.
    .on("close", () => {
      signal?.removeEventListener("abort", cancel);
      const { ":status": status } = fields;
      if (status !== undefined && stream.rstCode === constants.NGHTTP2_NO_ERROR) {
        resolve({ status, fields, bytes: Buffer.concat(chunks) });
      } else reject(new ConnectError("the connection was lost before the answer was complete", Code.Unavailable));
    });
  return promise;
}

/** Returns those of an answer's fields that have a name by `nameOf`. */
function headersIn(fields: IncomingHttpHeaders, nameOf: (field: string) => string | undefined): Headers {
  const headers = new Headers();
  for (const [field, value = []] of Object.entries(fields)) {
    const name = field.startsWith(":") ? undefined : nameOf(field);
    if (name === undefined) continue;
    for (const one of [value].flat()) headers.append(name, String(one));
  }
  return headers;
}
