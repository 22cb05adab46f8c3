/** Returns a URL's "user:password@" as Basic authentication (RFC 7617); undefined if it has none. */
export function basicAuthorization({ username, password }: URL): string | undefined {
  const login = `${percentDecoded(username)}:${percentDecoded(password)}`;
  return login === ":" ? undefined : `Basic ${Buffer.from(login).toString("base64")}`;
}

// A URL may hold a "%" that begins no escape; the URL standard leaves it as it is.
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
