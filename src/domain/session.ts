import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { SessionRecord_Phase as Phase } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  Session_DesiredState as Desired,
  Session_Health as Health,
  type Me,
  Session_StatusReason as Reason,
  type SessionConfig,
} from "../../gen/sessiond/v1/session_pb.js";
import { type RetryPolicy, reconnectDelayMs } from "./reconnect.ts";
import type { CloseCause, SessionInput } from "./session-input.ts";
import { interrupted, isBanned, logout, remove, unlinked } from "./session-leaving.ts";
import { canUseVersion, isLeaving, isRunning, type SessionState, wakeAtMs } from "./session-state.ts";
import { announced, asked, forgiven, reach, type SessionAction, type Transition, to } from "./session-transition.ts";

export type { CloseCause, SessionInput } from "./session-input.ts";
export type { UnlinkOutcome } from "./session-leaving.ts";
export {
  canUseVersion,
  engineStateOf,
  failedAttemptsOf,
  meOf,
  type SessionState,
  statusOf,
  wakeAtMs,
} from "./session-state.ts";
export type { Announcement, SessionAction, Transition, Wipe } from "./session-transition.ts";

/** What a cause leads to: give up, try again later, or its own rule. */
type Consequence = "fail" | "fail_unpaired" | "fail_until" | "back_off" | "reconnect" | "retry_once";

const causes = {
  logged_out: { reason: Reason.LOGGED_OUT, leadsTo: "fail_unpaired" },
  replaced: { reason: Reason.REPLACED, leadsTo: "retry_once" },
  restart_required: { reason: Reason.RESTART_REQUIRED, leadsTo: "reconnect" },
  banned: { reason: Reason.BANNED, leadsTo: "fail" },
  temp_banned: { reason: Reason.TEMPORARILY_BANNED, leadsTo: "fail_until" },
  client_outdated: { reason: Reason.CLIENT_OUTDATED, leadsTo: "fail" },
  rejected: { reason: Reason.REJECTED, leadsTo: "fail" },
  unreachable: { reason: Reason.UNREACHABLE, leadsTo: "back_off" },
  rate_limited: { reason: Reason.UNREACHABLE, leadsTo: "back_off" },
  pairing_timeout: { reason: Reason.PAIRING_TIMEOUT, leadsTo: "fail" },
  engine_crashed: { reason: Reason.ENGINE_CRASHED, leadsTo: "back_off" },
  bad_session: { reason: Reason.BAD_SESSION, leadsTo: "back_off" },
  credentials_unreadable: { reason: Reason.CREDENTIALS_UNREADABLE, leadsTo: "fail" },
} as const satisfies Record<CloseCause, { reason: Reason; leadsTo: Consequence }>;

/** How patient a session is. `jitter` is a fresh number in [0, 1) for each transition. */
export interface SessionPolicy extends RetryPolicy {
  readonly replacedRetryMs: number;
  readonly replacedMemoryMs: number;
  /** WhatsApp is given a new connection at once so often, and no oftener. */
  readonly restartMemoryMs: number;
  /** A connection that lived this long ends a row of failures. */
  readonly stableAfterMs: number;
  /** A connection that is neither logged in nor offers a code by then is given up, whatever its engine thinks. */
  readonly connectDeadlineMs: number;
  /** Codes that nobody uses and that no others follow are given up after this. */
  readonly pairingDeadlineMs: number;
}

export const defaultPolicy = {
  maxDelayMs: 900_000,
  jitterShare: 0.1,
  replacedRetryMs: 30_000,
  replacedMemoryMs: 3_600_000,
  restartMemoryMs: 3_600_000,
  // As long as the longest row of losses is apart: a connection that dies sooner again and again is tried 20 times an hour at most.
  stableAfterMs: 600_000,
  connectDeadlineMs: 300_000,
  pairingDeadlineMs: 180_000,
} as const;

/**
 * The whole conduct of a session. Total and pure: a late or meaningless input leaves the state as it is. An engine report must
 * come from the current engine; the caller drops others.
 */
export function transition(state: SessionState, input: SessionInput, nowMs: number, policy: SessionPolicy): Transition {
  const next = step(state, input, nowMs, policy);
  return next.state === state ? next : { ...next, state: settled(next.state, nowMs, policy) };
}

/** What holds in every phase: each wait for someone else has its end, and only a connection has a health. */
function settled(state: SessionState, nowMs: number, policy: SessionPolicy): SessionState {
  const limits: Partial<Record<Phase, number>> = {
    [Phase.CONNECTING]: policy.connectDeadlineMs,
    [Phase.PAIRING]: policy.pairingDeadlineMs,
  };
  const limitMs = limits[state.phase];
  const health = state.phase === Phase.WORKING ? state.health : Health.UNSPECIFIED;
  return { ...state, health, ...(limitMs !== undefined && { wakeAt: timestampFromMs(nowMs + limitMs) }) };
}

function step(state: SessionState, input: SessionInput, nowMs: number, policy: SessionPolicy): Transition {
  switch (input.type) {
    case "start":
      return start(state, nowMs);
    case "stop":
      return stop(state);
    case "restart":
      return restart(asked(state, Desired.RUNNING), nowMs);
    case "logout":
      return logout(state, nowMs);
    case "delete":
      return remove(state, nowMs);
    case "configure":
      return configure(state, input.config, nowMs);
    case "resume":
      return resume(state, input.clientVersion, nowMs, policy);
    case "client_version_changed":
      return state.engine === input.engine && canUseVersion(state, input.version) ? open(state) : to(state);
    case "wake":
      return wake(state, nowMs, policy);
    case "postponed":
      return postponed(state, input.untilMs);
    case "restored":
      return restored(state, nowMs);
    case "unlinked":
      return unlinked(state, input.outcome);
    case "qr":
      return isRunning(state) ? announced({ ...forgiven(state), phase: Phase.PAIRING }) : to(state);
    case "paired":
      return isRunning(state) ? paired(state, input.me) : to(state);
    case "opened":
      return isRunning(state) ? opened(state, input.me, nowMs) : to(state);
    case "me_changed":
      return isRunning(state) ? to({ ...state, me: input.me }) : to(state);
    case "health":
      return health(state, input.healthy);
    case "closed":
      return isRunning(state) ? closed(state, input, nowMs, policy) : to(state);
  }
}

/** The first time after pairing the restart that led there was part of it, and not one of those that are counted. */
function opened(state: SessionState, me: Me, nowMs: number): Transition {
  const { restartedAt: _, ...unrestarted } = forgiven(state);
  const from = state.openedAt ? forgiven(state) : unrestarted;
  return reach(from, { phase: Phase.WORKING, me, openedAt: timestampFromMs(nowMs), health: Health.HEALTHY });
}

/** The restart that WhatsApp asks for next is part of pairing. What was told of another login is none of this one's. */
function paired(state: SessionState, me: Me): Transition {
  const { restartedAt: _, openedAt: __, lastMessageAt: ___, ...rest } = state;
  return reach(rest, { phase: Phase.CONNECTING, me, attempt: 0 });
}

function health(state: SessionState, healthy: boolean): Transition {
  const health = healthy ? Health.HEALTHY : Health.SUSPECT;
  if (!isRunning(state) || state.phase !== Phase.WORKING || state.health === health) return to(state);
  return to({ ...state, health }, { events: ["session.health"] });
}

/** Opens a fresh engine, without the login where that is dead. */
function open(from: SessionState, ...before: SessionAction[]): Transition {
  const actions: SessionAction[] = [...before, { type: "open_engine" }];
  if (!from.credentialsDead) return reach(forgiven(from), { phase: Phase.CONNECTING }, ...actions);
  const { me: _, ...unpaired } = forgiven(from);
  return { ...reach(unpaired, { phase: Phase.CONNECTING, credentialsDead: false }, ...actions), wipe: "discard" };
}

function start(state: SessionState, nowMs: number): Transition {
  if (isLeaving(state)) return interrupted(asked(state, Desired.RUNNING));
  if (isRunning(state) || state.phase === Phase.BACKING_OFF) return to(state);
  const wanted = asked(state, Desired.RUNNING);
  return isBanned(state, nowMs) ? to(wanted) : open({ ...wanted, attempt: 0 });
}

function stop(state: SessionState): Transition {
  if (state.desiredState === Desired.STOPPED && state.phase === Phase.STOPPED) return to(state);
  const wanted = asked(state, Desired.STOPPED);
  if (isLeaving(state)) return interrupted(wanted);
  return reach(forgiven(wanted), { phase: Phase.STOPPED, attempt: 0 }, { type: "close_engine" });
}

function restart(wanted: SessionState, nowMs: number): Transition {
  if (isLeaving(wanted)) return interrupted(wanted);
  if (isBanned(wanted, nowMs)) return to(wanted);
  return open({ ...wanted, attempt: 0 }, { type: "close_engine" });
}

function configure(state: SessionState, config: SessionConfig, nowMs: number): Transition {
  const configured = { ...asked(state, state.desiredState), config };
  return state.desiredState === Desired.RUNNING ? restart(configured, nowMs) : to(configured);
}

/** Many want to connect at once: this one waits, and says so. */
function postponed(state: SessionState, untilMs: number): Transition {
  if (!isRunning(state) || state.phase !== Phase.CONNECTING) return to(state);
  const reasonMessage = state.reasonMessage || "Waits for its turn to connect";
  return reach(state, { phase: Phase.BACKING_OFF, reasonMessage, wakeAt: timestampFromMs(untilMs) });
}

function restored(state: SessionState, nowMs: number): Transition {
  const wanted = { ...asked(state, state.desiredState), credentialsDead: false };
  return state.desiredState === Desired.RUNNING ? restart(wanted, nowMs) : to(wanted);
}

function resume(
  state: SessionState,
  clientVersion: string | undefined,
  nowMs: number,
  policy: SessionPolicy,
): Transition {
  if (isLeaving(state)) return interrupted(state);
  if (state.desiredState !== Desired.RUNNING) {
    return state.phase === Phase.STOPPED ? to(state) : reach(forgiven(state), { phase: Phase.STOPPED });
  }
  if (state.phase === Phase.STOPPED) return open(state);
  if (isRunning(state)) return open(state);
  if (clientVersion !== undefined && canUseVersion(state, clientVersion)) return open(state);
  // Someone else may still be holding the device, so this wait is kept; any other has been long enough.
  if (state.phase === Phase.BACKING_OFF)
    return state.reason === Reason.REPLACED ? wake(state, nowMs, policy) : open(state);
  return wake(state, nowMs, policy);
}

function wake(state: SessionState, nowMs: number, policy: SessionPolicy): Transition {
  const atMs = wakeAtMs(state);
  if (atMs === undefined || nowMs < atMs || isLeaving(state)) return to(state);
  return isRunning(state) ? overdue(state, nowMs, policy) : reconnected(state, open(state));
}

/** The engine has not come on in time, and has not noticed either. */
function overdue(state: SessionState, nowMs: number, policy: SessionPolicy): Transition {
  const cause = state.phase === Phase.PAIRING ? "pairing_timeout" : "unreachable";
  const message =
    state.phase === Phase.PAIRING ? "No phone used a code in time" : "The connection did not come about in time";
  const next = closed(state, { type: "closed", cause, message }, nowMs, policy);
  return { ...next, actions: [...next.actions, { type: "close_engine" }] };
}

/** A further attempt shows the last failure until one succeeds. Waiting for a slot was not a failure. */
function reconnected(from: SessionState, next: Transition): Transition {
  if (from.reason === Reason.STATUS_REASON_UNSPECIFIED) return next;
  return { ...next, state: { ...next.state, reason: from.reason, reasonMessage: from.reasonMessage } };
}

function closed(
  state: SessionState,
  input: Extract<SessionInput, { type: "closed" }>,
  nowMs: number,
  policy: SessionPolicy,
): Transition {
  const { reason, leadsTo } = causes[input.cause];
  const refusedClientVersion = input.clientVersion ?? "";
  const failed = { phase: Phase.FAILED, reason, reasonMessage: input.message, refusedClientVersion };
  const stable = state.openedAt !== undefined && nowMs - timestampMs(state.openedAt) >= policy.stableAfterMs;
  const { wakeAt: _, ...rest } = state;
  const known = { ...rest, attempt: stable && state.phase === Phase.WORKING ? 0 : state.attempt };
  switch (leadsTo satisfies Consequence) {
    case "fail":
      return reach(known, failed);
    case "fail_unpaired":
      return reach(known, { ...failed, credentialsDead: true });
    case "fail_until":
      return reach(known, { ...failed, ...(input.untilMs && { wakeAt: timestampFromMs(input.untilMs) }) });
    case "reconnect": {
      // Asked for once it is normal; asked for again soon after, it is a failure like others.
      const again = state.restartedAt && nowMs - timestampMs(state.restartedAt) < policy.restartMemoryMs;
      if (again) return backOff(known, reason, input, nowMs, policy);
      const restarted = { ...known, reason, reasonMessage: input.message, restartedAt: timestampFromMs(nowMs) };
      return reconnected(restarted, open(restarted));
    }
    case "retry_once": {
      const again = state.replacedAt && nowMs - timestampMs(state.replacedAt) < policy.replacedMemoryMs;
      if (again) return reach(known, failed);
      const wakeAt = timestampFromMs(nowMs + policy.replacedRetryMs);
      return reach(known, { ...failed, phase: Phase.BACKING_OFF, wakeAt, replacedAt: timestampFromMs(nowMs) });
    }
    case "back_off":
      return backOff(known, reason, input, nowMs, policy);
  }
}

/** WhatsApp asks for more patience with 429 than after a loss: five steps more (wire.md, section 4). */
const rateLimitSteps = 5;

function backOff(
  state: SessionState,
  reason: Reason,
  input: Extract<SessionInput, { type: "closed" }>,
  nowMs: number,
  policy: SessionPolicy,
): Transition {
  const attempt = state.attempt + 1 + (input.cause === "rate_limited" ? rateLimitSteps : 0);
  const wakeAt = timestampFromMs(nowMs + reconnectDelayMs(attempt, policy));
  return reach(state, { phase: Phase.BACKING_OFF, reason, reasonMessage: input.message, attempt, wakeAt });
}
