import { streamTicket } from "../dialect.ts";
import type { HttpRequest, HttpResponse } from "../exchange.ts";
import { type IsVisible, RequestHeaders } from "../request-headers.ts";

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
const ownPrefix = /^(?::|content-|connect-|grpc-)/;

/** Returns the headers of a request that its RPC receives. With `takesTicket`, moves a stream ticket from the query to its header. */
export function requestHeaders(req: HttpRequest, takesTicket = false): Headers {
  const headers = new RequestHeaders(req.headers, visibleIn(req));
  const ticket = takesTicket ? readTicket(req) : undefined;
  if (ticket !== undefined) setValid(headers, streamTicket.header, ticket);
  return headers;
}

/** Returns the test for the headers that are forwarded: not those that the Connection header names. */
function visibleIn({ headers: { connection } }: HttpRequest): IsVisible {
  if (connection === undefined || connection === "keep-alive" || connection === "close") return isForwarded;
  const named = new Set(connection.split(",").map((name) => name.trim().toLowerCase()));
  return (name) => isForwarded(name) && !named.has(name);
}

function readTicket({ url = "" }: HttpRequest): string | undefined {
  const mark = url.indexOf("?");
  return mark === -1 ? undefined : (new URLSearchParams(url.slice(mark)).get(streamTicket.parameter) ?? undefined);
}

/** Copies an RPC's headers, trailers or error metadata to the response. */
export function copyResponseHeaders(res: HttpResponse, ...sources: readonly (Headers | undefined)[]): void {
  for (const source of sources) {
    for (const [name, value] of source ?? []) {
      if (isForwarded(name) && !name.startsWith("accept-")) res.setHeader(name, value);
    }
  }
}

function isForwarded(name: string): boolean {
  return !ownHeaders.has(name) && !ownPrefix.test(name);
}

function setValid(headers: Headers, name: string, value: string): void {
  try {
    headers.set(name, value);
  } catch {
    // A query can hold values that no header can.
  }
}
