import { STATUS_CODES } from "node:http";

/** A proxy answered instead of making a tunnel. The message is the end of a sentence and contains no secret. */
export class ProxyRefusal extends Error {
  override readonly name = "ProxyRefusal";
}

/** Maps an HTTP proxy's answer to CONNECT other than 200. */
export function refusedWith(status: number, hasCredentials: boolean): ProxyRefusal {
  if (!Number.isInteger(status)) return new ProxyRefusal("the proxy does not speak HTTP");
  const answer = [status, STATUS_CODES[status]].filter((part) => part !== undefined).join(" ");
  if (status !== 407) return new ProxyRefusal(`the proxy answered ${answer}`);
  return new ProxyRefusal(
    `${hasCredentials ? "the proxy does not accept the credentials" : "the proxy asks for credentials"} (${answer})`,
  );
}

/** Replies of a SOCKS proxy (RFC 1928, section 6), as the library `socks` names them. */
const socksReplies: Readonly<Record<string, string>> = {
  Failure: "general failure",
  NotAllowed: "not allowed by its rules",
  NetworkUnreachable: "network unreachable",
  HostUnreachable: "host unreachable",
  ConnectionRefused: "connection refused",
  TTLExpired: "TTL expired",
  CommandNotSupported: "command not supported",
  AddressNotSupported: "address type not supported",
};

/** Texts of the libraries `socks` and `https-proxy-agent` for the end of a handshake with a proxy. */
const endings: readonly [RegExp, string][] = [
  [/no accepted authentication type/, "the proxy accepts no login, or asks for another kind of credentials"],
  [/Authentication failed/i, "the proxy does not accept the credentials"],
  [/Socks5 .*(handshake|response)/i, "the proxy does not speak SOCKS 5"],
  [/timed out/i, "the proxy did not answer in time"],
  [/^Socket closed|connection ended/i, "the proxy closed the connection without an answer"],
  [/header/i, "the proxy does not speak HTTP"],
];

/** Maps any other error that ends a handshake with a connected proxy. */
export function refusalBy(error: unknown): ProxyRefusal {
  if (error instanceof ProxyRefusal) return error;
  const text = error instanceof Error ? error.message : "";
  const reply = /rejected connection - (\w+)/.exec(text)?.[1];
  if (reply !== undefined) {
    return new ProxyRefusal(`the proxy answered: ${socksReplies[reply] ?? "an unknown reply"} (SOCKS 5)`);
  }
  const known = endings.find(([pattern]) => pattern.test(text))?.[1];
  const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
  return new ProxyRefusal(known ?? `the proxy closed the connection${code}`);
}
