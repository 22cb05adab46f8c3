import {
  type Session_DesiredState as Desired,
  Session_StatusReason as Reason,
} from "../../gen/sessiond/v1/session_pb.js";
import { type SessionState, statusOf } from "./session-state.ts";

/** Names of the events that a transition can announce. */
export type Announcement = "session.status" | "session.health";

/** What is done once the new state is on disk. After a crash it follows from the state again. */
export type SessionAction =
  /** Close the engine, if one is open. */
  | { type: "close_engine" }
  /** Unlink the device at WhatsApp, by an engine opened for it if `connects`, then report `unlinked`. */
  | { type: "unlink_engine"; connects: boolean }
  | { type: "open_engine" }
  /** Remove the session for good. */
  | { type: "remove" };

/** What becomes of credentials and chats: the credentials can be set aside, to be unlinked by others. */
export type Wipe = "none" | "discard" | "set_aside";

/** A step of a session. `state`, `events` and `wipe` are one write; `actions` follow it. */
export interface Transition {
  readonly state: SessionState;
  /** Events to write with the state. */
  readonly events: readonly Announcement[];
  /** Removes credentials and chats in the same write. */
  readonly wipe: Wipe;
  /** Actions to perform after the write, in this order. */
  readonly actions: readonly SessionAction[];
}

/** A transition without events, wipe or actions unless `more` names them. */
export const to = (state: SessionState, more: Partial<Omit<Transition, "state">> = {}): Transition => ({
  state,
  events: [],
  wipe: "none",
  actions: [],
  ...more,
});

/** Announces the status, whether or not it has changed. */
export const announced = (state: SessionState, ...actions: SessionAction[]): Transition =>
  to(state, { events: ["session.status"], actions });

/** Goes to a new state and announces it only if users see another status. */
export function reach(from: SessionState, change: Partial<SessionState>, ...actions: SessionAction[]): Transition {
  const state = { ...from, ...change };
  return statusOf(state) === statusOf(from) ? to(state, { actions }) : announced(state, ...actions);
}

/** The state once the owner has asked for a change. */
export const asked = (state: SessionState, desiredState: Desired): SessionState => ({
  ...state,
  desiredState,
  revision: state.revision + 1,
});

/** The state without its last failure and its wait; `replacedAt` stays. */
export function forgiven(state: SessionState): SessionState {
  const { wakeAt: _, ...rest } = state;
  return { ...rest, reason: Reason.STATUS_REASON_UNSPECIFIED, reasonMessage: "", refusedClientVersion: "" };
}
