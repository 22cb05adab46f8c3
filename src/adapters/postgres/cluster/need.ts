import { SessionRecord_Phase as Phase, type SessionRecord } from "../../../../gen/sessiond/store/v1/store_pb.js";
import { Session_DesiredState as Desired } from "../../../../gen/sessiond/v1/session_pb.js";

/** Returns true if some node has to run the session, or has to finish what was begun. */
export const isWanted = ({ desiredState, phase }: SessionRecord): boolean =>
  desiredState === Desired.RUNNING || (phase !== Phase.STOPPED && phase !== Phase.UNSPECIFIED);
