import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Writable } from "node:stream";

/** A request as Node.js hands it over, of HTTP/1.1 or HTTP/2. */
export type HttpRequest = IncomingMessage | Http2ServerRequest;

/** The response that goes with an HttpRequest. */
export type HttpResponse = ServerResponse | Http2ServerResponse;

/** Answers one request. Never throws: it handles its own errors. */
export type RequestListener = (req: HttpRequest, res: HttpResponse) => void;

/** An answer with its complete body. Without a body, Content-Length is 0 and there is no Content-Type. */
export interface Answer {
  readonly status: number;
  readonly contentType?: string;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Returns an answer with `value` as its JSON body. */
export function jsonAnswer(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return jsonTextAnswer(status, JSON.stringify(value), headers);
}

/** Returns an answer with a body that is JSON already. */
export function jsonTextAnswer(status: number, body: string, headers?: Readonly<Record<string, string>>): Answer {
  return { status, contentType: "application/json; charset=utf-8", body, ...(headers && { headers }) };
}

/** Sends an answer. Leaves out the body if the request is a HEAD. */
export function send(req: HttpRequest, res: HttpResponse, answer: Answer): void {
  const { body = "" } = answer;
  const byteLength = typeof body === "string" ? Buffer.byteLength(body) : body.byteLength;
  writeHead(res, answer, byteLength);
  if (req.method === "HEAD" || byteLength === 0) res.end();
  else if (typeof body !== "string") res.end(body);
  // Node.js sends a text and its headers in one piece. For a text of ASCII alone, Latin-1 is the same and several times faster.
  else res.end(body, byteLength === body.length ? "latin1" : "utf8");
}

const lingerMs = 2_000;

/**
 * Sends an answer to a request whose body is not read, then ends the connection (HTTP/1.1) or the stream (HTTP/2). Over HTTP/1.1
 * it first discards input for at most 2 s: closing at once would reset the connection, and the client might lose the answer.
 */
export function sendAndClose(req: HttpRequest, res: HttpResponse, answer: Answer): void {
  const body = Buffer.from(answer.body ?? "");
  if ("stream" in res) {
    const { stream } = res;
    writeHead(res, answer, body.byteLength);
    // NO_ERROR tells the client to stop sending and to read the answer (RFC 9113, section 8.1).
    res.end(body, () => stream.close());
    return;
  }
  res.setHeader("Connection", "close");
  writeHead(res, answer, body.byteLength);
  res.write(body);
  const timer = setTimeout(finish, lingerMs).unref();
  function finish(): void {
    clearTimeout(timer);
    res.end();
  }
  req.once("end", finish);
  req.once("close", finish);
  req.resume();
}

function writeHead(res: HttpResponse, { status, contentType, headers }: Answer, bodyBytes: number): void {
  res.statusCode = status;
  if (contentType !== undefined) res.setHeader("Content-Type", contentType);
  for (const name in headers) res.setHeader(name, headers[name] ?? "");
  // A 204 has no Content-Length (RFC 9110, section 8.6).
  if (status !== 204) res.setHeader("Content-Length", String(bodyBytes));
}

/** Sends an answer to a request that is rejected before its body is read. */
export function refuse(req: HttpRequest, res: HttpResponse, answer: Answer): void {
  if (announcesBody(req)) sendAndClose(req, res, answer);
  else send(req, res, answer);
}

function announcesBody(req: HttpRequest): boolean {
  if ("stream" in req) return !req.stream.endAfterHeaders;
  return Number(req.headers["content-length"] ?? 0) > 0 || req.headers["transfer-encoding"] !== undefined;
}

/** Returns whether the client has gone: its connection or stream is closed. */
export function isGone(res: HttpResponse): boolean {
  return "stream" in res ? res.stream.destroyed : res.destroyed;
}

/** Resolves when a writable has room again, or is closed. */
export function waitForDrain(out: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      out.off("drain", done).off("close", done);
      resolve();
    };
    out.once("drain", done).once("close", done);
  });
}

/** Adds a request header to the answer's Vary. */
export function addVary(res: HttpResponse, name: string): void {
  const present = res.getHeader("Vary");
  res.setHeader("Vary", present === undefined ? name : `${present}, ${name}`);
}
