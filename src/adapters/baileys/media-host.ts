import { once } from "node:events";
import { type IncomingMessage, request as requestPlain } from "node:http";
import { type Agent, request as requestTls } from "node:https";
import { pipeline } from "node:stream/promises";
import { DEFAULT_ORIGIN } from "@whiskeysockets/baileys";

/** Time without any byte after which a transfer is given up. */
const idleLimitMs = 30_000;

/** Options of requests to hosts for media. */
export interface MediaRoute {
  /** The session's proxy. */
  readonly agent?: Agent | undefined;
  /** True if the WebSocket of the session is at an address in place of WhatsApp's, without TLS. */
  readonly isEmulated: boolean;
}

/** A request to a host for media. */
export interface MediaRequest {
  readonly method: "GET" | "POST";
  readonly host: string;
  /** Path and query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | number>>;
  /** Opens the body. */
  readonly body?: () => AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
}

/** Sends a request; resolves with the head of the answer. Rejects if there is none. */
export async function requestMedia(request: MediaRequest, route: MediaRoute): Promise<IncomingMessage> {
  const standsIn = route.isEmulated && isLoopback(request.host);
  try {
    return await exchange(request, route, standsIn ? { rejectUnauthorized: false } : {});
  } catch (error) {
    // An emulated WhatsApp on this machine may do without TLS, as its WebSocket does.
    if (standsIn && isTlsFailure(error)) return exchange(request, route, "plain");
    throw error;
  }
}

async function exchange(
  { method, host, path, headers, body, signal }: MediaRequest,
  { agent }: MediaRoute,
  tls: "plain" | { readonly rejectUnauthorized?: boolean },
): Promise<IncomingMessage> {
  const url = `${tls === "plain" ? "http" : "https"}://${host}${path}`;
  const options = {
    method,
    headers: { origin: DEFAULT_ORIGIN, ...headers },
    timeout: idleLimitMs,
    ...(agent && { agent }),
    ...(signal && { signal }),
  };
  const request = tls === "plain" ? requestPlain(url, options) : requestTls(url, { ...options, ...tls });
  request.on("timeout", () => request.destroy(new Error("the transfer stands still")));
  const answered = once(request, "response");
  answered.catch(() => {});
  if (body) {
    // An answer may come before the end of the body: a refusal.
    const written = pipeline(body, request);
    written.catch(() => {});
    await Promise.race([written.catch((error: unknown) => Promise.race([answered, Promise.reject(error)])), answered]);
  } else request.end();
  const [response]: IncomingMessage[] = await answered;
  if (!response) throw new Error("no answer");
  return response;
}

function isLoopback(host: string): boolean {
  const name = URL.parse(`https://${host}`)?.hostname ?? "";
  return name === "localhost" || name === "[::1]" || /^127\./.test(name);
}

const isTlsFailure = (error: unknown): boolean =>
  error instanceof Error &&
  "code" in error &&
  typeof error.code === "string" &&
  (error.code === "EPROTO" || error.code === "ECONNRESET" || error.code.startsWith("ERR_SSL_"));
