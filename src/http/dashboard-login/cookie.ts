import { loginSecret } from "../dialect.ts";
import type { HttpRequest } from "../exchange.ts";
import { isSecure, senderOf } from "./same-origin.ts";

/** Age at which the browser forgets the cookie. The server may end the login earlier. */
const maxAgeSeconds = 7 * 24 * 3_600;

/** With TLS the browser takes the name from this host alone (RFC 6265bis, section 4.1.3.2). */
const cookieName = (req: HttpRequest) => (isSecure(req) ? "__Host-sessiond" : "sessiond");

/** Secrets of logins: a random value of one process, or a signed one of a cluster. */
const secretForm = /^(?:[0-9a-f]{64}|[\w-]{22}\.\d{13,15}\.[\w-]{43})$/;

/** Moves the secret of the dashboard's cookie to an internal header, if a page of this server sent the request. */
export function moveLoginCookie(req: HttpRequest): void {
  if (req.headers.cookie === undefined || senderOf(req) !== "same_origin") return;
  const secret = readLoginCookie(req);
  if (secret !== undefined) req.headers[loginSecret.header] = secret;
}

/** Returns the secret in the dashboard's cookie, whoever sent the request. */
export function readLoginCookie(req: HttpRequest): string | undefined {
  const name = cookieName(req);
  for (const pair of (req.headers.cookie ?? "").split(";")) {
    const mark = pair.indexOf("=");
    if (pair.slice(0, mark).trim() !== name) continue;
    const value = pair.slice(mark + 1).trim();
    return secretForm.test(value) ? value : undefined;
  }
  return undefined;
}

/** Returns the Set-Cookie header for a login; for "", the one that removes the cookie. */
export function loginCookie(req: HttpRequest, secret: string): string {
  const maxAge = secret === "" ? 0 : maxAgeSeconds;
  const parts = [`${cookieName(req)}=${secret}`, "Path=/", `Max-Age=${maxAge}`, "HttpOnly", "SameSite=Strict"];
  return [...parts, ...(isSecure(req) ? ["Secure"] : [])].join("; ");
}
