import { SessionRecord_Phase as Phase } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  Engine_Kind,
  Session_StatusReason as Reason,
  Session_Remedy as Remedy,
} from "../../gen/sessiond/v1/session_pb.js";
import type { SessionState } from "./session-state.ts";

const remedies = {
  [Reason.STATUS_REASON_UNSPECIFIED]: Remedy.REMEDY_UNSPECIFIED,
  [Reason.LOGGED_OUT]: Remedy.PAIR_AGAIN,
  [Reason.REPLACED]: Remedy.RESTART,
  [Reason.RESTART_REQUIRED]: Remedy.WAIT,
  [Reason.BANNED]: Remedy.REQUEST_REVIEW,
  [Reason.TEMPORARILY_BANNED]: Remedy.WAIT_UNTIL,
  [Reason.CLIENT_OUTDATED]: Remedy.UPGRADE_CLIENT,
  [Reason.REJECTED]: Remedy.RESTART,
  [Reason.UNREACHABLE]: Remedy.CHECK_NETWORK,
  [Reason.PAIRING_TIMEOUT]: Remedy.PAIR_AGAIN,
  [Reason.ENGINE_CRASHED]: Remedy.WAIT,
  [Reason.BAD_SESSION]: Remedy.WAIT,
  [Reason.CREDENTIALS_UNREADABLE]: Remedy.RESTORE_LOGIN,
} as const satisfies Record<Reason, Remedy>;

/** Facts about the server that a remedy depends on. */
export interface RemedyContext {
  /** True if the server has proxies for sessions that configure none. */
  readonly hasProxyPool: boolean;
}

/** Returns what the owner of a session can do about the reason of its last failure. */
export function remedyOf(state: SessionState, { hasProxyPool }: RemedyContext): Remedy {
  switch (state.reason) {
    case Reason.UNREACHABLE:
      return state.config?.proxy || hasProxyPool ? Remedy.CHECK_PROXY : remedies[state.reason];
    case Reason.REPLACED:
      // The first time the server tries once more by itself.
      return state.phase === Phase.FAILED ? remedies[state.reason] : Remedy.WAIT;
    case Reason.CREDENTIALS_UNREADABLE:
      // Only NOWEB keeps a former login.
      return state.engine === Engine_Kind.WEBJS ? Remedy.LOG_OUT_AND_PAIR : remedies[state.reason];
    default:
      return remedies[state.reason];
  }
}
