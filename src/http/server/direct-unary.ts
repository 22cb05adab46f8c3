import { Code, ConnectError } from "@connectrpc/connect";
import { createMethodSerializationLookup } from "@connectrpc/connect/protocol";
import { type HttpRequest, type HttpResponse, isGone } from "../exchange.ts";
import { RequestHeaders } from "../request-headers.ts";
import { type Caller, signalOf, UnaryCall, type UnaryRpc } from "../unary-calls.ts";
import type { UnaryAnswer, UnaryOutcome, WriteAnswer } from "./unary-answer.ts";
import { type OtherBody, readMessage } from "./unary-body.ts";
import { plainFormatOf, type UnaryFormat } from "./unary-format.ts";

// Connect passes a unary call through generators, linked abort signals and copies of its headers, which together cost several times
// the call. Here plain calls are read, run and answered with Connect's serialization and error helpers alone. Connect answers
// everything else, even if only the body shows that it is needed.

/** Options for answering unary calls directly. */
export interface DirectUnaryOptions {
  /** Maximum size of a request message. */
  readonly readMaxBytes: number;
  readonly writeAnswer: WriteAnswer;
  /** Aborts the signals of all calls. */
  readonly shutdownSignal: AbortSignal | undefined;
}

/** Answers a plain call and returns true. Returns false, or calls `onOther` with the bytes read so far, if Connect must answer it. */
export type DirectUnary = (req: HttpRequest, res: HttpResponse, onOther: (body: OtherBody) => void) => boolean;

/** Creates the function that answers the plain calls of an RPC. */
export function createDirectUnary(rpc: UnaryRpc, options: DirectUnaryOptions): DirectUnary {
  const { readMaxBytes: maxBytes, writeAnswer, shutdownSignal } = options;
  const run = createUnaryRun(rpc, maxBytes);
  return (req, res, onOther) => {
    const format = plainFormatOf(req);
    if (format === undefined) return false;
    const { isEnveloped } = format;
    const caller = new HttpCaller(req, res, { ...format, header: new RequestHeaders(req.headers), shutdownSignal });
    run(caller, format, () => readMessage(req, { isEnveloped, maxBytes }))
      .then(async (outcome) => {
        if (isGone(res)) return;
        if ("isComplete" in outcome) onOther(outcome);
        else sendAnswer(res, await writeAnswer(outcome, format, acceptedBy(req, format)));
      })
      // The client has left.
      .catch(() => res.destroy());
    return true;
  };
}

// The library's own limit.
const writeMaxBytes = 0xffffffff;

/** Lets a call in, reads its message by `read` and runs it. Resolves to the body if that is not one plain message. */
export type UnaryRun = (
  caller: Caller,
  format: Pick<UnaryFormat, "isBinary">,
  read: () => Promise<Uint8Array | OtherBody>,
) => Promise<UnaryOutcome | OtherBody>;

/** Creates the function that runs the plain calls of an RPC. */
export function createUnaryRun(rpc: UnaryRpc, readMaxBytes: number): UnaryRun {
  const { method } = rpc;
  const serialization = createMethodSerializationLookup(method, undefined, undefined, { readMaxBytes, writeMaxBytes });
  return async (caller, { isBinary }, read) => {
    let call: UnaryCall | undefined;
    let result: UnaryOutcome["result"];
    try {
      await rpc.gate({ method, requestHeader: caller.header });
      const body = await read();
      if (!(body instanceof Uint8Array)) return body;
      call = new UnaryCall(method, serialization.getI(isBinary).parse(body), caller);
      result = serialization.getO(isBinary).serialize(await rpc.run(call));
    } catch (error) {
      result = error instanceof ConnectError ? error : new ConnectError("internal error", Code.Internal);
    }
    return { result, header: call?.presentHeader, trailer: call?.presentTrailer };
  };
}

function acceptedBy({ headers }: HttpRequest, { acceptHeader }: UnaryFormat): string | undefined {
  const accepted = headers[acceptHeader];
  return typeof accepted === "string" ? accepted : accepted?.join(", ");
}

/** Parts of a caller that its request does not have. */
export interface HttpCallerOptions {
  /** Headers for the RPC. */
  readonly header: Headers;
  readonly protocolName: string;
  readonly shutdownSignal: AbortSignal | undefined;
}

/** The caller of an RPC over HTTP. */
export class HttpCaller implements Caller {
  readonly header: Headers;
  readonly protocolName: string;
  readonly #req: HttpRequest;
  readonly #res: HttpResponse;
  readonly #shutdownSignal: AbortSignal | undefined;

  constructor(req: HttpRequest, res: HttpResponse, { header, protocolName, shutdownSignal }: HttpCallerOptions) {
    this.header = header;
    this.protocolName = protocolName;
    this.#req = req;
    this.#res = res;
    this.#shutdownSignal = shutdownSignal;
  }

  get url(): string {
    const { socket, url, headers } = this.#req;
    const scheme = "encrypted" in socket && socket.encrypted ? "https" : "http";
    return new URL(url ?? "", `${scheme}://${headers[":authority"] ?? headers.host}`).toString();
  }

  createSignal(): AbortSignal {
    return signalOf(this.#res, this.#shutdownSignal);
  }
}

/** Node.js sends a text in one piece with its headers, and bytes in a piece of their own. Copying large bodies costs more than that. */
const maxTextBytes = 16 * 1024;

/** Sends the complete answer of an RPC. */
export function sendAnswer(res: HttpResponse, { status, header, body, trailer }: UnaryAnswer): void {
  if (trailer !== undefined) res.addTrailers(trailer);
  if ("stream" in res) {
    // The compatibility API would send trailers with every answer.
    res.statusCode = status;
    const { stream } = res;
    const fields = Object.assign(res.getHeaders(), header, { ":status": status });
    stream.respond(fields, { waitForTrailers: trailer !== undefined });
    if (body.byteLength === 0) stream.end();
    else stream.end(body);
  } else {
    res.writeHead(status, header);
    if (body.byteLength > maxTextBytes) res.end(body);
    else res.end(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("latin1"), "latin1");
  }
}
