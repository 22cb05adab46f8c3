import { timestampMs } from "@bufbuild/protobuf/wkt";
import { SessionRecord_Phase as Phase } from "../../gen/sessiond/store/v1/store_pb.js";
import { Session_DesiredState as Desired, Session_StatusReason as Reason } from "../../gen/sessiond/v1/session_pb.js";
import type { SessionInput, UnlinkOutcome } from "./session-input.ts";
import { type SessionState, statusOf } from "./session-state.ts";
import {
  reach,
  type SessionAction,
  type Transition,
  to,
  withFailureCleared,
  withRequest,
} from "./session-transition.ts";

/**
 * The step of a session that was leaving when its process or its step ended. A command finishes that first, and nothing else changes
 * it: no engine is open.
 */
export function stepLeaving(state: SessionState, input: SessionInput, nowMs: number): Transition {
  switch (input.type) {
    case "start":
    case "restart":
      return interrupted(withRequest(state, Desired.RUNNING));
    case "stop":
      return interrupted(withRequest(state, Desired.STOPPED));
    case "logout":
      return interrupted(withRequest(state, state.desiredState));
    case "delete":
      return state.phase === Phase.DELETING ? interrupted(withRequest(state, Desired.STOPPED)) : remove(state, nowMs);
    case "configure":
      return reconfigured({ ...withRequest(state, state.desiredState), config: input.config });
    case "restored":
      return reconfigured({ ...withRequest(state, state.desiredState), credentialsDead: false });
    case "resume":
      return interrupted(state);
    case "unlinked":
      return unlinked(state, input.outcome);
    default:
      return to(state);
  }
}

/** A change that restarts a session that should run. */
const reconfigured = (state: SessionState): Transition =>
  state.desiredState === Desired.RUNNING ? interrupted(state) : to(state);

/** Ends the login; the session stays. */
export function logout(state: SessionState, nowMs: number): Transition {
  const wanted = withRequest(state, state.desiredState);
  if (!mayBeLinked(state)) return unlinked({ ...wanted, phase: Phase.LOGGING_OUT }, "not_linked", statusOf(state));
  return reach(wanted, { phase: Phase.LOGGING_OUT }, unlinkEngine(state, nowMs));
}

/** Ends the login and the session. */
export function remove(state: SessionState, nowMs: number): Transition {
  const wanted = withRequest(state, Desired.STOPPED);
  const deleting = { phase: Phase.DELETING };
  if (!mayBeLinked(state)) return reach(wanted, deleting, { type: "close_engine" }, { type: "remove" });
  return reach(wanted, deleting, unlinkEngine(state, nowMs));
}

/** Finishes an interrupted logout or deletion. Its device may still be linked. */
const interrupted = (state: SessionState): Transition => unlinked(state, mayBeLinked(state) ? "pending" : "not_linked");

/** Removes the login here, or sets it aside if its device may still be linked. `shown`: the status that users see now. */
export function unlinked(state: SessionState, outcome: UnlinkOutcome, shown = statusOf(state)): Transition {
  const wipe = outcome === "pending" ? "set_aside" : "discard";
  if (state.phase === Phase.DELETING) {
    // Removing the session removes its login too.
    const actions: SessionAction[] = [{ type: "close_engine" }, { type: "remove" }];
    return to(state, { ...(wipe === "set_aside" && { wipe }), actions });
  }
  if (state.phase !== Phase.LOGGING_OUT) return to(state);
  const { me: _, replacedAt: __, ...unpaired } = withFailureCleared(state);
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

/** Returns true during a temporary ban. Connecting would prolong it. */
export const isBanned = (state: SessionState, nowMs: number): boolean =>
  state.phase === Phase.FAILED && bannedUntilMs(state) > nowMs;

/** Returns the end of the last temporary ban, on the monotonic clock; 0 if the last failure was not a ban. */
export const bannedUntilMs = ({ reason, wakeAt }: SessionState): number =>
  reason === Reason.TEMPORARILY_BANNED && wakeAt ? timestampMs(wakeAt) : 0;

/** Returns true if the device may be linked. Only the credentials are conclusive: a phone may have linked it just before a crash. */
const mayBeLinked = (state: SessionState): boolean => !state.credentialsDead;

const unlinkEngine = (state: SessionState, nowMs: number): SessionAction => ({
  type: "unlink_engine",
  connects: !isBanned(state, nowMs),
});
