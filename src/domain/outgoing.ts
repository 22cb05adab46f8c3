import { Outgoing_State as State } from "../../gen/sessiond/v1/outgoing_pb.js";

/** Returns true for a message that WhatsApp's server has not acknowledged, and that is still to be sent. */
export const isUnsent = (state: State): boolean =>
  state === State.QUEUED || state === State.WAITING || state === State.SENDING;
