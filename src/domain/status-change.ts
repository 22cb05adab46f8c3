import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { SessionStatusPayload } from "../../gen/sessiond/v1/event_pb.js";
import { Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";

/** A status compared with the one before it. */
export interface StatusChange {
  /** True if the status began with the event. Otherwise the event repeats it, for a new code or another change. */
  readonly isNew: boolean;
  /** The status before the event. Unspecified for the first one. */
  readonly previous: Status;
}

/** Returns the change of status that an event of this time announces. */
export function statusChange(
  { status, statuses }: Pick<SessionStatusPayload, "status" | "statuses">,
  time: Timestamp | undefined,
): StatusChange {
  const last = statuses.at(-1);
  const isNew = last?.time?.seconds === time?.seconds && last?.time?.nanos === time?.nanos;
  return { isNew, previous: isNew ? (statuses.at(-2)?.status ?? Status.STATUS_UNSPECIFIED) : status };
}
