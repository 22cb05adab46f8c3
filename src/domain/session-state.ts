import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { SessionRecord_Phase as Phase, type SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  Session_DesiredState as Desired,
  Session_EngineState as EngineState,
  type Me,
  Session_StatusReason as Reason,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";

/** A session's state is its record: the state machine decides what is written. */
export type SessionState = SessionRecord;

const statuses = {
  [Phase.UNSPECIFIED]: Status.STOPPED,
  [Phase.STOPPED]: Status.STOPPED,
  [Phase.CONNECTING]: Status.STARTING,
  [Phase.PAIRING]: Status.SCAN_QR_CODE,
  [Phase.WORKING]: Status.WORKING,
  [Phase.BACKING_OFF]: Status.STARTING,
  [Phase.FAILED]: Status.FAILED,
  [Phase.LOGGING_OUT]: Status.STARTING,
  [Phase.DELETING]: Status.STOPPED,
} as const satisfies Record<Phase, Status>;

/** Returns a session's status in WAHA's terms. Only this function knows them. */
export const statusOf = ({ phase, desiredState }: SessionState): Status =>
  // A session that should stay stopped connects only to be logged out.
  phase === Phase.LOGGING_OUT && desiredState === Desired.STOPPED ? Status.STOPPED : statuses[phase];

const engineStates = {
  [Phase.UNSPECIFIED]: EngineState.CLOSED,
  [Phase.STOPPED]: EngineState.CLOSED,
  [Phase.CONNECTING]: EngineState.CONNECTING,
  [Phase.PAIRING]: EngineState.PAIRING,
  [Phase.WORKING]: EngineState.OPEN,
  [Phase.BACKING_OFF]: EngineState.BACKING_OFF,
  [Phase.FAILED]: EngineState.CLOSED,
  [Phase.LOGGING_OUT]: EngineState.LOGGING_OUT,
  [Phase.DELETING]: EngineState.LOGGING_OUT,
} as const satisfies Record<Phase, EngineState>;

/** Returns the engine's state, finer than the status. */
export const engineStateOf = (state: SessionState): EngineState => engineStates[state.phase];

/** Returns the account to show: none while stopped or proven unpaired. */
export const meOf = (state: SessionState): Me | undefined =>
  state.phase === Phase.STOPPED || state.credentialsDead ? undefined : state.me;

/** Returns the account that the session was last paired with, whether or not it still is. */
export const accountOf = (state: SessionState): Me | undefined => state.account ?? state.me;

/** Returns when the present status began. */
export const statusSince = ({ statuses, createdAt }: SessionState): Timestamp | undefined =>
  statuses.at(-1)?.time ?? createdAt;

/** Returns the number of failed attempts to connect in a row; 0 while connected. */
export const failedAttemptsOf = (state: SessionState): number => (state.phase === Phase.WORKING ? 0 : state.attempt);

/** Returns true if the session failed because WhatsApp refused its client version, and this is another version. */
export const canUseVersion = (state: SessionState, version: string): boolean =>
  state.desiredState === Desired.RUNNING &&
  state.phase === Phase.FAILED &&
  state.reason === Reason.CLIENT_OUTDATED &&
  state.refusedClientVersion !== version;

/** Returns when `wake` is due, if ever (monotonic, ms). */
export function wakeAtMs(state: SessionState): number | undefined {
  if (state.desiredState !== Desired.RUNNING || state.wakeAt === undefined || isLeaving(state)) return undefined;
  return timestampMs(state.wakeAt);
}

/** Returns when the next attempt to connect is due, or the present one is given up (monotonic, ms). Other waits are internal. */
export function nextAttemptAtMs(state: SessionState): number | undefined {
  const status = statusOf(state);
  return status === Status.STARTING || status === Status.FAILED ? wakeAtMs(state) : undefined;
}

/** Returns true if an engine should be open. */
export const isRunning = ({ desiredState, phase }: SessionState): boolean =>
  desiredState === Desired.RUNNING && [Phase.CONNECTING, Phase.PAIRING, Phase.WORKING].includes(phase);

/** Returns true if the session is leaving. Before an input, that means that the step that was leaving was interrupted. */
export const isLeaving = (state: SessionState): boolean =>
  state.phase === Phase.LOGGING_OUT || state.phase === Phase.DELETING;
