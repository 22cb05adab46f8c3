import { type Closed, closedByKnownError, crashed, unlinkedByPhone } from "../engine/close-cause.ts";
import { TemporaryDirectoryUnusable } from "./temporary-directory.ts";

const browserFailure = (message: string): Closed => ({ cause: "engine_crashed", message });
const notInTime = (failure: string): Closed => ({ cause: "unreachable", message: `${failure} in time` });

/** The browser did not start. */
export const notStarted = browserFailure("The browser could not be started");
/** The browser's start took too long. */
export const launchedLate = browserFailure("The browser did not start in time");
/** The running browser ended. */
export const browserEnded = browserFailure("The browser ended unexpectedly");
/** The page ended in a running browser. */
export const pageCrashed = browserFailure("The page crashed, or ran out of memory");

/** The page showed neither a code nor a login in time. */
export const notConnected = notInTime("WhatsApp Web did not connect");
/** The page did not synchronise in time. */
export const notLoggedIn = notInTime("WhatsApp Web did not finish the login");
/** The open page lost its connection for too long. */
export const linkLost = notInTime("WhatsApp Web did not get its connection back");

/** States of WhatsApp Web's socket that end a connection (whatsapp-web.js, WAState). */
const states: ReadonlyMap<string, Closed> = new Map([
  ["CONFLICT", { cause: "replaced", message: "WhatsApp Web was opened elsewhere with this login" }],
  ["UNLAUNCHED", { cause: "bad_session", message: "WhatsApp Web gave up the connection (UNLAUNCHED)" }],
  ["UNPAIRED", unlinkedByPhone],
  ["UNPAIRED_IDLE", unlinkedByPhone],
  ["DEPRECATED_VERSION", { cause: "client_outdated", message: "WhatsApp no longer accepts this version of its page" }],
  ["PROXYBLOCK", { cause: "rejected", message: "WhatsApp does not accept connections through this proxy" }],
  ["TOS_BLOCK", { cause: "banned", message: "WhatsApp has banned the account" }],
  ["SMB_TOS_BLOCK", { cause: "banned", message: "WhatsApp has banned the business account" }],
]);

/** Maps a state to the reason for which the connection ends; undefined if it goes on. */
export const closedByState = (state: string): Closed | undefined => states.get(state);

/** Maps an HTTP status that came instead of the page. */
export const closedByStatus = (status: number): Closed => ({
  cause: status === 429 ? "rate_limited" : "unreachable",
  message:
    status === 407
      ? "The proxy does not accept the credentials (407)"
      : `WhatsApp Web was answered with HTTP status ${status}`,
});

/** Rejection of the library for a page without WhatsApp Web in it (its Client.inject). */
const noSuchPage = "auth timeout";

/** Chromium's errors of a proxy (net/base/net_error_list.h). It does not tell the status of a refused CONNECT. */
const proxyFailures: Readonly<Record<string, string>> = {
  ERR_PROXY_CONNECTION_FAILED: "the proxy could not be connected to",
  ERR_TUNNEL_CONNECTION_FAILED: "the proxy refused the connection",
  ERR_SOCKS_CONNECTION_FAILED: "the proxy refused the connection, or does not speak SOCKS 5",
  ERR_SOCKS_CONNECTION_HOST_UNREACHABLE: "the proxy answered: host unreachable",
  ERR_PROXY_AUTH_UNSUPPORTED: "the proxy asks for another kind of credentials",
};

/** Maps an error that an engine cannot go on after. `proxy`: the session's proxy. */
export function closedByError(error: unknown, proxy?: string): Closed {
  const known = closedByKnownError(error);
  if (known) return known;
  if (error instanceof TemporaryDirectoryUnusable) return browserFailure(error.message);
  if (error === noSuchPage) {
    return {
      cause: "unreachable",
      message: "The page of web.whatsapp.com is not the WhatsApp Web that this server knows",
    };
  }
  const text = error instanceof Error ? error.message : "";
  const network = /net::(ERR_\w+)/.exec(text)?.[1];
  if (network === "ERR_INVALID_AUTH_CREDENTIALS") return closedByStatus(407);
  const through = proxy === undefined ? "" : ` through the proxy ${proxy.replace(/^\w+:\/\//, "")}`;
  if (network) {
    const failure = proxyFailures[network];
    const reason = failure === undefined ? network : `${failure} (${network})`;
    return { cause: "unreachable", message: `WhatsApp Web could not be opened${through}: ${reason}` };
  }
  if (error instanceof Error && error.name === "TimeoutError") {
    return { cause: "unreachable", message: `WhatsApp Web did not answer in time${through}` };
  }
  return crashed;
}

/** Returns an error's text; libraries also throw strings. */
export const textOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, 300);
