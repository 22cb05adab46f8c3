import { once } from "node:events";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:http2";
import type { Writable } from "node:stream";

/** A request without a client library. */
export interface RawRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Sent one after the other; without Content-Length if there is not exactly one. */
  readonly body: readonly Uint8Array[];
}

/** An answer as it came over the wire, without its date. */
export interface RawAnswer {
  readonly status: number | undefined;
  readonly header: object;
  readonly body: string;
  readonly trailer: object;
}

/** Sends requests over one version of HTTP. */
export type SendRaw = (url: string, request: RawRequest) => Promise<RawAnswer>;

export const wires: Readonly<Record<string, SendRaw>> = { "HTTP/1.1": sendHttp1, h2c: sendHttp2 };

async function sendHttp1(url: string, { method = "POST", path, headers, body }: RawRequest): Promise<RawAnswer> {
  const [only] = body;
  const length = body.length === 1 && only ? { "content-length": String(only.byteLength) } : {};
  const req = httpRequest(url + path, { method, agent: false, headers: { ...length, ...headers } });
  // An answer may come before everything is sent.
  req.on("error", () => {});
  const answered = once(req, "response");
  for (const chunk of body) await writeAll(req, chunk);
  req.end();
  const [res] = await answered;
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk);
  return answerOf(res.statusCode, res.headers, chunks, res.trailers);
}

/** Writes a chunk as a packet of its own. */
async function writeAll(out: Writable, chunk: Uint8Array): Promise<void> {
  // Node calls back for bytes only.
  if (chunk.byteLength > 0) await new Promise((resolve) => out.write(chunk, resolve));
}

async function sendHttp2(url: string, { method = "POST", path, headers, body }: RawRequest): Promise<RawAnswer> {
  const session = connect(url);
  try {
    const [only] = body;
    const length = body.length === 1 && only ? { "content-length": String(only.byteLength) } : {};
    const stream = session.request({ ":method": method, ":path": path, ...length, ...headers });
    stream.on("error", () => {});
    let trailer: IncomingHttpHeaders = {};
    stream.on("trailers", (fields) => {
      trailer = fields;
    });
    const answered = once(stream, "response");
    for (const chunk of body) stream.write(chunk);
    stream.end();
    const [{ ":status": status, ...header }] = await answered;
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    return answerOf(status, header, chunks, trailer);
  } finally {
    session.destroy();
  }
}

function answerOf(status: number, header: IncomingHttpHeaders, chunks: Buffer[], trailer: object): RawAnswer {
  const { date: _date, ...others } = header;
  return { status, header: { ...others }, body: Buffer.concat(chunks).toString("latin1"), trailer: { ...trailer } };
}
