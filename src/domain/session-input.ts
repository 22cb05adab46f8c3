import type { PairingLink } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Event, MessagePayload } from "../../gen/sessiond/v1/event_pb.js";
import type { Engine_Kind, Me, SessionConfig } from "../../gen/sessiond/v1/session_pb.js";

/** The result of unlinking a device: removed at WhatsApp, never linked, perhaps still linked, or unknown because the login is unreadable. */
export type UnlinkOutcome = "unlinked" | "not_linked" | "pending" | "unknown";

/** The cause of an engine's end. */
export type CloseCause =
  | "logged_out"
  | "replaced"
  | "restart_required"
  | "banned"
  | "temp_banned"
  | "client_outdated"
  | "rejected"
  | "unreachable"
  | "rate_limited"
  | "pairing_timeout"
  | "engine_crashed"
  | "bad_session"
  | "credentials_unreadable";

/** A reaction to a message, its new text, or its deletion. */
export type MessageChange = Extract<Event["payload"], { case: "messageReaction" | "messageEdited" | "messageRevoked" }>;

/** An input of a session: a command of its owner, a report of its engine, time that has come, or a new process. */
export type SessionInput =
  | { type: "start" }
  | { type: "stop" }
  | { type: "restart" }
  | { type: "logout" }
  | { type: "delete" }
  | { type: "configure"; config: SessionConfig }
  /** The process is new: no engine is open, whatever the state says. `clientVersion`: of the engines it opens, if they have one. */
  | { type: "resume"; clientVersion?: string | undefined }
  /** Engines of this kind use another client version from now on. */
  | { type: "client_version_changed"; engine: Engine_Kind; version: string }
  /** `wakeAtMs()` has come. */
  | { type: "wake" }
  /** The action `unlink_engine` is done. */
  | { type: "unlinked"; outcome: UnlinkOutcome }
  /** The action `open_engine` has to wait at the connect gate until then. */
  | { type: "postponed"; untilMs: number }
  /** A former login was put in place of the present one; no engine is open. */
  | { type: "restored" }
  /** The caller has made sure that there is room for it. */
  | { type: "link_added"; link: PairingLink }
  | { type: "link_revoked"; id: string }
  | { type: "qr" }
  | { type: "paired"; me: Me }
  | { type: "opened"; me: Me }
  | { type: "me_changed"; me: Me }
  /** A message was received, or sent from another device; perhaps for the second time. */
  | { type: "message"; message: MessagePayload }
  /** A message got a reaction, another text, or was deleted; perhaps reported for the second time. */
  | { type: "message_change"; change: MessageChange }
  /** The connection stopped answering, or answers again. */
  | { type: "health"; healthy: boolean }
  | { type: "closed"; cause: CloseCause; message: string; untilMs?: number; clientVersion?: string };
