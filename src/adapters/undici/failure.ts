import { errors } from "undici";
import { describeAddress } from "./address.ts";

const invalid = "the request is not valid";
const closed = "connection closed before the answer";
const unreachable = "host not reachable";
const connectTimedOut = "connecting timed out";

/** Texts for codes of Node (errno, DNS, TLS) and undici (docs/api/Errors.md), which reveal nothing about the internal network. */
const failures = new Map([
  ["ECONNREFUSED", "connection refused"],
  ["ENOTFOUND", "name not found"],
  ["EAI_AGAIN", "name lookup failed"],
  ["EHOSTUNREACH", unreachable],
  ["ENETUNREACH", unreachable],
  ["EADDRNOTAVAIL", unreachable],
  ["ETIMEDOUT", connectTimedOut],
  ["UND_ERR_CONNECT_TIMEOUT", connectTimedOut],
  ["ECONNRESET", closed],
  ["ECONNABORTED", closed],
  ["EPIPE", closed],
  ["UND_ERR_SOCKET", closed],
  ["EPROTO", "TLS handshake failed"],
  ["UND_ERR_HEADERS_OVERFLOW", "headers of the answer too large"],
  ["UND_ERR_INVALID_ARG", invalid],
  ["ERR_INVALID_URL", invalid],
  ["ERR_DESTINATION_NOT_ALLOWED", "destination not allowed"],
  ["UND_ERR_CLOSED", "the sender is closed"],
  ["UND_ERR_DESTROYED", "the sender is closed"],
]);

/** Certificate error codes of OpenSSL and Node (nodejs.org/api/tls.html, X509 certificate error codes). */
const certificateFailure = /CERT|CRL|^UNABLE_TO_|^(HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED)$/;

/** Codes of connections ended by the peer or the network. */
const losses = new Set(["ECONNRESET", "ECONNABORTED", "EPIPE", "ETIMEDOUT", "UND_ERR_SOCKET"]);

/** Maximum number of addresses that an error lists. */
const maxShownAddresses = 4;

/** No address of a host accepted the connection. */
export class NoAddressConnected extends Error {
  override readonly name = "NoAddressConnected";
  readonly failures: readonly { readonly address: string; readonly error: unknown }[];

  constructor(failures: NoAddressConnected["failures"]) {
    super("no address connected");
    this.failures = failures;
  }
}

/** A proxy has failed. The message names the proxy without its credentials and may be shown to users. */
export class ProxyFailure extends Error {
  override readonly name = "ProxyFailure";

  constructor(proxy: string, reason: string) {
    super(`the proxy ${proxy} ${reason}`);
  }
}

/** Returns the reason of a failed request as a phrase. */
export function describeFailure(error: unknown): string {
  if (error instanceof ProxyFailure) return error.message;
  if (error instanceof NoAddressConnected) return describeAddressFailures(error);
  const code = codeOf(error);
  const known = failures.get(code);
  if (known) return known;
  if (certificateFailure.test(code)) return "TLS certificate not accepted";
  if (code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_")) return "TLS handshake failed";
  if (error instanceof errors.HTTPParserError) return "the answer is not HTTP";
  return "connection failed";
}

/** Returns whether an error means the loss of a connection, as opposed to a fault of the request or the answer. */
export const isConnectionLoss = (error: unknown): boolean => losses.has(codeOf(error));

function describeAddressFailures({ failures }: NoAddressConnected): string {
  const shown = failures.slice(0, maxShownAddresses);
  const phrases = shown.map(({ address, error }) => `${describeFailure(error)} (${describeAddress(address)})`);
  if (failures.length > shown.length) phrases.push(`and ${failures.length - shown.length} more`);
  return phrases.join(", ");
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
