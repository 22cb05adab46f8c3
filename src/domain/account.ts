import { equals } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Me, MeSchema, type ReachoutTimelock } from "../../gen/sessiond/v1/session_pb.js";

/** Status of a quota that does not limit the account. */
const noCapping = "NONE";

/** Returns true if two accounts are shown alike. */
export const isSameAccount = (a: Me | undefined, b: Me | undefined): boolean =>
  a && b ? equals(MeSchema, a, b) : a === b;

/** Returns an account with the limits that were known of it, where an engine has not heard of them yet. */
export function withKnownLimits(me: Me, former: Me | undefined): Me {
  if (former?.id !== me.id) return me;
  const { reachoutTimelock = former.reachoutTimelock, messageCapping = former.messageCapping } = me;
  return {
    ...me,
    ...(reachoutTimelock && { reachoutTimelock }),
    ...(messageCapping && { messageCapping }),
  };
}

/** Returns true if the lock on new chats has begun, ended or got another end, or if the quota of new chats has another status. */
export function hasOtherLimits(before: Me | undefined, after: Me): boolean {
  const limitsOf = ({ reachoutTimelock: lock, messageCapping }: Partial<Me>) => [
    lock?.isActive === true,
    lock?.isActive && lock.timeEnforcementEnds ? timestampMs(lock.timeEnforcementEnds) : 0,
    messageCapping?.cappingStatus || noCapping,
  ];
  return String(limitsOf(before ?? {})) !== String(limitsOf(after));
}

/** Returns an account as it is to be shown at a time: a lock that has run out is over, though WhatsApp has not said so yet. */
export function withCurrentLock(me: Me, wallMs: number): Me {
  const { reachoutTimelock: lock } = me;
  if (!lock?.isActive || lockEndMs(lock, wallMs) !== undefined) return me;
  return { ...me, reachoutTimelock: { ...lock, isActive: false } };
}

/** Returns the time (Unix ms) at which a lock on new chats ends, Infinity if that is not known; undefined if it holds no more. */
export function lockEndMs(lock: ReachoutTimelock | undefined, wallMs: number): number | undefined {
  if (!lock?.isActive) return undefined;
  const endMs = lock.timeEnforcementEnds ? timestampMs(lock.timeEnforcementEnds) : Number.POSITIVE_INFINITY;
  return endMs > wallMs ? endMs : undefined;
}
