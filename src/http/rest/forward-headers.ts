import { streamTicket } from "../dialect.ts";
import type { HttpRequest, HttpResponse } from "../exchange.ts";

// Headers that belong to one connection (RFC 9110, section 7.6.1), to a body's encoding or to an RPC protocol.
const ownHeaders = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "host",
  "expect",
  "date",
  "accept-encoding",
  "access-control-request-method",
  "access-control-request-headers",
  "x-grpc-web",
  "x-user-agent",
  streamTicket.header,
]);
const ownPrefixes = [":", "content-", "connect-", "grpc-"];

/** Returns the headers of a request that its RPC receives. Moves a stream ticket from the query to its header. */
export function requestHeaders(req: HttpRequest): Headers {
  const named = new Set((req.headers.connection ?? "").split(",").map((name) => name.trim().toLowerCase()));
  const headers = new Headers();
  for (const [name, value] of Object.entries(req.headers)) {
    if (value === undefined || !isForwarded(name) || named.has(name)) continue;
    for (const item of Array.isArray(value) ? value : [value]) appendValid(headers, name, item);
  }
  const ticket = readTicket(req);
  if (ticket !== undefined) appendValid(headers, streamTicket.header, ticket);
  return headers;
}

function readTicket({ url = "" }: HttpRequest): string | undefined {
  const mark = url.indexOf("?");
  return mark === -1 ? undefined : (new URLSearchParams(url.slice(mark)).get(streamTicket.parameter) ?? undefined);
}

/** Copies an RPC's headers, trailers or error metadata to the response. */
export function copyResponseHeaders(res: HttpResponse, ...sources: readonly Headers[]): void {
  for (const source of sources) {
    for (const [name, value] of source) {
      if (isForwarded(name) && !name.startsWith("accept-")) res.setHeader(name, value);
    }
  }
}

function isForwarded(name: string): boolean {
  return !ownHeaders.has(name) && !ownPrefixes.some((prefix) => name.startsWith(prefix));
}

function appendValid(headers: Headers, name: string, value: string): void {
  try {
    headers.append(name, value);
  } catch {
    // Node.js accepts header values that the Fetch standard rejects. RPCs cannot receive them.
  }
}
