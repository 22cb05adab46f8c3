/** Returns a URL's "user:password@" as Basic authentication (RFC 7617); undefined if it has none. */
export function basicAuthorization({ username, password }: URL): string | undefined {
  const login = `${percentDecode(username)}:${percentDecode(password)}`;
  return login === ":" ? undefined : `Basic ${Buffer.from(login).toString("base64")}`;
}

// The URL standard permits a "%" that does not begin an escape.
function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
