import type { MessageLog } from "../../gen/sessiond/store/v1/store_pb.js";
import type { MessagePayload } from "../../gen/sessiond/v1/event_pb.js";
import {
  type Session_DesiredState as Desired,
  type Me,
  Session_StatusReason as Reason,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";
import { hasOtherLimits } from "./account.ts";
import type { ChangedPart } from "./session-changes.ts";
import type { MessageChange } from "./session-input.ts";
import { type SessionState, statusOf } from "./session-state.ts";

/** Names of the events that a transition can announce. */
export type Announcement = "session.status" | "session.updated" | "session.health" | "message" | "message_change";

/** An action to perform once the new state is on disk. After a crash it follows from the state again. */
export type SessionAction =
  /** Close the engine, if one is open. */
  | { type: "close_engine" }
  /** Unlink the device at WhatsApp, by an engine opened for it if `connects`, then report `unlinked`. */
  | { type: "unlink_engine"; connects: boolean }
  | { type: "open_engine" }
  /** Remove the session for good. */
  | { type: "remove" };

/** Removal of credentials and chats. "set_aside" first moves the credentials to a pending unlink. */
export type Wipe = "none" | "discard" | "set_aside";

/** A step of a session. `state`, `messages`, `events` and `wipe` are one write; `actions` follow it. */
export interface Transition {
  readonly state: SessionState;
  /** The log of messages to write; left out: unchanged. */
  readonly messages?: MessageLog;
  /** Events to write with the state. */
  readonly events: readonly Announcement[];
  /** The message that the event "message" is about. */
  readonly message?: MessagePayload;
  /** The change that the event "message_change" is about. */
  readonly messageChange?: MessageChange;
  /** The parts that the event "session.updated" is about. */
  readonly changed?: readonly ChangedPart[];
  /** Removes credentials and chats in the same write. */
  readonly wipe: Wipe;
  /** Actions to perform after the write, in this order. */
  readonly actions: readonly SessionAction[];
}

/** Returns a transition without events, wipe or actions unless `more` names them. */
export const to = (state: SessionState, more: Partial<Omit<Transition, "state">> = {}): Transition => ({
  state,
  events: [],
  wipe: "none",
  actions: [],
  ...more,
});

/** Returns a transition that announces the status, whether or not it has changed. */
export const announce = (state: SessionState, ...actions: SessionAction[]): Transition =>
  to(state, { events: ["session.status"], actions });

/** Returns a transition to a changed account. As in WAHA, WORKING is announced again with other limits of WhatsApp's on the account. */
export function accountChanged(state: SessionState, me: Me): Transition {
  const next = { ...state, me };
  return statusOf(state) === Status.WORKING && hasOtherLimits(state.me, me) ? announce(next) : to(next);
}

/** Returns a transition to a new state, announced only if users see another status. */
export function reach(from: SessionState, change: Partial<SessionState>, ...actions: SessionAction[]): Transition {
  const state = { ...from, ...change };
  return statusOf(state) === statusOf(from) ? to(state, { actions }) : announce(state, ...actions);
}

/** Returns the state once the owner has asked for a change. */
export const withRequest = (state: SessionState, desiredState: Desired): SessionState => ({
  ...state,
  desiredState,
  revision: state.revision + 1,
});

/** Returns the state without its last failure and its wait; `replacedAt` stays. */
export function withFailureCleared(state: SessionState): SessionState {
  const { wakeAt: _, ...rest } = state;
  return { ...rest, reason: Reason.STATUS_REASON_UNSPECIFIED, reasonMessage: "", refusedClientVersion: "" };
}

/** Returns the events of a transition, with one that announces a change of these parts if no new status does. */
export function withChanges(
  { events }: Transition,
  changed: readonly ChangedPart[],
): Pick<Transition, "events" | "changed"> {
  if (changed.length === 0 || events.includes("session.status")) return { events };
  return { events: [...events, "session.updated"], changed };
}

/** Returns two transitions in a row as one write. Only the actions of the second are performed. */
export function joinTransitions(first: Transition, second: Transition): Transition {
  const changed = new Set([...(first.changed ?? []), ...(second.changed ?? [])]);
  return {
    ...first,
    ...second,
    events: [...new Set([...first.events, ...second.events])],
    wipe: first.wipe === "none" ? second.wipe : first.wipe,
    ...(changed.size > 0 && { changed: [...changed] }),
  };
}
