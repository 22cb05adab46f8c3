// The nine phases of a session (SessionRecord.Phase). Phases in brackets have no engine open.
//
//   [STOPPED] ──start──► CONNECTING ──qr──► PAIRING ──paired──► CONNECTING ──opened──► WORKING
//                         │      ▲                                                       │
//     lost, or must wait  │      │ wake                                                  │ lost
//     at the connect gate ▼      │                                                       │
//                       [BACKING_OFF] ◄──────────────────────────────────────────────────┘
//
//   CONNECTING, PAIRING, WORKING ──no phone in time, or closed for good──► [FAILED]
//   [FAILED] ──start, restart, another client version, or the end of a ban──► CONNECTING
//   any ──stop──► [STOPPED]        any ──restart──► CONNECTING
//   any ──logout──► LOGGING_OUT ──unlinked──► CONNECTING if the session should run, else [STOPPED]
//   any ──delete──► DELETING ──unlinked──► removed
//
//   [UNSPECIFIED] is never written. LOGGING_OUT and DELETING that were interrupted are finished by the next command.

import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type MessageLog,
  SessionRecord_Phase as Phase,
  type SessionRecord,
  SessionRecordSchema,
} from "../../gen/sessiond/store/v1/store_pb.js";
import { SessionStatusPayload_PastSchema } from "../../gen/sessiond/v1/event_pb.js";
import {
  Session_DesiredState as Desired,
  type Engine_Kind,
  Session_Health as Health,
  type Me,
  Session_StatusReason as Reason,
  type SessionConfig,
} from "../../gen/sessiond/v1/session_pb.js";
import { withKnownLimits } from "./account.ts";
import { withLoginInUse, withNewLogin } from "./message-log.ts";
import { reportChange, reportMessage } from "./message-report.ts";
import { changeLinks, withoutUsedLinks } from "./pairing-links.ts";
import { type RetryPolicy, reconnectDelayMs } from "./reconnect.ts";
import { changedParts, withAccount } from "./session-changes.ts";
import type { CloseCause, SessionInput } from "./session-input.ts";
import { isBanned, logout, remove, stepLeaving } from "./session-leaving.ts";
import { canUseVersion, isLeaving, isRunning, type SessionState, statusOf, wakeAtMs } from "./session-state.ts";
import {
  accountChanged,
  announce,
  reach,
  type SessionAction,
  type Transition,
  to,
  withChanges,
  withFailureCleared,
  withRequest,
} from "./session-transition.ts";

export type { CloseCause, MessageChange, SessionInput, UnlinkOutcome } from "./session-input.ts";
export {
  accountOf,
  canUseVersion,
  engineStateOf,
  failedAttemptsOf,
  meOf,
  nextAttemptAtMs,
  type SessionState,
  statusOf,
  statusSince,
  wakeAtMs,
} from "./session-state.ts";
export type { Announcement, SessionAction, Transition, Wipe } from "./session-transition.ts";

/** The consequence of a cause: give up, try again later, or a rule of its own. */
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

/** Waits and limits of sessions. `jitter` is a fresh number in [0, 1) for each transition. */
export interface SessionPolicy extends RetryPolicy {
  readonly replacedRetryMs: number;
  readonly replacedMemoryMs: number;
  /** A second restart_required within this time counts as a failure. */
  readonly restartMemoryMs: number;
  /** A connection that lasted this long ends a row of failures. */
  readonly stableAfterMs: number;
  /** An engine that is neither logged in nor offers a code after this time is given up. */
  readonly connectDeadlineMs: number;
  /** Pairing ends this long after the last code. */
  readonly pairingDeadlineMs: number;
}

export const defaultPolicy = {
  maxDelayMs: 900_000,
  jitterShare: 0.1,
  replacedRetryMs: 30_000,
  replacedMemoryMs: 3_600_000,
  restartMemoryMs: 3_600_000,
  // A connection that dies sooner again and again is tried at most 20 times an hour.
  stableAfterMs: 600_000,
  connectDeadlineMs: 300_000,
  pairingDeadlineMs: 180_000,
} as const;

/** Everything that is stored of a session and that its state machine reads and writes. */
export interface StoredSession {
  readonly record: SessionState;
  readonly messages: MessageLog;
}

/** One reading of both clocks. */
export interface Moment {
  /** On the monotonic clock. */
  readonly nowMs: number;
  /** Unix time. */
  readonly wallMs: number;
}

/** Returns the record of a session that was never started. */
export function newRecord(name: string, engine: Engine_Kind, config: SessionConfig, wallMs: number): SessionRecord {
  const now = timestampFromMs(wallMs);
  return create(SessionRecordSchema, {
    name,
    engine,
    config,
    desiredState: Desired.STOPPED,
    phase: Phase.STOPPED,
    revision: 1,
    createdAt: now,
    updatedAt: now,
  });
}

/**
 * Returns the step that follows from an input. Total and pure: a late or meaningless input leaves everything as it is. A report must
 * come from the current engine; the caller drops those of others. The only author of records and message logs.
 */
export function transition(
  { record, messages }: StoredSession,
  input: SessionInput,
  { nowMs, wallMs }: Moment,
  policy: SessionPolicy,
): Transition {
  if (input.type === "message") return reportMessage(record, messages, input.message);
  if (input.type === "message_change") return reportChange(record, messages, input.change);
  const next = isLeaving(record) ? stepLeaving(record, input, nowMs) : step(record, input, nowMs, policy);
  if (next.state === record && next.events.length === 0 && next.wipe === "none") return next;
  const limited = withLimits(next.state, nowMs, policy);
  const state = next.state === record ? record : withoutUsedLinks(withAccount(limited, record));
  const log = next.state === record ? messages : logAfter(input, messages, record, nowMs);
  return {
    ...next,
    ...withChanges(next, changedParts(record, state)),
    state: stamped(state, next, wallMs),
    ...(log !== messages && { messages: log }),
  };
}

/** Returns the log of messages after a report about the login. */
function logAfter(input: SessionInput, log: MessageLog, { openedAt }: SessionState, nowMs: number): MessageLog {
  if (input.type === "paired") return withNewLogin(log, nowMs);
  if (input.type === "opened") return withLoginInUse(log, openedAt ? timestampMs(openedAt) : nowMs);
  return log;
}

/** Number of statuses in a session.status event. */
const maxStatuses = 3;

/** Returns the state as it is written: with the time, and with the status if it is announced and new. */
function stamped(state: SessionState, { events }: Transition, wallMs: number): SessionState {
  const time = timestampFromMs(wallMs);
  const status = statusOf(state);
  const isNew = events.includes("session.status") && state.statuses.at(-1)?.status !== status;
  const past = isNew ? [create(SessionStatusPayload_PastSchema, { status, time })] : [];
  return { ...state, statuses: [...state.statuses, ...past].slice(-maxStatuses), updatedAt: time };
}

/** Returns the state with what holds in every phase: each wait for others has an end, and only a connection has a health. */
function withLimits(state: SessionState, nowMs: number, policy: SessionPolicy): SessionState {
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
      return restart(withRequest(state, Desired.RUNNING), nowMs);
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
    case "link_added":
    case "link_revoked":
      return changeLinks(state, input, nowMs);
    case "qr":
      return isRunning(state) ? announce({ ...withFailureCleared(state), phase: Phase.PAIRING }) : to(state);
    case "paired":
      return isRunning(state) ? paired(state, input.me) : to(state);
    case "opened":
      return isRunning(state) ? opened(state, withKnownLimits(input.me, state.me), nowMs) : to(state);
    case "me_changed":
      return isRunning(state) ? accountChanged(state, withKnownLimits(input.me, state.me)) : to(state);
    case "health":
      return health(state, input.healthy);
    case "closed":
      return isRunning(state) ? closed(state, input, nowMs, policy) : to(state);
    case "unlinked":
    case "message":
    case "message_change":
      return to(state);
  }
}

/** The restart that WhatsApp asks for right after pairing is expected and is not counted. */
function opened(state: SessionState, me: Me, nowMs: number): Transition {
  const { restartedAt: _, ...unrestarted } = withFailureCleared(state);
  const from = state.openedAt ? withFailureCleared(state) : unrestarted;
  return reach(from, { phase: Phase.WORKING, me, openedAt: timestampFromMs(nowMs), health: Health.HEALTHY });
}

/** The facts about a former login do not hold for this one. */
function paired(state: SessionState, me: Me): Transition {
  const { restartedAt: _, openedAt: __, ...rest } = state;
  return reach(rest, { phase: Phase.CONNECTING, me, attempt: 0 });
}

function health(state: SessionState, healthy: boolean): Transition {
  const health = healthy ? Health.HEALTHY : Health.SUSPECT;
  if (!isRunning(state) || state.phase !== Phase.WORKING || state.health === health) return to(state);
  return to({ ...state, health }, { events: ["session.health"] });
}

/** Opens a new engine, after removing a dead login. */
function open(from: SessionState, ...before: SessionAction[]): Transition {
  const actions: SessionAction[] = [...before, { type: "open_engine" }];
  if (!from.credentialsDead) return reach(withFailureCleared(from), { phase: Phase.CONNECTING }, ...actions);
  const { me: _, ...unpaired } = withFailureCleared(from);
  return { ...reach(unpaired, { phase: Phase.CONNECTING, credentialsDead: false }, ...actions), wipe: "discard" };
}

function start(state: SessionState, nowMs: number): Transition {
  if (isRunning(state) || state.phase === Phase.BACKING_OFF) return to(state);
  const wanted = withRequest(state, Desired.RUNNING);
  return isBanned(state, nowMs) ? to(wanted) : open({ ...wanted, attempt: 0 });
}

function stop(state: SessionState): Transition {
  if (state.desiredState === Desired.STOPPED && state.phase === Phase.STOPPED) return to(state);
  const wanted = withRequest(state, Desired.STOPPED);
  return reach(withFailureCleared(wanted), { phase: Phase.STOPPED, attempt: 0 }, { type: "close_engine" });
}

function restart(wanted: SessionState, nowMs: number): Transition {
  if (isBanned(wanted, nowMs)) return to(wanted);
  return open({ ...wanted, attempt: 0 }, { type: "close_engine" });
}

function configure(state: SessionState, config: SessionConfig, nowMs: number): Transition {
  const configured = { ...withRequest(state, state.desiredState), config };
  return state.desiredState === Desired.RUNNING ? restart(configured, nowMs) : to(configured);
}

/** Waits at the connect gate, and says so. */
function postponed(state: SessionState, untilMs: number): Transition {
  if (!isRunning(state) || state.phase !== Phase.CONNECTING) return to(state);
  const reasonMessage = state.reasonMessage || "Waits for its turn to connect";
  return reach(state, { phase: Phase.BACKING_OFF, reasonMessage, wakeAt: timestampFromMs(untilMs) });
}

function restored(state: SessionState, nowMs: number): Transition {
  const wanted = { ...withRequest(state, state.desiredState), credentialsDead: false };
  return state.desiredState === Desired.RUNNING ? restart(wanted, nowMs) : to(wanted);
}

function resume(
  state: SessionState,
  clientVersion: string | undefined,
  nowMs: number,
  policy: SessionPolicy,
): Transition {
  if (state.desiredState !== Desired.RUNNING) {
    return state.phase === Phase.STOPPED ? to(state) : reach(withFailureCleared(state), { phase: Phase.STOPPED });
  }
  if (state.phase === Phase.STOPPED) return open(state);
  if (isRunning(state)) return open(state);
  if (clientVersion !== undefined && canUseVersion(state, clientVersion)) return open(state);
  // Another connection may still use the device, so this wait is kept; any other has been long enough.
  if (state.phase === Phase.BACKING_OFF)
    return state.reason === Reason.REPLACED ? wake(state, nowMs, policy) : open(state);
  return wake(state, nowMs, policy);
}

function wake(state: SessionState, nowMs: number, policy: SessionPolicy): Transition {
  const atMs = wakeAtMs(state);
  if (atMs === undefined || nowMs < atMs) return to(state);
  return isRunning(state) ? overdue(state, nowMs, policy) : reconnected(state, open(state));
}

/** The engine has missed its deadline without reporting it. */
function overdue(state: SessionState, nowMs: number, policy: SessionPolicy): Transition {
  const cause = state.phase === Phase.PAIRING ? "pairing_timeout" : "unreachable";
  const message =
    state.phase === Phase.PAIRING ? "No phone used a code in time" : "The connection did not come about in time";
  const next = closed(state, { type: "closed", cause, message }, nowMs, policy);
  return { ...next, actions: [...next.actions, { type: "close_engine" }] };
}

/** A further attempt shows the last failure until one succeeds. Waiting at the connect gate is not a failure. */
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
      // One request is normal; a second one soon after is a failure.
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

/** After a 429 the wait is five steps longer than after a loss (wire.md, section 4). */
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
