import type { MessagePayload } from "../../gen/sessiond/v1/event_pb.js";
import type { Engine_Kind, Me, SessionConfig } from "../../gen/sessiond/v1/session_pb.js";
import type { CloseCause } from "../domain/session.ts";
import type { ClientVersions } from "./client-versions.ts";
import type { Logger } from "./system.ts";

/**
 * Bytes an engine keeps between its lives, by key. A handle works until the session's next one is made or its data is wiped;
 * after that each call rejects, so that an engine given up on can write nothing any more.
 */
export interface EngineData {
  /** The values of `keys`, in their order; undefined where there is none. Rejects if one cannot be read: that is never "none". */
  read(keys: readonly string[]): Promise<(Uint8Array | undefined)[]>;
  /** Applies all changes or none; null removes a key. */
  write(changes: ReadonlyMap<string, Uint8Array | null>): Promise<void>;
}

/** The login of a device: its writes are on disk when they resolve. */
export type Credentials = EngineData;

/** Contacts, chats and messages: may be lost in a power failure, never torn. */
export type ChatStore = EngineData;

/** What an engine reports, in the order it happened. */
export type EngineEvent =
  /** A code to scan, with times of the monotonic clock. `serial` counts from 1 within the engine's life, `remaining` codes are still to come. */
  | { type: "qr"; value: string; serial: number; remaining: number; issuedAtMs: number; expiresAtMs: number }
  /** A phone took the code, and the login is durable. */
  | { type: "paired"; me: Me }
  /** Logged in and ready for use. */
  | { type: "opened"; me: Me }
  /** The account is known better than before. */
  | { type: "me_changed"; me: Me }
  /** A user's message, received or sent from another device; never a protocol message. */
  | { type: "message"; message: MessagePayload }
  /** The connection does not answer any more, or answers again. Only between `opened` and the end. */
  | { type: "health"; healthy: boolean }
  /**
   * The end: nothing follows. `untilMs`: nothing may be tried before, on the monotonic clock. `clientVersion`: the one that WhatsApp
   * refused. `message`: one sentence without secrets.
   */
  | { type: "closed"; cause: CloseCause; message: string; untilMs?: number; clientVersion?: string };

/**
 * What became of the device at WhatsApp when an engine logged out: removed, never linked, or perhaps linked still. "again": linked
 * still, and WhatsApp asks for a new connection.
 */
export type UnlinkResult = "unlinked" | "not_linked" | "again" | "unknown";

/** One life of a connection to WhatsApp. Single use; never throws for network reasons. */
export interface Engine {
  /** To be read once. Ends after exactly one `closed`; what happens before it is read is kept. The next event is asked for only when the last one is committed. */
  readonly events: AsyncIterable<EngineEvent>;
  /** When WhatsApp was last heard (Unix ms); left out where that is not known. */
  readonly lastInboundAtMs?: number | undefined;
  /** Asks WhatsApp for a pairing code for a phone (7 to 15 digits); "ABCDEFGH". Only after the first `qr`. Rejects with PairingCodeRefused. */
  requestPairingCode(phoneNumber: string): Promise<string>;
  /**
   * Unlinks the device at WhatsApp and closes. Waits for a login or a pairing that is under way, but not for a phone to scan a code;
   * `close()` cuts it short. Messages that are not taken yet are given up.
   */
  logout(): Promise<UnlinkResult>;
  /** A PNG of what the engine shows. Only where `capabilities.screenshot`. */
  screenshot(): Promise<Uint8Array>;
  /** Closes without unlinking. Idempotent; credentials stay; resolves when nothing of the engine is left, `closed` included. */
  close(): Promise<void>;
}

/** WhatsApp did not accept the request for a pairing code; the message says why and holds no secret. */
export class PairingCodeRefused extends Error {
  override readonly name = "PairingCodeRefused";
}

/** What an engine can do, as data. */
export interface EngineCapabilities {
  readonly screenshot: boolean;
}

/** What an engine is opened with. */
export interface EngineOptions {
  readonly session: string;
  readonly config: SessionConfig;
  readonly credentials: Credentials;
  readonly chats: ChatStore;
  readonly logger: Logger;
  /**
   * When the newest message that was reported was sent, or where none was, when the session was last opened (Unix ms). What came
   * after it may not have been reported, for engines that can find that out. Unset before a login is used.
   */
  readonly reportedUntilMs?: number | undefined;
}

/** Makes engines of one kind. */
export interface EngineFactory {
  readonly kind: Engine_Kind;
  readonly capabilities: EngineCapabilities;
  /** The client version that engines say they are; left out where they have none of their own. */
  readonly clientVersions?: ClientVersions;
  /** Why no engine can be opened on this machine, as the rest of a sentence; undefined if one can, or where it is left out. Quick. */
  obstacle?(): Promise<string | undefined>;
  /** Opens an engine at once; what goes wrong becomes `closed`. */
  open(options: EngineOptions): Engine;
  /** Whether credentials hold a login that WhatsApp may know. Rejects if they cannot be read. */
  hasLogin(credentials: Credentials): Promise<boolean>;
  /**
   * Hands what the engine keeps outside of EngineData over to another owner, `id`, to whom the credentials belong already. Idempotent, so
   * that a crash before it can be made good. When no engine of the session is open.
   */
  setAside?(session: string, id: string, credentials: Credentials): Promise<void>;
  /** Removes what the engine keeps outside of EngineData, if anything; to be called after a wipe or remove, when no engine is open. */
  discard?(session: string): Promise<void>;
  /**
   * Puts back the login that an engine last connected with, and keeps the present one in its stead; false if there is none. When no
   * engine is open. Left out: none is kept.
   */
  restoreCredentials?(credentials: Credentials): Promise<boolean>;
}
