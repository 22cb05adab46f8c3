import type { MessagePayload } from "../../gen/sessiond/v1/event_pb.js";
import type { Engine_Kind, Me, SessionConfig } from "../../gen/sessiond/v1/session_pb.js";
import type { CloseCause, MessageChange } from "../domain/session.ts";
import type { ClientVersions } from "./client-versions.ts";
import type { Standing } from "./cluster.ts";
import type { MessageFiles } from "./media.ts";
import type { FileArchive } from "./profiles.ts";
import type { AckReport, Sending, SentMessage } from "./sending.ts";
import type { Logger } from "./system.ts";

/**
 * Bytes that an engine stores between its lives, by key. A handle works until the session's next one is made or its data is wiped.
 * After that each call rejects with LeaseLost, so that an engine that was given up can write nothing.
 */
export interface EngineData {
  /** Returns the values of `keys` in their order; undefined where there is none. Rejects if a value exists and cannot be read. */
  read(keys: readonly string[]): Promise<(Uint8Array | undefined)[]>;
  /** Applies all changes or none; null removes a key. */
  write(changes: ReadonlyMap<string, Uint8Array | null>): Promise<void>;
}

/** The login of a device: its writes are on disk when they resolve. */
export type Credentials = EngineData;

/** Contacts, chats and messages: may be lost in a power failure, but are never torn. */
export type ChatStore = EngineData;

/** A report of an engine. Reports come in the order in which things happened. */
export type EngineEvent =
  /** A code to scan, with times of the monotonic clock. `serial` counts from 1 within the engine's life; `remaining` codes are still to come. */
  | { type: "qr"; value: string; serial: number; remaining: number; issuedAtMs: number; expiresAtMs: number }
  /** A phone has linked the device, and the login is on disk. */
  | { type: "paired"; me: Me }
  /** The engine is logged in and ready for use. */
  | { type: "opened"; me: Me }
  /** The account's name or ids have changed. */
  | { type: "me_changed"; me: Me }
  /** A user's message, received or sent from another device; never a protocol message. */
  | { type: "message"; message: MessagePayload }
  /** A message got a reaction, another text, or was deleted, by a person or from another device of the account. */
  | { type: "message_change"; change: MessageChange }
  /** WhatsApp reports on a message that the account sent. */
  | { type: "ack"; report: AckReport }
  /** The open connection has stopped or resumed answering. Comes only after `opened`. */
  | { type: "health"; healthy: boolean }
  /**
   * The last event. `untilMs`: time of the monotonic clock before which nothing may be tried. `clientVersion`: the version that
   * WhatsApp refused. `message`: one sentence without secrets.
   */
  | { type: "closed"; cause: CloseCause; message: string; untilMs?: number; clientVersion?: string };

/**
 * The state of the device at WhatsApp after a logout: removed, never linked, or unknown. "again": still linked, and WhatsApp asks
 * for a new connection.
 */
export type UnlinkResult = "unlinked" | "not_linked" | "again" | "unknown";

/** One connection to WhatsApp, from its opening to its end. Single use; never throws for network reasons. */
export interface Engine extends EngineAbilities {
  /**
   * The engine's reports, to be read once; they wait until they are read. Ends after exactly one `closed`. The reader asks for the
   * next event only when the last one is committed.
   */
  readonly events: AsyncIterable<EngineEvent>;
  /** Time at which WhatsApp was last heard (Unix ms); undefined where that is not known. */
  readonly lastInboundAtMs?: number | undefined;
  /**
   * Unlinks the device at WhatsApp and closes. Waits for a login or a pairing that is under way, but not for a phone to scan a code;
   * `close()` cuts it short. Drops messages that were not read yet.
   */
  logout(): Promise<UnlinkResult>;
  /** Closes without unlinking; the credentials stay. Idempotent. Resolves when nothing of the engine is left and `closed` is reported. */
  close(): Promise<void>;
}

/** The abilities that only some engines have. An engine has exactly those that its factory names. */
export interface EngineAbilities {
  readonly pairingCodes?: PairingCodes | undefined;
  readonly screenshots?: Screenshots | undefined;
  readonly sending?: Sending | undefined;
  readonly messageFiles?: MessageFiles | undefined;
}

/** The name of an ability. */
export type Ability = keyof EngineAbilities;

/** Pairing by a code that a user types on the phone, instead of scanning. */
export interface PairingCodes {
  /** Asks WhatsApp for a code such as "ABCDEFGH", for a phone number of 7 to 15 digits. Rejects with PairingCodeRefused, also before the first `qr`. */
  request(phoneNumber: string): Promise<string>;
}

/** Pictures of the page in which the engine runs. */
export interface Screenshots {
  /** Takes a picture as PNG. Rejects while there is no page, or if the page does not answer. */
  take(): Promise<Uint8Array>;
}

/** WhatsApp did not accept the request for a pairing code. The message gives the reason and contains no secret. */
export class PairingCodeRefused extends Error {
  override readonly name = "PairingCodeRefused";
}

/** Options with which an engine is opened. */
export interface EngineOptions {
  readonly session: string;
  readonly config: SessionConfig;
  readonly credentials: Credentials;
  readonly chats: ChatStore;
  readonly logger: Logger;
  /**
   * Send time of the newest message reported from this login, else the time of its pairing (Unix ms). Engines that can, report anything
   * newer again. Unset before the pairing.
   */
  readonly reportedUntilMs?: number | undefined;
  /** While the node is frozen, an engine that can sends nothing but keepalives, and acknowledges nothing. */
  readonly standing?: Standing | undefined;
  /** The archive in which another node may have left the session's files; undefined where no node does. */
  readonly archive?: FileArchive | undefined;
  /**
   * Returns a message that the session has sent, by WhatsApp's id, for a recipient that asks again; left out: none is known. Its content
   * is empty if it was edited or deleted since.
   */
  readonly sentMessage?: ((id: string) => Promise<SentMessage | undefined>) | undefined;
  /** Returns whether the session sends the message with this id of WhatsApp's, or has sent it. Engines do not report it as a message. */
  readonly isOutgoing?: ((id: string) => Promise<boolean>) | undefined;
}

/** Makes engines of one kind. */
export interface EngineFactory {
  readonly kind: Engine_Kind;
  /** The abilities of every engine of this kind, also for sessions without an open engine. */
  readonly abilities: readonly Ability[];
  /** The client version that engines present to WhatsApp; left out where they have none of their own. */
  readonly clientVersions?: ClientVersions;
  readonly formerLogins?: FormerLogins;
  readonly files?: EngineFiles;
  /** Returns quickly why no engine can be opened on this machine, as the rest of a sentence; undefined if one can, or where it is left out. */
  obstacle?(): Promise<string | undefined>;
  /** Loads what the first engine would have to wait for. Left out where there is nothing of the kind. May be called again. */
  preload?(): Promise<unknown>;
  /** Opens an engine at once. A failure to connect becomes `closed`. */
  open(options: EngineOptions): Engine;
  /** Returns whether credentials hold a login that WhatsApp may know. Rejects if they cannot be read. */
  hasLogin(credentials: Credentials): Promise<boolean>;
}

/** Engines that remember the login they last connected with. No engine of the session may be open during a call. */
export interface FormerLogins {
  /** Swaps the present login with the former one; false if there is none. */
  restore(credentials: Credentials): Promise<boolean>;
}

/** Engines with files outside of EngineData, such as a browser's profile. No engine of the session may be open during a call. */
export interface EngineFiles {
  /** Hands a session's files over to the owner `id`, who has the credentials already. Idempotent, so that it can be repeated after a crash. */
  setAside(session: string, id: string, credentials: Credentials): Promise<void>;
  /**
   * Archives a session's files for another node, and notes that in the credentials: the next engine that opens takes them from there.
   * Rejects if they cannot be archived; they are still to be used here then.
   */
  readonly pack?: ((session: string, credentials: Credentials, archive: FileArchive) => Promise<void>) | undefined;
  /** Removes a session's files, if there are any. Called after the credentials are wiped or removed. */
  discard(session: string): Promise<void>;
}
