import { type Closed, crashed, pairingTimedOut, unlinkedByPhone } from "../engine/close-cause.ts";

/** Closings by WhatsApp's codes in `<failure reason>` and `<stream:error code>`, and by those that Baileys gives to lost connections. */
const statuses = new Map<number, Closed>([
  [401, unlinkedByPhone],
  [402, { cause: "temp_banned", message: "WhatsApp has banned the account for a time" }],
  [403, { cause: "banned", message: "WhatsApp has banned the account" }],
  [405, { cause: "client_outdated", message: "WhatsApp no longer accepts this version of the client" }],
  [406, { cause: "banned", message: "WhatsApp has banned the account" }],
  [408, { cause: "unreachable", message: "The connection to WhatsApp was lost" }],
  [409, { cause: "rejected", message: "WhatsApp rejects the client (409)" }],
  [411, { cause: "rejected", message: "WhatsApp rejects the client: multi-device is off for the account (411)" }],
  [419, { cause: "rejected", message: "WhatsApp rejects the client (419)" }],
  [428, { cause: "unreachable", message: "WhatsApp closed the connection" }],
  [429, { cause: "rate_limited", message: "WhatsApp asks to connect less often" }],
  [440, { cause: "replaced", message: "Another connection took over this device" }],
  [503, { cause: "unreachable", message: "WhatsApp is not available (503)" }],
  [515, { cause: "restart_required", message: "WhatsApp asks for a new connection" }],
  [516, { cause: "unreachable", message: "WhatsApp ended the stream (516)" }],
]);

/** Reasons for which the engine ends a connection itself. */
export const ends = {
  deaf: { cause: "unreachable", message: "WhatsApp did not answer on the open connection any more" },
  noHandshake: { cause: "unreachable", message: "WhatsApp did not answer on the new connection in time" },
  noLogin: { cause: "unreachable", message: "WhatsApp did not answer the login in time" },
  noRestart: { cause: "restart_required", message: "WhatsApp did not end the connection after pairing" },
} as const satisfies Record<string, Closed>;

/** Baileys' texts for its own reasons to end a socket (its lib/Socket/socket.js). */
const qrRefsUsedUp = "QR refs attempts ended";
const fromWhatsApp = /^(Stream Errored|Connection Failure)/;
const fromWebSocket = /^WebSocket Error/;

/** A ban's `expire` is a number of seconds (whatsmeow, events.TemporaryBan). Values from here on are Unix times. */
const firstDateSeconds = 1_000_000_000;

/** The circumstances under which a socket ended. */
export interface Circumstances {
  /** True if WhatsApp has sent anything on it. */
  readonly connected: boolean;
  /** Times of the monotonic clock and of the wall clock. */
  readonly nowMs: number;
  readonly wallMs: number;
  /** Describes a failed connection in one sentence. */
  readonly failure: (error: unknown) => string;
  /** The client version of the connection, and the advice for a user if WhatsApp refuses it. */
  readonly client: { readonly version: string; readonly remedy: string };
}

/** Maps the error with which Baileys ended a socket. */
export function closedBy(error: unknown, circumstances: Circumstances): Closed {
  const { connected, nowMs, wallMs, failure, client } = circumstances;
  if (error === undefined) return { cause: "unreachable", message: "The connection was closed" };
  if (!isBoom(error)) return connected ? crashed : handshakeFailed;
  if (error.message === qrRefsUsedUp) return pairingTimedOut;
  if (fromWebSocket.test(error.message)) return { cause: "unreachable", message: failure(error.data) };
  const status = error.output.statusCode;
  const known = statuses.get(status);
  if (known?.cause === "client_outdated") return outdated(client);
  if (known) return status === 402 ? { ...known, ...expiryOf(error.data, nowMs, wallMs) } : known;
  if (!connected && !fromWhatsApp.test(error.message)) return handshakeFailed;
  return { cause: "bad_session", message: `WhatsApp or the client gave up the connection (${status})` };
}

/** Baileys' errors: an HTTP-like status, and the cause as `data`. */
interface Boom extends Error {
  readonly output: { readonly statusCode: number };
  readonly data?: unknown;
}

const isBoom = (error: unknown): error is Boom => error instanceof Error && "isBoom" in error && error.isBoom === true;

const handshakeFailed: Closed = { cause: "unreachable", message: "The handshake with WhatsApp failed" };

/** Maps the HTTP status with which the upgrade to a WebSocket was refused. */
export function upgradeRefusedBy(status: number): Closed {
  const message = `The WebSocket upgrade was refused with HTTP status ${status}`;
  return { cause: status === 429 ? "rate_limited" : "unreachable", message };
}

function outdated({ version, remedy }: Circumstances["client"]): Closed {
  const message = `WhatsApp no longer accepts client version ${version}: ${remedy}`;
  return { cause: "client_outdated", message, clientVersion: version };
}

function expiryOf(attributes: unknown, nowMs: number, wallMs: number): { untilMs?: number } {
  if (typeof attributes !== "object" || attributes === null || !("expire" in attributes)) return {};
  const seconds = Number(attributes.expire);
  if (!Number.isFinite(seconds) || seconds <= 0) return {};
  const leftMs = seconds * 1000 - (seconds >= firstDateSeconds ? wallMs : 0);
  return { untilMs: nowMs + Math.max(0, leftMs) };
}
