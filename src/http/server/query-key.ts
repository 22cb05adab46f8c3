import { apiKey } from "../dialect.ts";
import type { HttpRequest } from "../exchange.ts";

/**
 * Moves an API key from a request's query to its header, so that no log, error or redirect built from the URL can show it. A key
 * in X-Api-Key or Authorization takes precedence.
 */
export function moveQueryKey(req: HttpRequest): void {
  const url = req.url ?? "";
  const mark = url.indexOf("?");
  if (mark === -1 || !mayHoldKey.test(url)) return;
  const parts = url.slice(mark + 1).split("&");
  const kept = parts.filter((part) => !isKey(part));
  if (kept.length === parts.length) return;
  setUrl(req, kept.length === 0 ? url.slice(0, mark) : `${url.slice(0, mark)}?${kept.join("&")}`);
  const hasHeader = Boolean(req.headers[apiKey.header]) || /^Bearer +\S/i.test(req.headers.authorization ?? "");
  const key = parts.filter(isKey).map(readKey).find(Boolean);
  if (!hasHeader && key !== undefined) req.headers[apiKey.header] = key;
}

/** Matches each URL in which `isKey` could find a key, however it is written. Most queries need no closer look. */
const mayHoldKey = new RegExp(`${apiKey.parameter}|%`, "i");

function isKey(part: string): boolean {
  const [name = ""] = part.split("=", 1);
  return decode(name).toLowerCase() === apiKey.parameter;
}

/** Returns the decoded key of a parameter; "" if it cannot be a header's value. */
function readKey(part: string): string {
  const mark = part.indexOf("=");
  const value = mark === -1 ? "" : decode(part.slice(mark + 1)).trim();
  return /^[\x20-\x7e]*$/.test(value) ? value : "";
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}

function setUrl(req: HttpRequest, url: string): void {
  req.url = url;
  // HTTP/2 repeats the URL in a pseudo-header.
  if (":path" in req.headers) req.headers[":path"] = url;
}
