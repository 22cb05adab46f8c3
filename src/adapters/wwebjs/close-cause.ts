import type { CloseCause } from "../../domain/session.ts";
import { LeaseLost } from "../../ports/sessions.ts";
import { CredentialsUnreadable } from "./profile.ts";
import { TemporaryDirectoryUnusable } from "./temporary-directory.ts";

/** What an engine's `closed` event says. */
export interface Closed {
  readonly cause: CloseCause;
  /** One sentence without secrets. */
  readonly message: string;
}

/** Ends an engine for a reason that is known where it is thrown. */
export class EngineEnd extends Error {
  override readonly name = "EngineEnd";
  readonly closed: Closed;

  /** `cause`: what is for the log only. */
  constructor(closed: Closed, cause?: unknown) {
    super(closed.message, { cause });
    this.closed = closed;
  }
}

export const closedOnRequest: Closed = { cause: "unreachable", message: "The engine was closed" };
export const unlinkedByPhone: Closed = { cause: "logged_out", message: "WhatsApp no longer knows this device" };
export const noPhoneCame: Closed = { cause: "pairing_timeout", message: "No phone scanned a code in time" };

export const notStarted: Closed = { cause: "engine_crashed", message: "The browser could not be started" };
export const launchedLate: Closed = { cause: "engine_crashed", message: "The browser did not start in time" };
export const browserEnded: Closed = { cause: "engine_crashed", message: "The browser ended unexpectedly" };
export const pageCrashed: Closed = { cause: "engine_crashed", message: "The page crashed, or ran out of memory" };
/** Something did not happen in time. */
export const late = (what: string): Closed => ({ cause: "unreachable", message: `${what} in time` });

export const linkLost = late("WhatsApp Web did not get its connection back");
export const notLoggedIn = late("WhatsApp Web did not finish the login");

/** The states of WhatsApp Web's socket that end a connection (whatsapp-web.js, WAState). */
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

/** Why a connection that was open, or logging in, ends with this state; undefined if it does not. */
export const closedByState = (state: string): Closed | undefined => states.get(state);

/** What the page was answered with instead of a page. */
export const closedByStatus = (status: number): Closed => ({
  cause: status === 429 ? "rate_limited" : "unreachable",
  message:
    status === 407
      ? "The proxy does not accept the credentials (407)"
      : `WhatsApp Web was answered with HTTP status ${status}`,
});

/** The library rejects with this text when the page has nothing of WhatsApp Web (its Client.inject). */
const noSuchPage = "auth timeout";

/** What Chromium says of a proxy (net/base/net_error_list.h); it keeps the status of a refused CONNECT to itself. */
const proxyFailures: Readonly<Record<string, string>> = {
  ERR_PROXY_CONNECTION_FAILED: "the proxy could not be connected to",
  ERR_TUNNEL_CONNECTION_FAILED: "the proxy refused the connection",
  ERR_SOCKS_CONNECTION_FAILED: "the proxy refused the connection, or does not speak SOCKS 5",
  ERR_SOCKS_CONNECTION_HOST_UNREACHABLE: "the proxy answered: host unreachable",
  ERR_PROXY_AUTH_UNSUPPORTED: "the proxy asks for another kind of credentials",
};

/** Why an engine cannot go on, whose session has this proxy. */
export function closedByError(error: unknown, proxy?: string): Closed {
  if (error instanceof EngineEnd) return error.closed;
  if (error instanceof CredentialsUnreadable) return { cause: "credentials_unreadable", message: error.message };
  if (error instanceof TemporaryDirectoryUnusable) return { cause: "engine_crashed", message: error.message };
  if (error instanceof LeaseLost) return { cause: "engine_crashed", message: "A newer engine runs the session" };
  if (error === noSuchPage) {
    return {
      cause: "unreachable",
      message: "What web.whatsapp.com answered is not the WhatsApp Web that is known here",
    };
  }
  const text = error instanceof Error ? error.message : "";
  const network = /net::(ERR_\w+)/.exec(text)?.[1];
  if (network === "ERR_INVALID_AUTH_CREDENTIALS") return closedByStatus(407);
  const through = proxy === undefined ? "" : ` through the proxy ${proxy.replace(/^\w+:\/\//, "")}`;
  if (network) {
    const known = proxyFailures[network];
    const reason = known === undefined ? network : `${known} (${network})`;
    return { cause: "unreachable", message: `WhatsApp Web could not be opened${through}: ${reason}` };
  }
  if (error instanceof Error && error.name === "TimeoutError") {
    return { cause: "unreachable", message: `WhatsApp Web did not answer in time${through}` };
  }
  return { cause: "engine_crashed", message: "The engine failed unexpectedly" };
}

/** What an error says, for the log. Libraries also throw texts. */
export function textOf(error: unknown): string {
  const reason = error instanceof EngineEnd ? (error.cause ?? error) : error;
  return (reason instanceof Error ? reason.message : String(reason)).slice(0, 300);
}
