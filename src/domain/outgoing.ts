import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { OutgoingMessage } from "../../gen/sessiond/store/v1/store_pb.js";
import { MessagePayload_Ack as Ack } from "../../gen/sessiond/v1/event_pb.js";
import { Outgoing_State as State } from "../../gen/sessiond/v1/outgoing_pb.js";
import { isGroupId } from "./chat-address.ts";
import type { MessageChange } from "./session-input.ts";

/** Report of WhatsApp on a message, as engines bring it. */
export interface Acknowledgement {
  readonly ack: Ack;
  /** Chat id of the participant that it is about, in a group. */
  readonly participant?: string | undefined;
  readonly reason?: string | undefined;
}

/** States by the acknowledgement that leads to them. */
const stateOf: Readonly<Record<Ack, State>> = {
  [Ack.ERROR]: State.FAILED,
  [Ack.PENDING]: State.SENDING,
  [Ack.SERVER]: State.SENT,
  [Ack.DEVICE]: State.DELIVERED,
  [Ack.READ]: State.READ,
  [Ack.PLAYED]: State.PLAYED,
};

/** Order of the states in which WhatsApp has the message. */
const progress: readonly State[] = [State.SENT, State.DELIVERED, State.READ, State.PLAYED];

/** Returns true for a message that is still to be sent, or that WhatsApp's server has not acknowledged. */
export const isUnsent = (state: State): boolean =>
  state === State.QUEUED || state === State.WAITING || state === State.SENDING;

/** Returns true for a message that nothing of has left. */
export const isCancellable = (state: State): boolean => state === State.QUEUED || state === State.WAITING;

/** Returns the acknowledgement that events and answers show for a state. */
export function ackOf(state: State): Ack {
  switch (state) {
    case State.SENT:
      return Ack.SERVER;
    case State.DELIVERED:
      return Ack.DEVICE;
    case State.READ:
      return Ack.READ;
    case State.PLAYED:
      return Ack.PLAYED;
    case State.FAILED:
    case State.EXPIRED:
    case State.CANCELLED:
      return Ack.ERROR;
    default:
      return Ack.PENDING;
  }
}

/** Returns a message in another state. */
export const inState = (message: OutgoingMessage, state: State, wallMs: number, reason = ""): OutgoingMessage => ({
  ...message,
  state,
  reason,
  changedAt: timestampFromMs(wallMs),
});

/**
 * Returns a message after a report; undefined if the report brings nothing new. A message that was delivered cannot fail any more, and
 * one counted as failed or uncertain can turn out to be delivered. In a group, the message is as far as its first participant is.
 */
export function acknowledged(
  message: OutgoingMessage,
  { ack, participant, reason = "" }: Acknowledgement,
  wallMs: number,
): OutgoingMessage | undefined {
  const state = stateOf[ack];
  if (state === State.SENDING) return undefined;
  if (state === State.FAILED) {
    return progress.includes(message.state) || message.state === State.FAILED
      ? undefined
      : inState(message, State.FAILED, wallMs, reason);
  }
  const isNewForParticipant =
    participant !== undefined &&
    isGroupId(message.chatId) &&
    isFurther(message.participants[participant] ?? State.STATE_UNSPECIFIED, state);
  const participants = isNewForParticipant ? { ...message.participants, [participant]: state } : message.participants;
  if (!isFurther(message.state, state)) return isNewForParticipant ? { ...message, participants } : undefined;
  return { ...inState(message, state, wallMs), participants };
}

/**
 * Returns a message without its copy for recipients that ask again, if the account has edited or deleted it since, or a group's admin
 * has deleted it. Undefined if the change leaves the copy as it is.
 */
export function voided(message: OutgoingMessage, change: MessageChange): OutgoingMessage | undefined {
  if (change.case === "messageReaction" || message.encoded.length === 0 || isUnsent(message.state)) return undefined;
  const by = change.case === "messageRevoked" ? change.value.after : change.value.message;
  if (!by) return undefined;
  const isByAdmin = change.case === "messageRevoked" && isGroupId(message.chatId) && by.from === message.chatId;
  return by.fromMe || isByAdmin ? { ...message, encoded: new Uint8Array() } : undefined;
}

/** Returns true if WhatsApp has brought a message further than it was known to be. */
const isFurther = (from: State, to: State): boolean => progress.indexOf(to) > progress.indexOf(from);
