import { errors } from "undici";

const invalid = "the request is not valid";
const closed = "connection closed before the answer";
const unreachable = "host not reachable";
const connectTimedOut = "connecting timed out";

/** Codes of Node (errno, DNS, TLS) and undici (docs/api/Errors.md), in words that show nothing of the network inside. */
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

/** OpenSSL's and Node's names of what can be wrong with a certificate (nodejs.org/api/tls.html, X509 certificate error codes). */
const certificateFailure = /CERT|CRL|^UNABLE_TO_|^(HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED)$/;

/** Why a request failed, in one phrase. */
export function failureOf(error: unknown): string {
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  const known = failures.get(code);
  if (known) return known;
  if (certificateFailure.test(code)) return "TLS certificate not accepted";
  if (code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_")) return "TLS handshake failed";
  if (error instanceof errors.HTTPParserError) return "the answer is not HTTP";
  return "connection failed";
}
