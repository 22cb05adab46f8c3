import { SessionRecord_Phase as Phase, type SessionRecord } from "../../../../gen/sessiond/store/v1/store_pb.js";
import { Session_DesiredState as Desired, Engine_Kind as Kind } from "../../../../gen/sessiond/v1/session_pb.js";

/** A browser takes about as much as 200 sessions without one. */
const webjsWeight = 200;

/** Returns true if some node has to run the session, or has to finish what was begun. */
export const isWanted = ({ desiredState, phase }: SessionRecord): boolean =>
  desiredState === Desired.RUNNING || (phase !== Phase.STOPPED && phase !== Phase.UNSPECIFIED);

/** Returns what a session costs the node that runs it, as a multiple of a NOWEB session. */
export const weightOf = ({ engine }: SessionRecord): number => (engine === Kind.WEBJS ? webjsWeight : 1);
