import { timestampMs } from "@bufbuild/protobuf/wkt";
import { SessionRecord_Phase as Phase } from "../../gen/sessiond/store/v1/store_pb.js";
import { Session_DesiredState as Desired, Session_StatusReason as Reason } from "../../gen/sessiond/v1/session_pb.js";
import { isLeaving, type SessionState, statusOf } from "./session-state.ts";
import { asked, forgiven, reach, type SessionAction, type Transition, to } from "./session-transition.ts";

/**
 * What became of a login's device at WhatsApp: removed there, never linked, perhaps linked still, or not to be found out because
 * the login cannot be read.
 */
export type UnlinkOutcome = "unlinked" | "not_linked" | "pending" | "unknown";

/** Ends the login; the session stays. */
export function logout(state: SessionState, nowMs: number): Transition {
  const wanted = asked(state, state.desiredState);
  if (isLeaving(state)) return interrupted(wanted);
  if (!mayBeLinked(state)) return unlinked({ ...wanted, phase: Phase.LOGGING_OUT }, "not_linked", statusOf(state));
  return reach(wanted, { phase: Phase.LOGGING_OUT }, unlinkEngine(state, nowMs));
}

/** Ends the login and the session. */
export function remove(state: SessionState, nowMs: number): Transition {
  const wanted = asked(state, Desired.STOPPED);
  if (state.phase === Phase.DELETING) return interrupted(wanted);
  const deleting = { phase: Phase.DELETING };
  if (!mayBeLinked(state)) return reach(wanted, deleting, { type: "close_engine" }, { type: "remove" });
  return reach(wanted, deleting, unlinkEngine(state, nowMs));
}

/** Finishes a logout or a deletion that was cut short. Its device may be linked still. */
export const interrupted = (state: SessionState): Transition =>
  unlinked(state, mayBeLinked(state) ? "pending" : "not_linked");

/** Removes the login here, or sets it aside if its device may be linked still. `shown`: the status that users see now. */
export function unlinked(state: SessionState, outcome: UnlinkOutcome, shown = statusOf(state)): Transition {
  const wipe = outcome === "pending" ? "set_aside" : "discard";
  if (state.phase === Phase.DELETING) {
    // Removing the session removes its login too.
    const actions: SessionAction[] = [{ type: "close_engine" }, { type: "remove" }];
    return to(state, { ...(wipe === "set_aside" && { wipe }), actions });
  }
  if (state.phase !== Phase.LOGGING_OUT) return to(state);
  const { me: _, replacedAt: __, ...unpaired } = forgiven(state);
  const running = state.desiredState === Desired.RUNNING;
  const next = {
    ...unpaired,
    phase: running ? Phase.CONNECTING : Phase.STOPPED,
    credentialsDead: false,
    attempt: 0,
  };
  const actions: SessionAction[] = [{ type: "close_engine" }];
  if (running) actions.push({ type: "open_engine" });
  return to(next, { events: statusOf(next) === shown ? [] : ["session.status"], wipe, actions });
}

/** A ban that is not over: connecting now would make it longer. */
export const isBanned = (state: SessionState, nowMs: number): boolean =>
  state.phase === Phase.FAILED && bannedUntilMs(state) > nowMs;

/** The end of the last temporary ban, on the monotonic clock; 0 if the last failure was none. */
export const bannedUntilMs = ({ reason, wakeAt }: SessionState): number =>
  reason === Reason.TEMPORARILY_BANNED && wakeAt ? timestampMs(wakeAt) : 0;

/** Only credentials can tell for sure: a phone may have linked the device without the record knowing it yet. */
const mayBeLinked = (state: SessionState): boolean => !state.credentialsDead;

const unlinkEngine = (state: SessionState, nowMs: number): SessionAction => ({
  type: "unlink_engine",
  connects: !isBanned(state, nowMs),
});
