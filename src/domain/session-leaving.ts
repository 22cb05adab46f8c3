import { SessionRecord_Phase as Phase } from "../../gen/sessiond/store/v1/store_pb.js";
import { Session_DesiredState as Desired } from "../../gen/sessiond/v1/session_pb.js";
import { isLeaving, type SessionState, statusOf } from "./session-state.ts";
import { asked, forgiven, reach, type SessionAction, type Transition, to } from "./session-transition.ts";

/** Ends the login; the session stays. */
export function logout(state: SessionState): Transition {
  const wanted = asked(state, state.desiredState);
  if (isLeaving(state)) return unlinked(wanted);
  if (state.phase === Phase.WORKING) return reach(wanted, { phase: Phase.LOGGING_OUT }, { type: "unlink_engine" });
  return unlinked({ ...wanted, phase: Phase.LOGGING_OUT }, statusOf(state));
}

/** Ends the login and the session. */
export function remove(state: SessionState): Transition {
  const wanted = asked(state, Desired.STOPPED);
  if (state.phase === Phase.DELETING) return unlinked(wanted);
  if (state.phase === Phase.WORKING) return reach(wanted, { phase: Phase.DELETING }, { type: "unlink_engine" });
  return reach(wanted, { phase: Phase.DELETING }, { type: "close_engine" }, { type: "remove" });
}

/** The login is gone at WhatsApp, or cannot be reached there: it goes here too. */
export function unlinked(state: SessionState, shown = statusOf(state)): Transition {
  if (state.phase === Phase.DELETING) return to(state, { actions: [{ type: "close_engine" }, { type: "remove" }] });
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
  return to(next, { events: statusOf(next) === shown ? [] : ["session.status"], wipe: true, actions });
}
